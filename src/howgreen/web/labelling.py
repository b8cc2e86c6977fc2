"""The page for interpreting the units of a sample, one at a time; served on localhost only.

Every answer is on disk before the next unit is shown, so that a crash loses none. The page never receives the map's
label.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
from affine import Affine

from howgreen.core.errors import EstimateError, HowgreenError
from howgreen.core.files import write_atomic
from howgreen.core.geometry import transformer
from howgreen.core.known_types import known
from howgreen.estimate.answers import (
    CHANGED_KINDS,
    GOLD,
    GREEN_KINDS,
    Answer,
    counted,
    in_order,
    letters_of,
    read_answers,
    to_agree_on,
    write_answers,
)
from howgreen.estimate.evaluate import evaluate, may_show
from howgreen.estimate.sample import Sample, Unit, dot_positions
from howgreen.web.pictures import SIZES_M, Picture, chip, on_chip, shows, tiles

HOST = "127.0.0.1"
LARGEST_BODY_BYTES = 10_000
SLOWEST_REQUEST_S = 10.0
IMAGES = "images.json"
"""In a sample's folder: the finer images that were consulted."""
LARGEST_IMAGES_BYTES = 1_000_000


def answers_file(folder: Path, reader: str) -> Path:
    """Return the file of one reader's answers.

    Raises
    ------
    EstimateError
        The name is not a plain one.
    """
    if not re.fullmatch(r"[\w][\w .\-]{0,39}", reader):
        raise EstimateError(f"reader {reader!r}: give a name of letters, digits, blanks, '.', '_' and '-' (at most 40)")
    return folder / f"answers-{reader}.csv"


def all_answers(folder: Path, sample: Sample) -> tuple[Answer, ...]:
    """Read the answers of all readers in a sample's folder; empty if there are none yet."""
    tables = [file for file in sorted(folder.glob("answers-*.csv")) if file.stat().st_size]
    return read_answers(tables, sample) if tables else ()


def keep_images(folder: Path, shown: Sequence[Picture]) -> None:
    """Record the finer images consulted: the estimate refers to their date, and their providers are credited."""
    told = images_of(folder)
    told += [text for one in shown if (text := f"{one.name}, {one.date}, {one.licence}") not in told]
    if told:
        write_atomic(folder / IMAGES, json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def images_of(folder: Path) -> list[str]:
    """List finer images consulted by a sample's readers, with date and licence.

    Raises
    ------
    EstimateError
        The file that records them is not ours any more.
    """
    file = folder / IMAGES
    if not file.exists():
        return []
    try:
        return msgspec.json.decode(file.read_bytes()[:LARGEST_IMAGES_BYTES], type=known(list[str]))
    except (OSError, msgspec.DecodeError) as error:
        raise EstimateError(
            f"{file}: is no list of images ({error}); delete it, and start `howgreen label` again"
        ) from error


@dataclass
class Session:
    """One reader's session on a sample."""

    folder: Path
    sample: Sample
    reader: str
    pictures: Sequence[Picture]
    agree: bool = False
    """Whether two readers resolve their disagreements, instead of reading anew."""
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        answers_file(self.folder, self.name)  # checks the name before anybody answers

    @property
    def name(self) -> str:
        """Name under which the answers are kept."""
        return GOLD if self.agree else self.reader

    def queue(self) -> list[int]:
        """List the units for this reader, in order, including those already answered."""
        answers = all_answers(self.folder, self.sample)
        if self.agree:
            kinds = GREEN_KINDS if self.sample.change is None else CHANGED_KINDS
            return list(to_agree_on(in_order(answers), seed=self.sample.seed, kinds=kinds))
        others: dict[int, int] = {}
        for one in answers:
            if one.reader not in (self.name, GOLD):
                others[one.unit] = others.get(one.unit, 0) + 1
        return [u.unit for u in self.sample.units if others.get(u.unit, 0) < (2 if u.twice else 1)]

    def own(self) -> dict[int, Answer]:
        """Return this reader's answers by unit."""
        file = answers_file(self.folder, self.name)
        return {one.unit: one for one in read_answers([file], self.sample)} if file.exists() else {}

    def put(self, unit: int, pattern: str) -> None:
        """Store an answer; it is on disk when this returns.

        Raises
        ------
        EstimateError
            Not a unit of the queue, or not one letter for each of its dots.
        """
        with self._lock:
            if unit not in self.queue():
                raise EstimateError(f"unit {unit}: is not for this reader")
            asked, letters = self.sample.units[unit - 1].asked, letters_of(self.sample)
            fits = len(pattern) == len(asked) and all(
                (p in letters) if a == "1" else p == "-" for p, a in zip(pattern, asked, strict=True)
            )
            if not fits:
                raise EstimateError(f"unit {unit}: {pattern[:30]!r} has not one kind for each of its dots")
            now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            own = self.own()
            own[unit] = Answer(unit=unit, reader=self.name, dots=counted(pattern, letters), time=now, pattern=pattern)
            write_atomic(answers_file(self.folder, self.name), write_answers(own.values(), self.sample))

    def state(self) -> dict[str, Any]:
        """Return the reader's state: the queue, the answers, and the interval so far if it may be shown."""
        queue, own = self.queue(), self.own()
        found: dict[str, Any] = {
            "place": self.sample.place, "reader": self.reader, "agree": self.agree, "queue": queue, "done": sorted(own), "letters": letters_of(self.sample),
            "sizes": SIZES_M, "pictures": [{"name": p.name, "date": p.date, "licence": p.licence} for p in self.pictures],
        }  # fmt: skip
        answers = all_answers(self.folder, self.sample)
        if not self.agree and self.sample.change is None and may_show(self.sample, answers):
            whole = evaluate(self.sample, answers)
            estimate = whole.headline
            found["estimate"] = {"ratio": estimate.ratio, "low": estimate.low, "high": estimate.high, "n": estimate.n}
            found["looks_in_all"] = {str(points): looks for points, looks in whole.looks_in_all.items()}
        return found

    def unit(self, number: int, size_m: int) -> dict[str, Any]:
        """Describe one unit: its pictures, its outline and dots on them, and the answers so far."""
        one = self._unit(number)
        affine = Affine(*self.sample.transform)
        corners = np.array([affine @ (one.column + dx, one.row + dy) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))])
        point = transformer("EPSG:4326", self.sample.crs).transform(one.lon, one.lat)
        dots = dot_positions(affine, one.row, one.column, self.sample.dots, point)
        centre = affine @ (one.column + 0.5, one.row + 0.5)
        views = []
        for index, shown in enumerate(self.pictures):
            if shown.is_service:
                laid, place = tiles(shown, self.sample.crs, centre, size_m)
            else:
                laid = [{"src": f"chip/{number}/{index}/{size_m}.png", "x": 0, "y": 0, "side": 1}]

                def place(points: Any) -> list[list[float]]:
                    return on_chip(points, centre, size_m)

            # A service is unknown before the browser queries it; for a local image, the unit itself decides.
            shown_there = shown.is_service or shows(shown, self.sample.crs, centre, abs(affine.a))
            views.append({"tiles": laid, "outline": place(corners), "dots": place(dots), "shows": shown_there})
        own = self.own().get(number)
        seen = (
            [one for one in all_answers(self.folder, self.sample) if one.unit == number and one.reader != GOLD]
            if self.agree
            else []
        )
        return {
            "unit": number, "asked": one.asked, "views": views, "pattern": own.pattern if own else "", "lon": one.lon, "lat": one.lat,
            "readings": [{"reader": answer.reader, "pattern": answer.pattern} for answer in seen],
        }  # fmt: skip

    def chip(self, number: int, index: int, size_m: int) -> bytes:
        """Cut the picture of a unit out of a local image."""
        one, shown = self._unit(number), self.pictures[index]
        affine = Affine(*self.sample.transform)
        return chip(shown, self.sample.crs, affine @ (one.column + 0.5, one.row + 0.5), size_m)

    def _unit(self, number: int) -> Unit:
        if not 1 <= number <= len(self.sample.units):
            raise EstimateError(f"unit {number}: is none of the sample's {len(self.sample.units)}")
        return self.sample.units[number - 1]


class Server(ThreadingHTTPServer):
    """Serves a session on the loopback interface, behind an unguessable URL."""

    daemon_threads = True

    def __init__(self, session: Session, *, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.session = session
        self.token = secrets.token_urlsafe(16)

    @property
    def url(self) -> str:
        """URL of the page."""
        return f"http://{HOST}:{self.server_address[1]}/{self.token}/"

    @property
    def policy(self) -> str:
        """Content security policy of the page: its own files, and images from the services named by the user."""
        origins = sorted({shown.origin for shown in self.session.pictures if shown.is_service})
        pictures = " ".join(["'self'", *origins])
        return f"default-src 'none'; img-src {pictures}; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"


_FILES: Mapping[str, str] = {
    "label.html": "text/html",
    "label.css": "text/css",
    "label.js": "text/javascript",
    "label-words.json": "application/json",
    "icon.svg": "image/svg+xml",
}


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = SLOWEST_REQUEST_S
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def log_message(self, *_: object) -> None:
        """Write no log: the URL holds the token."""

    def _answered(self, work: Any) -> None:
        try:
            path = self._path()
            if path is None:
                self._send(HTTPStatus.NOT_FOUND, b"not here", "text/plain")
            else:
                work(path)
        except HowgreenError as error:
            self._send(HTTPStatus.BAD_REQUEST, json.dumps({"error": str(error)}).encode(), "application/json")
        except (ValueError, IndexError, KeyError, TypeError, RecursionError):
            self._send(HTTPStatus.BAD_REQUEST, b'{"error": "that is no request of this page"}', "application/json")
        except OSError:
            self.close_connection = (
                True  # the browser is gone, or the disk refuses: the page then gets no response and says so
            )

    def _path(self) -> str | None:
        """Return the path behind the token; None for strangers, including pages of other sites (by Host and Origin)."""
        port = self.server.server_address[1]
        hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in hosts or (origin and urlsplit(origin).netloc not in hosts):
            return None
        prefix = f"/{self.server.token}/"
        path = urlsplit(self.path).path
        return path.removeprefix(prefix) if path.startswith(prefix) else None

    def _get(self, path: str) -> None:
        session = self.server.session
        if path in ("", *_FILES):
            name = path or "label.html"
            self._send(
                HTTPStatus.OK, files("howgreen.web").joinpath(name).read_bytes(), f"{_FILES[name]}; charset=utf-8"
            )
        elif path == "state.json":
            self._json(session.state())
        elif match := re.fullmatch(r"unit/(\d{1,6})/(\d{1,4})\.json", path):
            self._json(session.unit(int(match[1]), _size(match[2])))
        elif match := re.fullmatch(r"chip/(\d{1,6})/(\d{1,2})/(\d{1,4})\.png", path):
            self._send(HTTPStatus.OK, session.chip(int(match[1]), int(match[2]), _size(match[3])), "image/png")
        else:
            self._send(HTTPStatus.NOT_FOUND, b"not here", "text/plain")

    def _post(self, path: str) -> None:
        length = self.headers.get("Content-Length", "")
        if path != "answer" or not length.isdecimal() or int(length) > LARGEST_BODY_BYTES:
            self._send(HTTPStatus.BAD_REQUEST, b'{"error": "that is no request of this page"}', "application/json")
            self.close_connection = True  # the request body is not read
            return
        given = json.loads(self.rfile.read(int(length)))
        self.server.session.put(int(given["unit"]), str(given["pattern"]))
        self._json(self.server.session.state())

    def _json(self, value: object) -> None:
        self._send(HTTPStatus.OK, json.dumps(value, ensure_ascii=False).encode(), "application/json; charset=utf-8")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", self.server.policy),
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _size(text: str) -> int:
    size = int(text)
    if size not in SIZES_M:
        raise ValueError(text)
    return size
