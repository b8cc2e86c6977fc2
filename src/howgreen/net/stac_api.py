"""A STAC API: its landing page, its collections and its searches, page by page.

Only what every server understands is asked (collections, box, days), and no page is believed to be the last because it
looks so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

from howgreen.core.errors import NetworkError
from howgreen.core.geometry import BBox
from howgreen.net.http import Request, RetryPolicy, fetch_json, redact_url

POLICY = RetryPolicy(first_wait_s=0.3, attempt_s=30.0, total_s=60.0)
MOST_PAGES = 200
CURE = "try again later, or use another --catalog"


class StacApi:
    """One STAC API."""

    def __init__(self, url: str, *, contact: str = "", cure: str = CURE) -> None:
        self.url = url
        self._contact = contact
        self._cure = cure
        self._landing: dict[str, Any] | None = None

    def collections(self) -> list[str]:
        """Return the ids of all its collections. NetworkError when it does not tell."""
        href = self._link("data")["href"]
        pages = self._pages(Request(url=href, contact=self._contact))
        return [str(one.get("id")) for page in pages for one in self._list(page, "collections")]

    def search(
        self, collections: Sequence[str], *, bbox: BBox, datetime: str | None = None, limit: int
    ) -> Iterator[list[Mapping[str, Any]]]:
        """Yield the items of a search, page by page.

        Raises
        ------
        NetworkError
            When the server does not answer, or answers what is no search of a STAC API.
        """
        asked: dict[str, Any] = {"collections": list(collections), "bbox": list(bbox), "limit": limit}
        if datetime is not None:
            asked["datetime"] = datetime
        link = self._link("search")
        if str(link.get("method", "GET")).upper() == "POST":
            request = Request(url=link["href"], method="POST", json=asked, contact=self._contact)
        else:
            flat = {key: ",".join(map(str, v)) if isinstance(v, list) else str(v) for key, v in asked.items()}
            request = Request(url=link["href"], params=flat, contact=self._contact)
        for page in self._pages(request):
            yield self._list(page, "features")

    def _link(self, rel: str) -> dict[str, Any]:
        """Return a link of the landing page, its address absolute; a search by POST before one by GET."""
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
            link = (
                next((one for one in links if _is_link(one) and one["rel"] == "next"), None)
                if isinstance(links, list)
                else None
            )
            if link is None:
                return
            request = _next(request, link)
        raise self._error(f"answers in more than {MOST_PAGES} pages")

    def _fetch(self, request: Request) -> dict[str, Any]:
        return fetch_json(request, policy=POLICY, cure=self._cure)

    def _list(self, page: Mapping[str, Any], key: str) -> list[Any]:
        listed = page.get(key)
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise self._error(f"does not answer as a STAC API (no list of {key})")
        return listed

    def _error(self, why: str) -> NetworkError:
        return NetworkError(f"{redact_url(self.url)}: {why}; {self._cure}")


def _is_link(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("href"), str) and isinstance(one.get("rel"), str)


def _next(before: Request, link: Mapping[str, Any]) -> Request:
    """Build the request of the next page, as its link describes it: method, body, and whether the body completes the last."""
    href = urljoin(before.url, link["href"])
    if str(link.get("method", "GET")).upper() != "POST":
        return Request(url=href, contact=before.contact)
    given = link.get("body")
    body = given if isinstance(given, dict) else {}
    last = before.json if link.get("merge") and isinstance(before.json, dict) else {}
    return Request(url=href, method="POST", json={**last, **body}, contact=before.contact)
