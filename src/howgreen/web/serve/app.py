"""The application: every route behind one guard. Other modules need only ``create_app``."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

import howgreen
from howgreen.core.errors import HowgreenError
from howgreen.web.serve import (
    api_events,
    api_labels,
    api_places,
    api_processes,
    api_results,
    api_stac,
    api_tiles,
    operations,
    static_files,
)
from howgreen.web.serve.labels import Labels
from howgreen.web.serve.models import Landing, Link, Problem
from howgreen.web.serve.pages import docs_page
from howgreen.web.serve.places import Places
from howgreen.web.serve.reports import Reports
from howgreen.web.serve.safety import PROBLEM, Guard, RefusedError, problem
from howgreen.web.serve.service import Here, Service, base_of, problems, refused

if TYPE_CHECKING:
    from howgreen.web.serve.jobs import Jobs
    from howgreen.web.serve.results import Results
    from howgreen.web.serve.settings import Settings

OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
_PART = re.compile(r"\\\{\w+\\\}")
_TITLE = "How green is my city?"
_ABOUT = "Ask how green a place is, watch it being measured, and walk around in the answer."


def create_app(settings: Settings, jobs: Jobs, results: Results) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    settings
        Settings by the server's operator.
    jobs, results
        On an open database; this application closes neither.
    """
    service = Service(
        settings=settings,
        jobs=jobs,
        results=results,
        places=Places(settings),
        reports=Reports(results),
        labels=Labels(settings),
    )

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.tiles.close()

    app = FastAPI(
        title=_TITLE, description=_ABOUT, version=howgreen.__version__, docs_url=None, redoc_url=None, openapi_url=None,
        lifespan=life, redirect_slashes=False,
    )  # fmt: skip
    metrics = operations.Metrics(service)
    app.state.service, app.state.metrics = service, metrics
    for part in (
        api_processes,
        api_events,
        api_results,
        api_tiles,
        api_stac,
        api_labels,
        operations,
        api_places,
        static_files,
    ):
        app.include_router(part.router)
    _front(app)
    _errors(app)
    app.add_middleware(Guard, settings=settings, page=static_files.is_page, takes=_posts(app))
    app.add_middleware(operations.Watch, metrics=metrics)
    return app


def _posts(app: FastAPI) -> Callable[[str], bool]:
    """Return a function that says which paths accept a body."""
    return lambda path: path.startswith("/label/") or "POST" in _methods(app, path)


def _methods(app: FastAPI, path: str) -> list[str]:
    """List the methods of a path; a literal path takes precedence over one with parameters."""
    paths = app.openapi()["paths"]
    for known in sorted(paths, key=lambda one: one.count("{")):
        if re.fullmatch(_PART.sub("[^/]+", re.escape(known)), path):
            return [method.upper() for method in paths[known]]
    return []


def _front(app: FastAPI) -> None:
    """Add the landing page, the OpenAPI description, and a page that displays it."""

    @app.get(
        "/", response_model=Landing, tags=["front"],
        responses={200: {"description": "The page, or what is offered", "content": {"text/html": {"schema": {"type": "string"}}}},
                   **problems()},
    )  # fmt: skip
    def landing(
        service: Here, request: Request, f: Annotated[str | None, Query(pattern="^(json|html)$")] = None
    ) -> Response:
        """Return the page; or, to programs, what this server offers."""
        wants = request.headers.get("accept", "")
        if f == "html" or (f is None and "text/html" in wants):
            return HTMLResponse(files(__package__ or "").joinpath("static/index.html").read_bytes())
        return JSONResponse(
            Landing(
                title=_TITLE,
                description=_ABOUT,
                online=not service.settings.offline,
                labelling=api_labels.offered(service.settings),
                today=datetime.now(UTC).date(),
                most_area_km2=service.settings.most_area_km2,
                most_vertices=service.settings.most_vertices,
                most_upload_bytes=service.settings.most_upload_bytes,
                links=_links(base_of(request)),
            ).model_dump(mode="json", exclude_none=True)
        )

    @app.get(
        "/api",
        response_class=Response,
        tags=["front"],
        responses={200: {"description": "OpenAPI", "content": {OPENAPI: {}}}, **problems()},
    )
    def description() -> Response:
        """Return the description of this interface (OpenAPI)."""
        return Response(JSONResponse(app.openapi()).body, media_type=OPENAPI)

    @app.get("/docs", response_class=HTMLResponse, tags=["front"], responses=problems())
    def docs() -> HTMLResponse:
        """Return the description of this interface as a page."""
        return HTMLResponse(docs_page(app.openapi()))

    made = app.openapi

    def with_problem() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
        return made()

    app.openapi = with_problem  # type: ignore[method-assign]


def _links(base: str) -> list[Link]:
    return [
        Link(href=f"{base}/", rel="self", type="application/json", title="this document"),
        Link(href=f"{base}/?f=html", rel="alternate", type="text/html", title="the page"),
        Link(href=f"{base}/api", rel="service-desc", type=OPENAPI, title="the interface"),
        Link(href=f"{base}/docs", rel="service-doc", type="text/html", title="the interface, to read"),
        Link(href=f"{base}/conformance", rel="conformance", type="application/json"),
        Link(
            href=f"{base}/conformance",
            rel="http://www.opengis.net/def/rel/ogc/1.0/conformance",
            type="application/json",
        ),
        Link(href=f"{base}/processes", rel="http://www.opengis.net/def/rel/ogc/1.0/processes", type="application/json"),
        Link(href=f"{base}/jobs", rel="http://www.opengis.net/def/rel/ogc/1.0/job-list", type="application/json"),
        Link(href=f"{base}/results", rel="results", type="application/json", title="the results"),
        Link(href=f"{base}/stac", rel="data", type="application/json", title="the results as STAC"),
    ]


def _errors(app: FastAPI) -> None:
    """Format all errors alike."""

    def answer(status: int, detail: str, headers: dict[str, str] | None = None, kind: str = "about:blank") -> Response:
        return Response(problem(status, detail, kind=kind), status, headers, media_type=PROBLEM)

    @app.exception_handler(RefusedError)
    async def on_refused(_: Request, error: RefusedError) -> Response:
        return answer(error.status, error.detail, error.headers, error.kind)

    @app.exception_handler(HowgreenError)
    async def on_own(_: Request, error: HowgreenError) -> Response:
        told = refused(error)
        return answer(told.status, told.detail, told.headers)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        details = {404: "there is no such page here", 405: "this cannot be done with that page"}
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["allow"] = ", ".join(_methods(app, request.url.path))
        return answer(error.status_code, details.get(error.status_code, str(error.detail)), headers)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_: Request, error: RequestValidationError) -> Response:
        faults = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:5]]
        return answer(422, "; ".join(faults)[:500])
