"""Results as a STAC catalogue: one collection, one item per result, in the structure that STAC clients traverse."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry import mapping

from howgreen.core.errors import HowgreenError
from howgreen.core.geometry import bounds_of
from howgreen.core.text import one_line
from howgreen.web.serve.models import BBox, Limit, Offset, ResultId
from howgreen.web.serve.safety import RefusedError
from howgreen.web.serve.service import Here, Service, base_of, not_found, problems

if TYPE_CHECKING:
    from howgreen.web.serve.reports import Report
    from howgreen.web.serve.results import ResultRow

VERSION = "1.1.0"
COLLECTION = "howgreen"
CONFORMS = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)
_GEO = "application/geo+json"
_ROLES = {".tif": ["data"], ".png": ["overview"], ".html": ["metadata"], ".json": ["metadata"]}
_PAGE, _MOST_LOOKED = 100, 10_000
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}(?:[Tt ][\d:.]+(?:[Zz]|[+-]\d{2}:?\d{2})?)?$")
_WORLD = [-180.0, -90.0, 180.0, 90.0]


router = APIRouter(tags=["stac"])
_JSON_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "A STAC document", "content": {"application/json": {}}}
}
_GEO_ANSWER: dict[int | str, dict[str, Any]] = {200: {"description": "A STAC document", "content": {_GEO: {}}}}


def _item(service: Service, request: Request, result_id: str) -> dict[str, Any] | None:
    report = service.reports.get(result_id)
    if report is None:
        return None
    return item_of(report, base_of(request))


@router.get("/stac", response_class=Response, responses={**_JSON_ANSWER, **problems()})
def catalog(request: Request) -> Response:
    """Return the catalogue."""
    base = base_of(request)
    links = [
        _link(f"{base}/stac", "self"), _link(f"{base}/stac", "root"), _link(f"{base}/stac/collections", "data"),
        _link(f"{base}/stac/collections/{COLLECTION}", "child"), _link(f"{base}/conformance", "conformance"), *({**_link(f"{base}/stac/search", "search", _GEO), "method": method} for method in ("GET", "POST")),
        _link(f"{base}/api", "service-desc", "application/vnd.oai.openapi+json;version=3.0"),
        _link(f"{base}/docs", "service-doc", "text/html"),
    ]  # fmt: skip
    value = {
        "type": "Catalog", "id": "howgreen-results", "stac_version": VERSION, "title": "How green places are",
        "description": "Results of this server: the green share of places, and the maps that prove it.",
        "conformsTo": list(CONFORMS), "links": links,
    }  # fmt: skip
    return _answer(value)


@router.get("/stac/collections", response_class=Response, responses={**_JSON_ANSWER, **problems()})
def collections(service: Here, request: Request) -> Response:
    """List the collections: one."""
    base = base_of(request)
    links = [_link(f"{base}/stac/collections", "self"), _link(f"{base}/stac", "root")]
    return _answer({"collections": [_collection(service, base)], "links": links})


@router.get("/stac/collections/{collection_id}", response_class=Response, responses={**_JSON_ANSWER, **problems()})
def collection(service: Here, request: Request, collection_id: str) -> Response:
    """Return the collection of results."""
    _check(collection_id)
    return _answer(_collection(service, base_of(request)))


@router.get("/stac/collections/{collection_id}/items", response_class=Response, responses={**_GEO_ANSWER, **problems()})
def items(service: Here, request: Request, collection_id: str, limit: Limit = 20, offset: Offset = 0) -> Response:
    """List results as items, the newest first."""
    _check(collection_id)
    base = base_of(request)
    own = f"{base}/stac/collections/{COLLECTION}/items"
    rows = service.results.listed(limit=limit + 1, offset=offset)
    found = []
    for row in rows[:limit]:
        one = _found(service, request, row.id)
        found += [one] if one else []
    links = [
        _link(own, "self", _GEO),
        _link(f"{base}/stac", "root"),
        _link(f"{base}/stac/collections/{COLLECTION}", "collection"),
    ]
    if len(rows) > limit:
        links.append(_link(f"{own}?limit={limit}&offset={offset + limit}", "next", _GEO))
    value = {"type": "FeatureCollection", "features": found, "numberReturned": len(found), "links": links}
    return _answer(value, kind=_GEO)


@router.get(
    "/stac/collections/{collection_id}/items/{result_id}",
    response_class=Response,
    responses={**_GEO_ANSWER, **problems()},
)
def one_item(service: Here, request: Request, collection_id: str, result_id: ResultId) -> Response:
    """Return a result as an item."""
    _check(collection_id)
    try:
        found = _item(service, request, result_id)
    except HowgreenError as error:
        raise RefusedError(404, str(error)) from error
    if found is None:
        raise not_found("result")
    return _answer(found, kind=_GEO)


class Search(BaseModel):
    """What is looked for."""

    model_config = ConfigDict(extra="ignore", strict=True)
    bbox: Annotated[list[float], Field(min_length=4, max_length=6)] | None = None
    datetime: Annotated[str, Field(max_length=100)] | None = None
    ids: Annotated[list[str], Field(max_length=100)] | None = None
    collections: Annotated[list[str], Field(max_length=100)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


@router.get("/stac/search", response_class=Response, responses={**_GEO_ANSWER, **problems()})
def search(
    service: Here,
    request: Request,
    bbox: Annotated[str | None, Query(max_length=200, pattern=r"^-?[\d.eE+-]+(,-?[\d.eE+-]+){3,5}$")] = None,
    datetime: Annotated[str | None, Query(max_length=100, pattern=r"^[0-9TtZz:./+ -]*$")] = None,
    ids: Annotated[str | None, Query(max_length=4000, pattern=r"^[0-9a-f,]*$")] = None,
    collections: Annotated[str | None, Query(max_length=500, pattern=r"^[A-Za-z0-9_.,-]*$")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> Response:
    """Find results by place, days or id."""
    try:
        box = [float(one) for one in bbox.split(",")] if bbox else None
    except ValueError as error:
        raise RefusedError(422, "bbox: write west,south,east,north in degrees") from error
    wanted = Search(
        bbox=box, datetime=datetime, ids=ids.split(",")[:100] if ids else None, limit=limit, offset=offset,
        collections=collections.split(",")[:100] if collections else None,
    )  # fmt: skip
    return _searched(service, request, wanted)


@router.post("/stac/search", response_class=Response, responses={**_GEO_ANSWER, **problems(403, 408, 413, 415)})
def search_by_body(service: Here, request: Request, wanted: Search) -> Response:
    """Find results by place, days or id."""
    return _searched(service, request, wanted)


def _searched(service: Service, request: Request, wanted: Search) -> Response:
    """List matches page by page; from rows instead of reports, as there may be thousands."""
    base, fitting, begun = base_of(request), [], 0
    days = _days(wanted.datetime)
    box = _box(wanted.bbox)
    while wanted.collections is None or COLLECTION in wanted.collections:
        rows = service.results.listed(limit=_PAGE, offset=begun)
        fitting += [row for row in rows if _fits(row, wanted, box, days)]
        begun += len(rows)
        if len(rows) < _PAGE or len(fitting) > wanted.offset + wanted.limit or begun >= _MOST_LOOKED:
            break
    part = fitting[wanted.offset : wanted.offset + wanted.limit]
    found = [one for row in part if (one := _found(service, request, row.id))]
    links = [_link(f"{base}/stac", "root"), _link(f"{base}/stac/search", "self", _GEO)]
    if len(fitting) > wanted.offset + wanted.limit:
        links.append(_next(request, wanted, base))
    value = {"type": "FeatureCollection", "features": found, "numberReturned": len(found), "links": links}
    return _answer(value, kind=_GEO)


def _found(service: Service, request: Request, result_id: str) -> dict[str, Any] | None:
    try:
        return _item(service, request, result_id)
    except HowgreenError:  # one that is being removed
        return None


def _next(request: Request, wanted: Search, base: str) -> dict[str, Any]:
    after = wanted.offset + wanted.limit
    if request.method == "POST":
        body = {**wanted.model_dump(exclude_none=True), "offset": after}
        return {"href": f"{base}/stac/search", "rel": "next", "type": _GEO, "method": "POST", "body": body}
    query = {**dict(request.query_params), "offset": str(after)}
    return _link(f"{base}/stac/search?{urlencode(query)}", "next", _GEO)


def _box(bbox: list[float] | None) -> BBox | None:
    if bbox is None:
        return None
    if not all(math.isfinite(one) for one in bbox) or len(bbox) == 5:
        raise RefusedError(422, "bbox: write west, south, east, north in degrees")
    west, south, east, north = bbox if len(bbox) == 4 else (bbox[0], bbox[1], bbox[3], bbox[4])
    return west, south, east, north


def _days(text: str | None) -> tuple[str, str] | None:
    """Return the first and last day as sortable text; RFC 3339, open ends as ``..``."""
    if text is None:
        return None
    ends = text.split("/")
    if len(ends) > 2 or not all(_DAY.match(one) or one in {"", ".."} for one in ends):
        raise RefusedError(422, "datetime: write a day, or two of them joined by '/', as RFC 3339 has it")
    first, last = ends[0], ends[-1]
    return (first[:10] if first not in {"", ".."} else "0000", last[:10] if last not in {"", ".."} else "9999")


def _fits(row: ResultRow, wanted: Search, box: BBox | None, days: tuple[str, str] | None) -> bool:
    if wanted.ids is not None and row.id not in wanted.ids:
        return False
    start, _, end = row.period.partition("/")
    if days is not None and not (start <= days[1] and days[0] <= end):
        return False
    return box is None or _meets(row.bounds, box)


def _meets(own: BBox, box: BBox) -> bool:
    if own[3] < box[1] or box[3] < own[1]:
        return False
    if box[0] <= box[2]:
        return own[0] <= box[2] and box[0] <= own[2]
    return own[2] >= box[0] or own[0] <= box[2]  # the box crosses the antimeridian


def item_of(report: Report, base: str) -> dict[str, Any]:
    """Return a result as a STAC item."""
    summary, city = report.summary, report.city
    collection = f"{base}/stac/collections/{COLLECTION}"
    period = summary["period"]
    properties = {
        "title": f"How green is {one_line(city.label)}?",
        "datetime": None,
        "start_datetime": f"{period['start']}T00:00:00Z",
        "end_datetime": f"{period['end']}T23:59:59Z",
        "created": _moment(report.row.created),
        "howgreen:place": one_line(city.label),
        "howgreen:place_id": city.id,
        "howgreen:green_ratio": summary["green_ratio"],
        "howgreen:interval": summary["interval"],
        "howgreen:observed_ratio": summary["observed_ratio"],
        "howgreen:model": summary["model"]["name"],
        "howgreen:synthetic": summary["synthetic"],
        "proj:code": summary["grid"]["crs"],
        "proj:shape": summary["grid"]["shape"],
        "proj:transform": summary["grid"]["transform"],
    }
    assets = {
        one.name: {
            "href": f"{base}/results/{report.id}/files/{one.name}",
            "title": one.title,
            "type": one.type,
            "file:size": one.bytes,
            "roles": _ROLES.get(one.path.suffix, ["metadata"]),
        }
        for one in report.files.values()
        if not one.name.endswith((".qml", ".xml"))
    }
    return {
        "type": "Feature", "stac_version": VERSION, "id": report.id,
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
            "https://stac-extensions.github.io/file/v2.1.0/schema.json",
        ],
        "geometry": mapping(city.boundary), "bbox": list(bounds_of(city.boundary)), "properties": properties, "assets": assets,
        "collection": COLLECTION,
        "links": [
            _link(f"{collection}/items/{report.id}", "self", _GEO), _link(f"{base}/stac", "root"), _link(collection, "parent"),
            _link(collection, "collection"), _link(f"{base}/#r={report.id}", "alternate", "text/html"),
        ],
    }  # fmt: skip


def _collection(service: Service, base: str) -> dict[str, Any]:
    own = f"{base}/stac/collections/{COLLECTION}"
    rows = service.results.listed(limit=100, offset=0)
    boxes = [row.bounds for row in rows]
    whole = (
        [min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)]
        if boxes
        else _WORLD
    )
    first = _moment(min((row.created for row in rows), default=datetime.now(UTC)))
    return {
        "type": "Collection", "id": COLLECTION, "stac_version": VERSION, "title": "How green places are",
        "description": "The green share of places as it was measured here: figures, maps and tables.", "license": "other",
        "keywords": ["vegetation", "urban green", "land cover"],
        "extent": {"spatial": {"bbox": [whole]}, "temporal": {"interval": [[first, None]]}},
        "links": [
            _link(own, "self"), _link(f"{base}/stac", "root"), _link(f"{base}/stac", "parent"), _link(f"{own}/items", "items", _GEO),
        ],
    }  # fmt: skip


def _check(collection_id: str) -> None:
    if collection_id != COLLECTION:
        raise not_found("collection")


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _link(href: str, rel: str, kind: str = "application/json") -> dict[str, str]:
    return {"href": href, "rel": rel, "type": kind}


def _answer(value: dict[str, Any], *, kind: str = "application/json") -> Response:
    return Response(json.dumps(value, ensure_ascii=False, allow_nan=False), media_type=kind)
