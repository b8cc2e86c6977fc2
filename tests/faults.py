"""A server, or a proxy before one, on the loopback: slow, busy, forgetful or broken exactly as a test tells it.

It runs in a process of its own, so that the client's threads and Python's lock cannot hold it up::

    with Faults(root=folder) as far:  # hands out files, knows ranges, ETags and keep-alive
        far.fail("status", status=503, times=2)  # the next two requests
    with Faults(upstream="http://127.0.0.1:7822") as far:  # stands before a server that nobody here wrote
        far.fail("drop", match="/search", after=1)  # from the second request of that path on

``far.count()`` says what was asked and how many bytes of bodies went out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

KINDS = (
    "status",  # answers ``status`` with ``headers``
    "hang",  # takes the request and says nothing for ``seconds``, then closes
    "slow",  # answers properly, after ``seconds``
    "drip",  # answers properly, a byte every ``seconds``
    "refuse",  # closes the connection instead of answering
    "drop",  # closes it in the middle of the body
    "short",  # hands out a shorter range than was asked for, and says so
    "shifted",  # hands out other bytes than were asked for, and says so
    "whole",  # answers a range with 200 and the whole file
    "etag",  # says another ETag
    "no etag",  # says neither ETag nor Last-Modified
    "weak etag",  # says a weak ETag, another each time: a hint that holds for no byte (RFC 9110, 8.8.3)
    "grown",  # says another size
    "garbage",  # the right length and headers, other bytes
    "token",  # refuses (``status``, else 403) what does not carry ``token`` in its query
)


@dataclass
class Fault:
    """What goes wrong, for which requests."""

    kind: str
    match: str = ""
    """Only requests whose path or query holds this."""
    method: str = ""
    after: int = 0
    """So many matching requests pass first."""
    times: int | None = None
    """Then so many fail; None: all."""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    token: str = ""
    seen: int = 0

    def hits(self, method: str, target: str) -> bool:
        if self.match not in target or self.method not in {"", method}:
            return False
        self.seen += 1
        return self.seen > self.after and (self.times is None or self.seen <= self.after + self.times)


class Faults:
    """The server, as a test has it."""

    def __init__(self, root: str | Path | None = None, *, upstream: str = "", latency_s: float = 0.0) -> None:
        self.root = None if root is None else Path(root)
        where = ["--root", str(root)] if root is not None else ["--upstream", upstream]
        command = [sys.executable, __file__, *where, "--latency", str(latency_s)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def fail(self, kind: str, **how: object) -> None:
        """One more fault, beside those that are set; see :class:`Fault`."""
        if kind not in KINDS:
            raise ValueError(kind)
        self._tell("fail", asdict(Fault(kind=kind, **how)))

    def heal(self) -> None:
        """No faults any more; counts begin anew."""
        self._tell("heal", {})

    def count(self) -> dict:
        """``requests``, ``bytes`` of bodies sent, ``lines`` (method and target of each, ranges after a blank)."""
        return self._tell("count", {})

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(5)
        self.process.stdout.close()

    def __enter__(self) -> Faults:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, what: str, value: dict) -> dict:
        request = urllib.request.Request(f"{self.url}/_{what}", json.dumps(value).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.load(answer)


# From here on: the server's own process.


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes = b""


class Server:
    def __init__(self, root: Path | None, upstream: str, latency_s: float) -> None:
        self.root, self.upstream, self.latency_s = root, upstream, latency_s
        self.faults: list[Fault] = []
        self.lines: list[str] = []
        self.bytes = 0
        self.files: dict[Path, tuple[tuple[int, int], bytes]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while (request := await _asked(reader)) and await self.answer(request, writer):
                pass
        with suppress(ConnectionError):
            writer.close()

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        if request.target.startswith("/_"):
            return await self.told(request, writer)
        self.lines.append(f"{request.method} {request.target} {request.headers.get('range', '')}".strip())
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        now = [fault for fault in self.faults if fault.hits(request.method, request.target)]
        for fault in now:
            if fault.kind in {"hang", "slow"}:
                await asyncio.sleep(fault.seconds)
            if fault.kind in {"hang", "refuse"}:
                return False
        if any(fault.kind == "whole" for fault in now):
            request.headers.pop("range", None)
        reply = await self.reply(request)
        for fault in now:
            reply = _broken(fault, request, reply)
        dropped = any(fault.kind == "drop" for fault in now)
        drip_s = max((fault.seconds for fault in now if fault.kind == "drip"), default=0.0)
        await self.send(request, reply, writer, dropped=dropped, drip_s=drip_s)
        return not dropped

    async def send(
        self, request: Request, reply: Reply, writer: asyncio.StreamWriter, *, dropped: bool, drip_s: float
    ) -> None:
        lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        body = b"" if request.method == "HEAD" else reply.body[: len(reply.body) // 2 if dropped else None]
        if drip_s:
            for at in range(len(body)):
                writer.write(body[at : at + 1])
                await writer.drain()
                await asyncio.sleep(drip_s)
        else:
            writer.write(body)
        self.bytes += len(body)
        await writer.drain()

    async def told(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        value = {}
        if request.target == "/_fail":
            self.faults.append(Fault(**json.loads(request.body)))
        elif request.target == "/_heal":
            self.faults, self.lines, self.bytes = [], [], 0
        else:
            value = {"requests": len(self.lines), "bytes": self.bytes, "lines": self.lines}
        body = json.dumps(value).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        return False

    async def reply(self, request: Request) -> Reply:
        return self.file(request) if self.root is not None else await asyncio.to_thread(self.forwarded, request)

    def file(self, request: Request) -> Reply:
        path = self.root / unquote(urlsplit(request.target).path).lstrip("/")
        if not path.is_file():
            return Reply(404, {"Content-Length": "0"})
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if self.files.get(path, ((), b""))[0] != stamp:
            self.files[path] = (stamp, path.read_bytes())
        data = self.files[path][1]
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": f'"{stamp[0]:x}-{stamp[1]:x}"',
            "Last-Modified": formatdate(stat.st_mtime, usegmt=True),
        }
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        if not asked:
            return Reply(200, headers | {"Content-Length": str(len(data))}, data)
        first = int(asked[1]) if asked[1] else len(data) - int(asked[2])
        last = min(int(asked[2]) if asked[1] and asked[2] else len(data) - 1, len(data) - 1)
        return _range(data, first, last, headers)

    def forwarded(self, request: Request) -> Reply:
        kept = {k: v for k, v in request.headers.items() if k not in {"host", "connection", "accept-encoding"}}
        onward = urllib.request.Request(
            self.upstream.rstrip("/") + request.target, request.body or None, kept, method=request.method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(onward, timeout=30) as answer:
                status, headers, body = answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, headers, body = error.code, dict(error.headers), error.read()
        headers = {k: v for k, v in headers.items() if k.lower() not in {"transfer-encoding", "connection"}}
        # What it hands out leads back here, not past the faults.
        url, here = self.upstream.rstrip("/").encode(), f"http://{request.headers.get('host', '')}".encode()
        body = body.replace(url, here)
        return Reply(status, headers | {"Content-Length": str(len(body))}, body)


def _range(data: bytes, first: int, last: int, headers: dict[str, str]) -> Reply:
    if first >= len(data):
        return Reply(416, headers | {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
    body = data[first : last + 1]
    span = f"bytes {first}-{first + len(body) - 1}/{len(data)}"
    return Reply(206, headers | {"Content-Range": span, "Content-Length": str(len(body))}, body)


def _broken(fault: Fault, request: Request, reply: Reply) -> Reply:
    headers = dict(reply.headers)
    span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", headers.get("Content-Range", ""))
    if fault.kind == "status":
        return Reply(fault.status, {"Content-Length": "0"} | fault.headers)
    if fault.kind == "token" and fault.token not in urlsplit(request.target).query:
        return Reply(fault.status or 403, {"Content-Length": "0"})
    if fault.kind == "etag":
        return Reply(reply.status, headers | {"ETag": '"another"'}, reply.body)
    if fault.kind == "weak etag":
        return Reply(reply.status, headers | {"ETag": f'W/"{fault.seen}"'}, reply.body)
    if fault.kind == "no etag":
        kept = {k: v for k, v in headers.items() if k not in {"ETag", "Last-Modified"}}
        return Reply(reply.status, kept, reply.body)
    if fault.kind == "garbage":
        return Reply(reply.status, headers, bytes(255 - byte for byte in reply.body))
    if fault.kind == "short" and reply.body:
        body = reply.body[: (len(reply.body) + 1) // 2]
        if span:
            headers["Content-Range"] = f"bytes {span[1]}-{int(span[1]) + len(body) - 1}/{span[3]}"
        return Reply(reply.status, headers | {"Content-Length": str(len(body))}, body)
    if fault.kind == "grown" and span:
        return Reply(
            reply.status, headers | {"Content-Range": f"bytes {span[1]}-{span[2]}/{int(span[3]) + 7}"}, reply.body
        )
    if fault.kind == "shifted" and span:
        moved = f"bytes {int(span[1]) + 1}-{int(span[2]) + 1}/{int(span[3]) + 1}"
        return Reply(reply.status, headers | {"Content-Range": moved}, reply.body)
    return reply


async def _asked(reader: asyncio.StreamReader) -> Request | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)


async def _main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--root", type=Path)
    asked.add_argument("--upstream", default="")
    asked.add_argument("--latency", type=float, default=0.0)
    given = asked.parse_args()
    server = Server(given.root, given.upstream, given.latency)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 20, backlog=512)
    print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201 (who started it reads this)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
