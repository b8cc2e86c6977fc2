"""Client of a STAC API: landing page, collections and paged searches.

Only parameters that every server supports are sent (collections, box, days), and a page is never assumed to be the last
because it looks so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any
from urllib.parse import urljoin

from howgreen.core.errors import NetworkError
from howgreen.core.geometry import BBox
from howgreen.net import http
from howgreen.net.http import Request, RetryPolicy

POLICY = RetryPolicy(first_wait_s=0.3, attempt_s=30.0, total_s=60.0)
MOST_PAGES = 200
PAGE_ITEMS, LARGEST_PAGE_ITEMS = 100, 1000
MOST_ITEMS = 2000
"""A search with more results is an error: truncating it would silently lower the quality of the answer."""
MOST_PARTS = 64
"""Most parts that the days of a search are split into."""
MOST_BYTES, MOST_S = 256 << 20, 600.0
"""Limits on all responses of a server together: bytes, and seconds."""
_ROUND = frozenset({10, 20, 25, 50, 100, 200, 250, 500, 1000})
"""Typical page limits of servers: a page of exactly this size may be truncated."""
CURE = "try again later, or use another --catalog"


class StacApi:
    """One STAC API."""

    def __init__(self, url: str, *, contact: str = "", cure: str = CURE) -> None:
        self.url = url
        self._contact = contact
        self._cure = cure
        self._landing: dict[str, Any] | None = None
        self._left = MOST_BYTES
        self._end = time.monotonic() + MOST_S

    def collections(self) -> list[str]:
        """Return the ids of all its collections; NetworkError if it does not list them."""
        href = self._link("data")["href"]
        pages = self._pages(Request(url=href, contact=self._contact))
        return [str(one.get("id")) for page in pages for one in self._list(page, "collections")]

    def search(
        self, collections: Sequence[str], *, bbox: BBox, days: tuple[date, date] | None = None, most: int = MOST_ITEMS
    ) -> list[Mapping[str, Any]]:
        """Return all items of a search.

        A full page without a link to the next is not taken for the last, nor a result shorter than its stated count:
        the same search is repeated with larger pages, then for fewer days at a time.

        Parameters
        ----------
        bbox
            West, south, east, north; degrees.
        days
            First and last day, inclusive.
        most
            More items are an error.

        Raises
        ------
        NetworkError
            When the server does not respond, returns something other than a STAC search, or only a part.
        """
        asked: dict[str, Any] = {"collections": list(collections), "bbox": list(bbox)}
        found, doubt = self._asked({**asked, "limit": PAGE_ITEMS}, days, most=most)
        if doubt:
            with suppress(NetworkError):  # the server may not allow such large pages
                found, doubt = self._asked({**asked, "limit": LARGEST_PAGE_ITEMS}, days, most=most)
        return self._split(asked, days, found, doubt, most=most) if doubt else found

    def _split(
        self,
        asked: Mapping[str, Any],
        days: tuple[date, date] | None,
        found: list[Mapping[str, Any]],
        doubt: str,
        *,
        most: int,
    ) -> list[Mapping[str, Any]]:
        """Search ever smaller ranges of days until no result is in doubt."""
        todo, parts, whole = [(days, found, doubt)], 0, dict[tuple[str, str], Mapping[str, Any]]()
        while todo:
            span, items, doubt = todo.pop()
            if not doubt:
                whole |= {_key(one): one for one in items}
                continue
            parts += 1
            if span is None or span[0] == span[1] or parts > MOST_PARTS:
                raise self._error(f"{doubt}, and does not hand out the rest")
            middle = span[0] + (span[1] - span[0]) // 2
            halves = (span[0], middle), (middle + timedelta(days=1), span[1])
            answers = [self._asked({**asked, "limit": PAGE_ITEMS}, half, most=most) for half in halves]
            if items and all([_key(one) for one in got] == [_key(one) for one in items] for got, _ in answers):
                raise self._error(f"{doubt}, and answers other days alike")
            todo += [(half, *answer) for half, answer in zip(halves, answers, strict=True)]
        if len(whole) > most:
            raise self._too_many(most)
        return list(whole.values())

    def _asked(
        self, asked: dict[str, Any], days: tuple[date, date] | None, *, most: int
    ) -> tuple[list[Mapping[str, Any]], str]:
        """Follow the pages of one search; return its items, and why they may be incomplete (empty if they seem complete)."""
        if days is not None:
            asked = {**asked, "datetime": f"{days[0].isoformat()}T00:00:00Z/{days[1].isoformat()}T23:59:59Z"}
        link = self._link("search")
        if str(link.get("method", "GET")).upper() == "POST":
            request = Request(url=link["href"], method="POST", json=asked, contact=self._contact)
        else:
            flat = {key: ",".join(map(str, v)) if isinstance(v, list) else str(v) for key, v in asked.items()}
            request = Request(url=link["href"], params=flat, contact=self._contact)
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        matched, last, pages = None, 0, 0
        for page in self._pages(request):
            listed = self._list(page, "features")
            new = {_key(one): one for one in listed}
            if listed and not new.keys() - found.keys():
                raise self._error("answers every page alike")
            found |= new
            if len(found) > most:
                raise self._too_many(most)
            matched, last, pages = matched or _matched(page), len(listed), pages + 1
        if matched is not None:
            return list(found.values()), f"hands out {len(found)} of {matched} scenes" if len(found) < matched else ""
        full = last == asked["limit"] or (pages == 1 and last in _ROUND)
        return list(found.values()), f"hands out {len(found)} scenes and no link to more" if full else ""

    def _link(self, rel: str) -> dict[str, Any]:
        """Return a link of the landing page with an absolute address; for a search, POST is preferred to GET."""
        if self._landing is None:
            self._landing = self._fetch(Request(url=self.url, contact=self._contact))
        links = self._landing.get("links")
        found = [one for one in links if _is_link(one) and one["rel"] == rel] if isinstance(links, list) else []
        if not found:
            raise self._error(f"does not answer as a STAC API (no link to its {rel})")
        best = next((one for one in found if str(one.get("method")).upper() == "POST"), found[0])
        return {**best, "href": urljoin(self.url, best["href"])}

    def _pages(self, request: Request) -> Iterator[dict[str, Any]]:
        for _ in range(MOST_PAGES):
            page = self._fetch(request)
            yield page
            links = page.get("links")
            found = [one for one in links if _is_link(one) and one["rel"] == "next"] if isinstance(links, list) else []
            if not found or not (page.get("features") or page.get("collections")):
                return
            request = _next(request, found[0])
        raise self._error(f"answers in more than {MOST_PAGES} pages")

    def _fetch(self, request: Request) -> dict[str, Any]:
        if http.is_private(request.url) and not http.is_private(self.url):
            raise self._error(f"leads on to {http.redact_url(request.url)}, an address of this network")
        if time.monotonic() > self._end:
            raise self._error(f"takes more than {MOST_S / 60:.0f} minutes for its answers")
        reply = http.fetch(request, policy=POLICY, cure=self._cure)
        self._left -= len(reply.body)
        if self._left < 0:
            raise self._error(f"answers with more than {MOST_BYTES >> 20} MiB in all")
        return http.json_object(reply, url=request.url, cure=self._cure)

    def _list(self, page: Mapping[str, Any], key: str) -> list[Any]:
        listed = page.get(key)
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            words = http.server_words(page)
            raise self._error(f"does not answer as a STAC API ({words or f'no list of {key}'})")
        return listed

    def _too_many(self, most: int) -> NetworkError:
        return NetworkError(f"{http.redact_url(self.url)}: more than {most} scenes; choose a shorter --period")

    def _error(self, why: str) -> NetworkError:
        return NetworkError(f"{http.redact_url(self.url)}: {why}; {self._cure}")


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return str(item.get("collection")), str(item.get("id"))


def _matched(page: Mapping[str, Any]) -> int | None:
    """Return the total number of items of a search, if its page states it (OGC's way, or STAC's earlier ones)."""
    context = page.get("context")
    stated = (
        page.get("numberMatched"),
        page.get("numMatched"),
        (context if isinstance(context, dict) else {}).get("matched"),
    )
    digits = (str(one) for one in stated if isinstance(one, int | str))
    return next((int(one) for one in digits if one.isascii() and one.isdecimal() and len(one) < 19), None)


def _is_link(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("href"), str) and isinstance(one.get("rel"), str)


def _next(before: Request, link: Mapping[str, Any]) -> Request:
    """Build the request for the next page from its link: method, body, and whether to merge the body with the last."""
    href = urljoin(before.url, link["href"])
    if str(link.get("method", "GET")).upper() != "POST":
        return Request(url=href, contact=before.contact)
    given = link.get("body")
    body = given if isinstance(given, dict) else {}
    last = before.json if link.get("merge") and isinstance(before.json, dict) else {}
    return Request(url=href, method="POST", json={**last, **body}, contact=before.contact)
