"""Routes of places: suggest names, check outlines, read files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from shapely.geometry import mapping

from howgreen.core.errors import HowgreenError, PlaceNotFoundError
from howgreen.core.geometry import bounds_of
from howgreen.core.text import one_line
from howgreen.core.types import City
from howgreen.web.serve.models import CandidateItem, CandidateList, Check, Feature, FeatureCollection, Outline
from howgreen.web.serve.places import look
from howgreen.web.serve.safety import BYTES, public_text
from howgreen.web.serve.service import Here, not_found, problems, refused
from howgreen.web.serve.uploads import FoundArea, read_upload

router = APIRouter(tags=["places"])


def feature_of(city: City) -> Feature:
    """Return a place with its limits as a GeoJSON feature."""
    return Feature(
        type="Feature",
        id=city.id,
        geometry=mapping(city.boundary),
        bbox=bounds_of(city.boundary),
        properties={
            "label": one_line(city.label),
            "kind": city.kind,
            "area_km2": round(city.area_m2 / 1e6, 4),
            "licence": city.licence,
            "note": city.note,
            "districts": len(city.districts),
            "synthetic": city.synthetic,
        },
    )


@router.get("/places", response_model=CandidateList, responses=problems(502))
def list_places(
    *,
    service: Here,
    request: Request,
    q: Annotated[str, Query(min_length=1, max_length=120, description="A name, or its beginning.")],
    limit: Annotated[int, Query(ge=1, le=20)] = 8,
    online: Annotated[bool, Query(description="Whether open services may be asked: not while somebody types.")] = False,
) -> CandidateList:
    """Offer the places that a name may mean."""
    service.count(request, "online" if online else "places")
    try:
        found = service.places.candidates(q, limit=limit, online=online)
    except HowgreenError as error:
        raise refused(error) from error
    return CandidateList(
        places=[
            CandidateItem(
                id=one.id, label=one.label, name=one.label, kind=one.kind, region=one.region, area_km2=one.area_km2,
                source=one.source, bbox=one.bbox,  # type: ignore[arg-type]
            )
            for one in found
        ]
    )  # fmt: skip


@router.get("/places/{place_id:path}", response_model=Feature, responses=problems(502))
def place(service: Here, request: Request, place_id: Annotated[str, Path(min_length=1, max_length=300)]) -> Feature:
    """Return the limits of a place that was offered."""
    service.count(request, "places")
    try:
        return feature_of(service.places.city(place_id))
    except PlaceNotFoundError as error:
        raise not_found("place") from error
    except HowgreenError as error:
        raise refused(error) from error


@router.post("/places/check", response_model=Check, responses=problems(403, 413, 415))
def check(service: Here, request: Request, outline: Annotated[Outline, Body()]) -> Check:
    """Say how large an outline is, and what is wrong with it: called while somebody draws."""
    service.count(request, "check")
    found = look(outline.model_dump(), service.settings)
    return Check(
        area_km2=found.area_km2,
        vertices=found.vertices,
        ok=found.city is not None and not found.problems,
        problems=[public_text(text) for text in found.problems],
        geometry=mapping(found.city.boundary) if found.city else None,
    )


@router.post(
    "/places/upload",
    response_model=FeatureCollection,
    responses=problems(403, 408, 413, 415, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(
    service: Here,
    request: Request,
    filename: Annotated[str, Query(min_length=1, max_length=200, description="How the file is called.")],
) -> FeatureCollection:
    """Read the areas of a boundary file: GeoJSON, GeoPackage, Shapefile (zipped), KML, GML, FlatGeobuf, TopoJSON, ..."""
    from starlette.concurrency import run_in_threadpool

    service.count(request, "upload")
    body = await request.body()
    try:
        found = await run_in_threadpool(read_upload, body, filename, service.settings)
    except HowgreenError as error:
        raise refused(error) from error
    note = f"{found.left_out} more areas are left out" if found.left_out else None
    return FeatureCollection(
        type="FeatureCollection",
        features=[_area(one, service.settings.most_area_km2) for one in found.features],
        note=note,
    )


def _area(found: FoundArea, most_km2: float) -> Feature:
    problems_there = [public_text(text) for text in found.problems]
    if found.area_km2 > most_km2:
        problems_there.append(f"{found.area_km2:,.0f} km²; at most {most_km2:,.0f} km² are measured here")
    properties: dict[str, Any] = {
        "label": one_line(found.label), "kind": "boundary file", "area_km2": round(found.area_km2, 4), "vertices": found.vertices,
        "ok": not problems_there, "problems": problems_there,
    }  # fmt: skip
    return Feature(type="Feature", id=str(found.number), geometry=found.geometry, properties=properties)
