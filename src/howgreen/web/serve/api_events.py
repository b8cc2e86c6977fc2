"""Events of a job as they happen (server-sent events); a client that reconnects receives those it missed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from howgreen.web.serve.api_processes import NO_JOB, PROCESS, status_info
from howgreen.web.serve.job import Event, Job, Status
from howgreen.web.serve.models import JobId
from howgreen.web.serve.safety import public_text
from howgreen.web.serve.service import Here, Service, base_of, client_of, not_found, problems

POLL_SECONDS = 0.4
KEEP_ALIVE_SECONDS = 15.0
MOST_SECONDS = 600.0
"""Seconds after which a stream ends; a browser reconnects by itself, from its last event."""
RETRY_MS = 1500


_EVENT = {"type": "object", "properties": {name: {"type": "string"} for name in ("id", "event", "data")}}
router = APIRouter(tags=["processes"])


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Events", "content": {"text/event-stream": {"schema": _EVENT}}},
        **problems(503),
    },
)
async def events(
    service: Here,
    request: Request,
    job_id: JobId,
    last_event_id: Annotated[str, Header(max_length=18, pattern=r"^[0-9]*$")] = "",
    after: Annotated[int, Query(ge=0, lt=10**18, description="As `Last-Event-ID`, for those who cannot set it.")] = 0,
) -> StreamingResponse:
    """Tell what happens to a job: ``status``, ``progress``, ``date`` and ``note``; ends after the last."""
    job = await run_in_threadpool(service.jobs.job, job_id)
    if job is None:
        raise not_found("job", kind=NO_JOB)
    client = client_of(request)
    service.streams.enter(client)
    heard = int(last_event_id) if last_event_id else after

    async def told() -> AsyncIterator[bytes]:
        try:
            async for part in _stream(service, job_id, heard, base_of(request)):
                yield part
        finally:
            service.streams.leave(client)

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(told(), media_type="text/event-stream", headers=headers)


async def _stream(service: Service, job_id: str, after: int, base: str) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    begun = spoken = time.monotonic()
    line: int | None = None
    while time.monotonic() - begun < MOST_SECONDS:
        job, listed, now_line = await run_in_threadpool(_look, service, job_id, after)
        if job is None:
            yield _event("status", {"jobID": job_id, "status": Status.dismissed.value, "message": "forgotten"}, None)
            return
        for one in listed:
            after = one.id
            yield _event(one.kind, _data(one, job, now_line, base), one.id)
            spoken = time.monotonic()
        if now_line != line and not listed and now_line is not None:  # others were answered: closer to the front
            yield _event("status", _status(job, now_line, base), None)
            spoken = time.monotonic()
        line = now_line
        if job.status.is_over and not listed:
            yield _event("status", _status(job, None, base), None)
            return
        if time.monotonic() - spoken > KEEP_ALIVE_SECONDS:
            yield b": still here\n\n"
            spoken = time.monotonic()
        if not listed:
            await asyncio.sleep(POLL_SECONDS)


def _look(service: Service, job_id: str, after: int) -> tuple[Job | None, list[Event], int | None]:
    job = service.jobs.job(job_id)  # before the events, so that none is missed once the job is over
    if job is None:
        return None, [], None
    listed = service.jobs.events(job_id, after=after)
    return job, listed, service.jobs.place_in_line(job_id) if job.status is Status.accepted else None


def _status(job: Job, line: int | None, base: str) -> dict[str, Any]:
    return status_info(job, line, base).model_dump(mode="json", exclude_none=True)


def _data(event: Event, job: Job, line: int | None, base: str) -> dict[str, Any]:
    """Return an event's data; a status that is no longer current is returned as recorded."""
    data = _clean(event.data)
    if event.kind != "status":
        return data
    if data.get("status") == job.status.value:
        return {**_status(job, line, base), **data}
    return {"jobID": job.id, "processID": PROCESS, "type": "process", **data}


def _clean(data: dict[str, Any]) -> dict[str, Any]:
    return {key: public_text(value) if isinstance(value, str) else value for key, value in data.items()}


def _event(kind: str, data: dict[str, Any], number: int | None) -> bytes:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
