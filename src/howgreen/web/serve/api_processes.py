"""Routes of OGC API - Processes, Part 1: the process, its execution, and its jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

import howgreen
from howgreen.core.errors import HowgreenError
from howgreen.core.sensors import SENSORS
from howgreen.core.text import one_line
from howgreen.core.types import City
from howgreen.landcover import SHIPPED
from howgreen.web.serve.api_places import feature_of
from howgreen.web.serve.job import Job, Status
from howgreen.web.serve.models import (
    Conformance,
    Execute,
    Feature,
    Inputs,
    JobId,
    JobList,
    JobResults,
    Limit,
    Link,
    Offset,
    PlaceId,
    Process,
    ProcessList,
    ProcessSummary,
    QualifiedOutline,
    StatusInfo,
    StatusName,
)
from howgreen.web.serve.places import TooLargeError, check_size, look
from howgreen.web.serve.questions import question
from howgreen.web.serve.safety import public_text
from howgreen.web.serve.service import Here, Service, base_of, client_of, not_found, problems, refused

PROCESS = "city"
_OGC = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"
NO_JOB, NOT_READY, NO_PROCESS = f"{_OGC}/no-such-job", f"{_OGC}/result-not-ready", f"{_OGC}/no-such-process"
_CONF = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"
CONFORMS = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
    *(f"{_CONF}/{name}" for name in ("core", "ogc-process-description", "json", "oas30", "job-list", "dismiss")),
)
_TITLE = "How green is a place?"
_ABOUT = (
    "Measures the share of a place's land that is covered by vegetation, with an interval, and the maps that prove it."
)


def status_info(job: Job, line: int | None, base: str) -> StatusInfo:
    """Return a job's status."""
    links = [Link(href=f"{base}/jobs/{job.id}", rel="self", type="application/json", title="how it stands")]
    links.append(
        Link(href=f"{base}/jobs/{job.id}/events", rel="monitor", type="text/event-stream", title="what happens")
    )
    if job.status is Status.successful:
        rel = "http://www.opengis.net/def/rel/ogc/1.0/results"
        links.append(Link(href=f"{base}/jobs/{job.id}/results", rel=rel, type="application/json", title="the answer"))
    return StatusInfo(
        processID=PROCESS, type="process", jobID=job.id, status=job.status.value, message=public_text(job.message),
        progress=job.progress, created=job.created, started=job.started, finished=job.finished, updated=job.updated, links=links,
        stage=job.stage, placeInLine=line, label=one_line(job.label), result=job.result,
    )  # fmt: skip


router = APIRouter(tags=["processes"])


def _found(service: Service, job_id: str) -> Job:
    job = service.jobs.job(job_id)
    if job is None:
        raise not_found("job", kind=NO_JOB)
    return job


def _told(service: Service, job: Job, request: Request) -> StatusInfo:
    line = service.jobs.place_in_line(job.id) if job.status is Status.accepted else None
    return status_info(job, line, base_of(request))


@router.get("/conformance", response_model=Conformance, responses=problems())
def conformance() -> Conformance:
    """List the classes of OGC's standards that are kept."""
    return Conformance(conformsTo=list(CONFORMS))


@router.get("/processes", response_model=ProcessList, responses=problems())
def processes(request: Request) -> ProcessList:
    """List the processes: one."""
    own = Link(href=f"{base_of(request)}/processes", rel="self", type="application/json", title="the processes")
    return ProcessList(processes=[ProcessSummary(**_summary(base_of(request)))], links=[own])


@router.get("/processes/{process_id}", response_model=Process, responses=problems())
def process(request: Request, process_id: str) -> Process:
    """Describe a process with its inputs and outputs."""
    if process_id != PROCESS:
        raise not_found("process", kind=NO_PROCESS)
    return Process(**_summary(base_of(request)), inputs=_inputs(), outputs=_outputs())


@router.post(
    "/processes/{process_id}/execution", status_code=201, response_model=StatusInfo, response_model_exclude_none=True,
    responses={
        201: {"headers": {"Location": {"schema": {"type": "string"}, "description": "Of the job."}}},
        **problems(403, 408, 413, 415, 502, 503, 507),
    },
)  # fmt: skip
def execute(service: Here, request: Request, response: Response, process_id: str, asked: Execute) -> StatusInfo:
    """Ask how green a place is. It is always answered later: see the job that is named in ``Location``."""
    service.count(request, "ask")
    if process_id != PROCESS:
        raise not_found("process", kind=NO_PROCESS)
    try:
        given = asked.inputs
        city = _city(service, given)
        asked_now = question(
            city,
            period=given.period,
            season=given.season,
            sensor=given.sensor,
            model=given.model,
            language=given.language,
        )
        job = service.jobs.submit(asked_now, client=client_of(request))
    except HowgreenError as error:
        raise refused(error) from error
    response.headers["Location"] = f"{base_of(request)}/jobs/{job.id}"
    response.headers["Preference-Applied"] = "respond-async"
    return _told(service, job, request)


@router.get("/jobs", response_model=JobList, response_model_exclude_none=True, responses=problems())
def list_jobs(
    service: Here,
    request: Request,
    limit: Limit = 20,
    offset: Offset = 0,
    status: Annotated[StatusName | None, Query()] = None,
) -> JobList:
    """List jobs, the newest first."""
    listed = service.jobs.jobs(status=Status(status) if status else None, limit=limit + 1, offset=offset)
    links = [Link(href=f"{base_of(request)}/jobs", rel="self", type="application/json")]
    if len(listed) > limit:
        links.append(
            Link(
                href=f"{base_of(request)}/jobs?limit={limit}&offset={offset + limit}",
                rel="next",
                type="application/json",
            )
        )
    return JobList(jobs=[_told(service, job, request) for job in listed[:limit]], links=links)


@router.get("/jobs/{job_id}", response_model=StatusInfo, response_model_exclude_none=True, responses=problems())
def job_status(service: Here, request: Request, job_id: JobId) -> StatusInfo:
    """Say how a job stands."""
    return _told(service, _found(service, job_id), request)


@router.delete("/jobs/{job_id}", response_model=StatusInfo, response_model_exclude_none=True, responses=problems(403))
def dismiss(service: Here, request: Request, job_id: JobId) -> StatusInfo:
    """End a job, or forget one that is over; its result stays."""
    try:
        job = service.jobs.dismiss(job_id, client=client_of(request))
    except HowgreenError as error:
        raise refused(error) from error
    if job is None:
        raise not_found("job", kind=NO_JOB)
    return _told(service, job, request)


@router.get("/jobs/{job_id}/results", response_model=JobResults, responses=problems())
def job_results(service: Here, job_id: JobId) -> JobResults:
    """Return what a job found."""
    job = _found(service, job_id)
    report = service.reports.get(job.result) if job.result else None
    if report is None:
        detail = f"this job is {job.status.value}: {job.message or 'it has no result'}"
        raise (
            not_ready(detail) if job.status is not Status.successful else not_found("result any more", kind=NOT_READY)
        )
    from howgreen.web.serve.api_results import file_links

    return JobResults(
        summary=report.summary,
        report=Link(href=f"/results/{report.id}/files/report.html", rel="item", type="text/html", title="the report"),
        files=file_links(report),
        view=Link(href=f"/#r={report.id}", rel="alternate", type="text/html", title="the map"),
    )


@router.get("/jobs/{job_id}/limits.geojson", response_model=Feature, responses=problems())
def job_limits(service: Here, job_id: JobId) -> Feature:
    """Return the limits of the place that a job is about."""
    return feature_of(_found(service, job_id).question.city)


def not_ready(detail: str) -> Exception:
    """Return the error for a job without a result, as specified by OGC."""
    from howgreen.web.serve.safety import RefusedError

    return RefusedError(404, detail, kind=NOT_READY)


def _city(service: Service, given: Inputs) -> City:
    """Find or make the intended place.

    Raises
    ------
    HowgreenError
        There is none, or it is larger than this server's limit.
    """
    place = given.place
    if isinstance(place, PlaceId):
        city = service.places.city(place.id)
        check_size(city, service.settings)
        return city
    outline = place.value if isinstance(place, QualifiedOutline) else place
    label = given.name
    if not label and outline.type == "Feature" and outline.properties:
        named = outline.properties.get("label") or outline.properties.get("name")
        label = str(named)[:120] if isinstance(named, str) else None
    looked = look(outline.model_dump(), service.settings, name=one_line(label or ""))
    if looked.city is None or looked.problems:
        raise TooLargeError(f"the place cannot be measured: {looked.problems[0]}")
    return looked.city


def _summary(base: str) -> dict[str, Any]:
    return {
        "id": PROCESS, "version": howgreen.__version__, "title": _TITLE, "description": _ABOUT,
        "keywords": ["vegetation", "urban green", "Sentinel-2", "Landsat"], "jobControlOptions": ["async-execute", "dismiss"],
        "outputTransmission": ["value", "reference"],
        "links": [
            Link(href=f"{base}/processes/{PROCESS}", rel="self", type="application/json", title="the process"),
            Link(
                href=f"{base}/processes/{PROCESS}/execution", rel="http://www.opengis.net/def/rel/ogc/1.0/execute",
                type="application/json", title="ask",
            ),
        ],
    }  # fmt: skip


def _inputs() -> dict[str, Any]:
    """Describe the inputs, each with its schema, generated from the validation."""
    schema = Inputs.model_json_schema()
    titles = {
        "place": "An id that /places gave, or a GeoJSON area in EPSG:4326 (lon, lat)",
        "name": "How a place that was drawn is called",
        "period": "A year, a month or a day, or two of them joined by '/'; none for the newest season with images",
        "season": "Which part of a year is meant",
        "sensor": "Which satellites",
        "model": "Which model; none for the best that the images allow",
        "language": "Of the report",
    }
    listed = {"sensor": list(SENSORS), "model": [None, *SHIPPED]}
    found = {}
    for name, title in titles.items():
        own = dict(schema["properties"][name])
        if name in listed:
            own = {"enum": listed[name], "default": own.get("default")}
        if name == "place":
            own = {
                "oneOf": [
                    {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
                    {"allOf": [{"format": "geojson-geometry"}, {"type": "object"}]},
                    {"allOf": [{"format": "geojson-feature"}, {"type": "object"}]},
                ]
            }
        found[name] = {
            "title": title,
            "description": title,
            "minOccurs": int(name == "place"),
            "maxOccurs": 1,
            "schema": own,
        }
    return found


def _outputs() -> dict[str, Any]:
    return {
        "summary": {
            "title": "All figures", "description": "What summary.json holds",
            "schema": {"type": "object", "contentMediaType": "application/json"},
        },
        "report": {
            "title": "The page to read", "description": "A page that opens without a network",
            "schema": {"type": "string", "contentMediaType": "text/html"},
        },
    }  # fmt: skip
