"""Routes of map tiles, and of TileJSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from howgreen.web.serve.models import ResultId, TileJson
from howgreen.web.serve.service import Here, Service, base_of, not_found, problems
from howgreen.web.serve.tiles import HIGHEST_ZOOM, LOWEST_ZOOM, TITLES, LayerId, layers_of, opened

if TYPE_CHECKING:
    from howgreen.web.serve.reports import Report

FOREVER = "public, max-age=31536000, immutable"
router = APIRouter(tags=["tiles"])


def _found(service: Service, result_id: str, layer: str) -> Report:
    report = service.reports.get(result_id)
    if report is None:
        raise not_found("result")
    if layer not in {one.id for one in layers_of(report)}:
        raise not_found("layer in this result")
    return report


@router.get("/results/{result_id}/tiles/{layer}/tilejson.json", response_model=TileJson, responses=problems())
def tilejson(service: Here, request: Request, result_id: ResultId, layer: LayerId) -> TileJson:
    """Describe a layer for maps: QGIS, MapLibre and others open it."""
    report = _found(service, result_id, layer)
    raster = opened(report, layer)
    west, south, east, north = raster.bounds
    base = base_of(request)
    return TileJson(
        tilejson="3.0.0", name=f"{report.row.label}: {TITLES[layer]}", scheme="xyz",
        attribution="; ".join(str(one) for one in report.summary.get("attributions") or ()),
        tiles=[f"{base}/results/{report.id}/tiles/{layer}/{{z}}/{{x}}/{{y}}.png?v={report.version}"],
        minzoom=raster.zooms[0], maxzoom=raster.zooms[1],
        bounds=raster.bounds, center=((west + east) / 2, (south + north) / 2, float(raster.low)),
    )  # fmt: skip


@router.get(
    "/results/{result_id}/tiles/{layer}/{z}/{x}/{y}.png", response_class=Response,
    responses={200: {"description": "A tile", "content": {"image/png": {}}}, 304: {"description": "Not changed"}, **problems(503)},
)  # fmt: skip
@router.get(
    "/results/{result_id}/tiles/{layer}/{z}/{x}/{y}@2x.png", response_class=Response,
    responses={200: {"description": "A tile of 512 pixels", "content": {"image/png": {}}}, 304: {"description": "Not changed"},
               **problems(503)},
    operation_id="tile_2x",
)  # fmt: skip
async def tile(
    service: Here,
    request: Request,
    result_id: ResultId,
    layer: LayerId,
    z: Annotated[int, Path(ge=LOWEST_ZOOM, le=HIGHEST_ZOOM)],
    x: Annotated[int, Path(ge=0, lt=2**HIGHEST_ZOOM)],
    y: Annotated[int, Path(ge=0, lt=2**HIGHEST_ZOOM)],
) -> Response:
    """Return a map tile, EPSG:3857, y from the north."""
    scale = 2 if request.url.path.endswith("@2x.png") else 1
    report = service.reports.at_hand(result_id)
    if report is None:
        report = await run_in_threadpool(_found, service, result_id, layer)
    key = (result_id, report.version, layer, z, x, y, scale)
    headers = {"etag": f'"{report.version}-{layer}-{z}-{x}-{y}-{scale}"', "cache-control": FOREVER}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = service.tiles.kept(key)
    if body is None:
        _check_range(await run_in_threadpool(lambda: opened(_found(service, result_id, layer), layer).zooms), z, x, y)
        body = await service.tiles.get(key, report)
    return Response(body, media_type="image/png", headers=headers)


def _check_range(zooms: tuple[int, int], z: int, x: int, y: int) -> None:
    if not zooms[0] <= z <= zooms[1] or x >= 2**z or y >= 2**z:
        raise not_found("tile: it lies beyond this layer")
