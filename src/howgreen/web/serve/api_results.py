"""Routes of results: figures, files, districts, and values of a pixel or of any area inside."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from fastapi.responses import FileResponse

from howgreen.core.errors import HowgreenError
from howgreen.core.text import one_line
from howgreen.web.serve import measured
from howgreen.web.serve.models import (
    Area,
    DateItem,
    FileLink,
    Limit,
    Link,
    Offset,
    Outline,
    Pixel,
    Result,
    ResultId,
    ResultItem,
    ResultList,
)
from howgreen.web.serve.places import look
from howgreen.web.serve.reports import PAGE, PLAN, Report
from howgreen.web.serve.safety import REPORT_POLICY, RefusedError, public_text
from howgreen.web.serve.service import Here, Service, not_found, problems, refused
from howgreen.web.serve.tiles import layers_of

if TYPE_CHECKING:
    from howgreen.web.serve.results import ResultRow

_FOR_A_DAY = "private, max-age=86400"
_SHOWN = frozenset({".png", ".html", ".json", ".csv"})
"""File types that a browser may display; others are downloaded."""


class GeoJsonResponse(Response):
    """GeoJSON, as bytes."""

    media_type = "application/geo+json"


_GEOJSON: dict[int | str, dict[str, Any]] = {
    200: {"content": {GeoJsonResponse.media_type: {"schema": {"type": "object"}}}},
}


def file_links(report: Report) -> list[FileLink]:
    """List the files of a report."""
    base = f"/results/{report.id}/files"
    return [
        FileLink(href=f"{base}/{one.name}", title=one.title, type=one.type, bytes=one.bytes)
        for one in report.files.values()
    ]


router = APIRouter(tags=["results"])


def _found(service: Service, result_id: str) -> Report:
    try:
        report = service.reports.get(result_id)
        if report is not None:
            _ = report.summary, report.files
    except HowgreenError as error:
        raise RefusedError(404, str(error)) from error
    if report is None:
        raise not_found("result")
    return report


@router.get("/results", response_model=ResultList, responses=problems())
def list_results(service: Here, limit: Limit = 20, offset: Offset = 0) -> ResultList:
    """List results, the newest first."""
    rows = service.results.listed(limit=limit + 1, offset=offset)
    links = [Link(href="/results", rel="self", type="application/json")]
    if len(rows) > limit:
        href = f"/results?limit={limit}&offset={offset + limit}"
        links.append(Link(href=href, rel="next", type="application/json"))
    return ResultList(results=[_item(row) for row in rows[:limit]], links=links)


@router.get("/results/{result_id}", response_model=Result, responses=problems())
def result(service: Here, result_id: ResultId) -> Result:
    """Return a result: its figures, the layers of its map, its files and dates."""
    report = _found(service, result_id)
    base = f"/results/{report.id}"
    return Result(
        id=report.id, label=one_line(report.row.label), bbox=report.row.bounds, created=report.row.created,
        period=report.row.period, summary=report.summary, layers=layers_of(report), districts=f"{base}/districts.geojson",
        limits=f"{base}/limits.geojson", files=file_links(report), dates=_dates(report.summary),
        links=[
            Link(href=base, rel="self", type="application/json"),
            Link(href=f"{base}/files/{PAGE}", rel="alternate", type="text/html", title="the report"),
            Link(href=f"/stac/collections/howgreen/items/{report.id}", rel="item", type="application/geo+json"),
        ],
    )  # fmt: skip


@router.get(
    "/results/{result_id}/files/{name}", response_class=Response,
    responses={200: {"description": "The file", "content": {"application/octet-stream": {}}}, 206: {"description": "A part"},
               304: {"description": "Not changed"}, **problems(416)},
)  # fmt: skip
def file(
    service: Here,
    request: Request,
    result_id: ResultId,
    name: Annotated[str, Path(max_length=100, pattern=r"^[A-Za-z0-9][\w.\-]*$")],
) -> Response:
    """Return a file of a report."""
    report = _found(service, result_id)
    one = report.files.get(name)
    if one is None:
        raise not_found("file in this result")
    headers = {"etag": one.etag, "cache-control": _FOR_A_DAY, "accept-ranges": "bytes"}
    if one.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if name == PLAN:  # the names of local folders are not published
        return Response(json.dumps(report.plan, ensure_ascii=False), media_type="application/json", headers=headers)
    if name == PAGE:
        headers["content-security-policy"] = REPORT_POLICY
    elif one.path.suffix not in _SHOWN:
        headers["content-disposition"] = f'attachment; filename="{one.name}"'
    return FileResponse(one.path, media_type=one.type, headers=headers)


@router.get(
    "/results/{result_id}/districts.geojson", response_class=GeoJsonResponse, responses={**_GEOJSON, **problems()}
)
def districts(service: Here, result_id: ResultId) -> Response:
    """Return the districts with their figures."""
    return _geojson(_found(service, result_id), "districts")


@router.get("/results/{result_id}/limits.geojson", response_class=GeoJsonResponse, responses={**_GEOJSON, **problems()})
def limits(service: Here, result_id: ResultId) -> Response:
    """Return the limits with the figures of the whole."""
    return _geojson(_found(service, result_id), "city")


@router.get("/results/{result_id}/pixel", response_model=Pixel, responses=problems())
def pixel(
    service: Here,
    request: Request,
    result_id: ResultId,
    lon: Annotated[float, Query(ge=-180, le=180)],
    lat: Annotated[float, Query(ge=-90, le=90)],
) -> Pixel:
    """Say what is known of the pixel at a position."""
    service.count(request, "pixel")
    return measured.pixel(_found(service, result_id), lon, lat)


@router.post("/results/{result_id}/area", response_model=Area, responses=problems(403, 413, 415))
def area(service: Here, request: Request, result_id: ResultId, outline: Annotated[Outline, Body()]) -> Area:
    """Say how green any area inside a result is, by the rule of its districts."""
    service.count(request, "area")
    report = _found(service, result_id)
    looked = look(outline.model_dump(), service.settings, name="the area")
    if looked.city is None:
        raise RefusedError(422, public_text(looked.problems[0]))
    try:
        return measured.area(report, looked.city)
    except HowgreenError as error:
        raise refused(error) from error


def _item(row: ResultRow) -> ResultItem:
    return ResultItem(
        id=row.id, label=one_line(row.label), created=row.created, bytes=row.bytes, bbox=row.bounds, period=row.period,
        green_ratio=row.ratio, low=row.low, high=row.high, language=row.language,
        links=[Link(href=f"/results/{row.id}", rel="item", type="application/json")],
    )  # fmt: skip


def _dates(summary: dict[str, Any]) -> list[DateItem]:
    listed = []
    for key, taken in (("scenes", True), ("radar", True), ("passed_over", False)):
        for one in summary.get(key) or ():
            clear = one.get("clear_pct")
            listed.append(
                DateItem(
                    date=str(one["date"]), id=str(one["id"]), clear=None if clear is None else clear / 100, taken=taken
                )
            )
    return sorted(listed, key=lambda one: (one.date, one.id))


@lru_cache(maxsize=32)
def _layer_bytes(result_id: str, version: str, path: str, layer: str) -> bytes:  # noqa: ARG001 (the first two name what is kept)
    import geopandas as gpd
    import pyogrio

    names = {str(name) for name, _ in pyogrio.list_layers(path)}
    if layer not in names:
        return b'{"type":"FeatureCollection","features":[]}'
    frame: gpd.GeoDataFrame = gpd.read_file(path, layer=layer)
    return str(frame.to_json(drop_id=True)).encode()


def _geojson(report: Report, layer: str) -> Response:
    tables = report.files.get("districts.gpkg")
    if tables is None:
        raise not_found("table in this result")
    body = _layer_bytes(report.id, report.version, str(tables.path), layer)
    return GeoJsonResponse(body, headers={"cache-control": _FOR_A_DAY, "etag": tables.etag})
