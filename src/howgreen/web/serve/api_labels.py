"""Routes for interpreting a sample's places: the page of `howgreen label`, for all readers of a sample."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from howgreen.core.errors import EstimateError
from howgreen.web.pictures import SIZES_M
from howgreen.web.serve.models import ResultId
from howgreen.web.serve.safety import RefusedError
from howgreen.web.serve.service import Here, Service, client_of, not_found, problems
from howgreen.web.serve.settings import is_loopback

if TYPE_CHECKING:
    from howgreen.web.labelling import Session
    from howgreen.web.serve.settings import Settings

_FILES = {"label.css": "text/css; charset=utf-8", "label.js": "text/javascript; charset=utf-8", "label-words.json": "application/json", "icon.svg": "image/svg+xml"}  # fmt: skip
_READER = Annotated[str, Path(max_length=60, pattern=r"^[\w][\w .\-]{0,39}(@together)?$")]
TAKEN = "somebody else, with another token, looks at places under this name; take another"
router = APIRouter(tags=["labels"])


class Estimated(BaseModel):
    """What the looks say so far, with the map's help."""

    ratio: float = Field(description="Green ratio of the land, 0-1.")
    low: float | None
    high: float | None
    n: int = Field(description="Places that count.")
    method: str


class SampleState(BaseModel):
    """How far the looking is."""

    looks: int = Field(description="Places of the sample.")
    looked: int = Field(description="Places that somebody has looked at.")
    readers: int
    estimate: Estimated | None = Field(description="None before enough places were looked at.")


class Look(BaseModel):
    """One reader's answer for one place."""

    unit: int = Field(ge=1, le=1_000_000)
    pattern: str = Field(max_length=100, description="A letter for each dot.")


def offered(settings: Settings) -> bool:
    """Tell whether visitors may interpret: on the loopback, or with a token. Anonymous answers are no basis for an estimate."""
    return settings.tokens is not None or is_loopback(settings.host)


@router.get("/results/{result_id}/sample", response_model=SampleState, responses=problems(403))
def sample(service: Here, request: Request, result_id: ResultId) -> SampleState:
    """Say how far people have looked at the places of a result's sample, and what their looks say."""
    service.count(request, "pixel")
    _check(service)
    state = service.labels.state(result_id)
    if state is None:
        raise not_found("sample of this result")
    return SampleState.model_validate(state)


@router.get("/label/{result_id}/{reader}/", include_in_schema=False)
def page(service: Here, request: Request, result_id: ResultId, reader: _READER) -> Response:
    """Return the page of one reader."""
    _session(service, request, result_id, reader)
    return Response(files("howgreen.web").joinpath("label.html").read_bytes(), media_type="text/html; charset=utf-8")


@router.get("/label/{result_id}/{reader}/{name}", include_in_schema=False)
def page_file(service: Here, request: Request, result_id: ResultId, reader: _READER, name: str) -> Response:
    """Return a file of the page, or where its reader is."""
    session = _session(service, request, result_id, reader)
    if name == "state.json":
        return JSONResponse(session.state())
    if name not in _FILES:
        raise not_found("file of this page")
    return Response(files("howgreen.web").joinpath(name).read_bytes(), media_type=_FILES[name])


@router.get("/label/{result_id}/{reader}/unit/{unit}/{size}.json", include_in_schema=False)
def unit(service: Here, request: Request, result_id: ResultId, reader: _READER, unit: int, size: int) -> Response:
    """Describe a place to look at."""
    service.count(request, "pixel")
    return JSONResponse(_session(service, request, result_id, reader).unit(unit, _size(size)))


@router.get("/label/{result_id}/{reader}/chip/{unit}/{index}/{size}.png", include_in_schema=False)
def chip(
    service: Here, request: Request, result_id: ResultId, reader: _READER, unit: int, index: int, size: int
) -> Response:
    """Return the picture of a place."""
    service.count(request, "pixel")
    session = _session(service, request, result_id, reader)
    if not 0 <= index < len(session.pictures):
        raise not_found("picture of this place")
    return Response(session.chip(unit, index, _size(size)), media_type="image/png")


@router.post("/label/{result_id}/{reader}/answer", include_in_schema=False)
def answer(
    service: Here, request: Request, result_id: ResultId, reader: _READER, look: Annotated[Look, Body()]
) -> Response:
    """Keep an answer: it is on the disk when this is answered."""
    service.count(request, "pixel")
    session = _session(service, request, result_id, reader)
    if not service.labels.own(result_id, reader, client_of(request)):
        raise RefusedError(403, TAKEN)
    session.put(look.unit, look.pattern)
    return JSONResponse(session.state())


def _check(service: Service) -> None:
    if not offered(service.settings):
        raise RefusedError(403, "whoever runs this server has to give you a token before you can look at places")


def _session(service: Service, request: Request, result_id: str, reader: str) -> Session:
    _check(service)
    if not service.labels.may_read(result_id, reader, client_of(request)):
        raise RefusedError(403, TAKEN)
    try:
        session = service.labels.session(result_id, reader)
    except EstimateError as error:
        raise RefusedError(422, str(error)) from error
    if session is None:
        raise not_found("sample of this result")
    return session


def _size(metres: int) -> int:
    if metres not in SIZES_M:
        raise not_found("picture of that size")
    return metres
