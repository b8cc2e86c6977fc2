"""Health and metrics for the operator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

import howgreen
from howgreen.web.serve.models import Health
from howgreen.web.serve.service import Here, Service, not_found, problems

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from howgreen.web.serve.safety import App, Message, Receive, Scope, Send


class Metrics:
    """Counts requests and their durations by route, never by URL, of which there is no end."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("howgreen_requests", "Requests", ("route", "method", "status"), registry=self.registry)
        self.seconds = Histogram(
            "howgreen_request_seconds", "Time of requests", ("route",), registry=self.registry,
            buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
        )  # fmt: skip
        self.registry.register(_State(service))


class _State(Collector):
    """Metrics computed on request."""

    def __init__(self, service: Service) -> None:
        self._service, self._tiles = service, service.tiles

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("howgreen_jobs", "Jobs by status", labels=["status"])
        for status, count in self._service.jobs.counts().items():
            jobs.add_metric([str(status)], count)
        yield jobs
        health = self._service.jobs.health()
        for name, text, value in (
            ("howgreen_workers", "Workers heard of lately", health.workers),
            ("howgreen_oldest_wait_seconds", "How long the first in line has waited", health.oldest_wait_s),
            ("howgreen_disk_free_bytes", "Free room for results", health.disk_free_bytes),
            ("howgreen_results_bytes", "Size of all results", health.results_bytes),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        tiles = CounterMetricFamily("howgreen_tiles", "Map tiles, kept ones and drawn ones", labels=["how"])
        tiles.add_metric(["kept"], self._tiles.hits)
        tiles.add_metric(["drawn"], self._tiles.misses)
        yield tiles

    def describe(self) -> Iterator[Metric]:
        return iter(())


class Watch:
    """Counts each request and its duration."""

    def __init__(self, app: App, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST", "DELETE", "OPTIONS"} else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)


def _some() -> dict[int | str, dict[str, Any]]:
    return {code: value for code, value in problems().items() if code in {414, 421, 500}}


router = APIRouter(tags=["operations"])


@router.get(
    "/health",
    response_model=Health,
    responses={503: {"model": Health, "description": "Jobs are not worked on"}, **_some()},
)
def health(service: Here, response: Response) -> Health:
    """Say whether the server can do its work."""
    found = service.jobs.health()
    response.status_code = 200 if found.good else 503
    counts = {str(status): count for status, count in service.jobs.counts().items()} if found.database else {}
    return Health(status="ok" if found.good else "degraded", version=howgreen.__version__, jobs=counts)


@router.get(
    "/metrics", response_class=Response,
    responses={200: {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}, **problems()},
)  # fmt: skip
def metrics_text(service: Here, request: Request) -> Response:
    """Return what Prometheus reads."""
    if not service.settings.metrics:
        raise not_found("page")
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
