"""A server on the test's own folder, and one that listens on the loopback."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from howgreen.core.types import City
from howgreen.web.serve.job import Job
from howgreen.web.serve.jobs import Jobs
from howgreen.web.serve.questions import question
from howgreen.web.serve.results import Results, row_of
from howgreen.web.serve.server import listen
from howgreen.web.serve.settings import Settings

HOST = "http://localhost"
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[-33.0, 45.03], [-32.98, 45.03], [-32.98, 45.045], [-33.0, 45.045], [-33.0, 45.03]]],
}
"""In the middle of Sampleton."""


@dataclass
class Rig:
    settings: Settings
    jobs: Jobs
    results: Results
    app: FastAPI

    def client(self, **options: Any) -> TestClient:
        return TestClient(self.app, base_url=HOST, **options)

    def ask(self, city: City, *, period: str = "2024", client: str = "somebody") -> Job:
        return self.jobs.submit(question(city, period=period), client=client)

    def work(self) -> Job:
        """Take the next job, as a worker does."""
        self.jobs.beat("worker")
        job = self.jobs.claim("worker")
        assert job is not None
        return job

    def answer(self, job: Job, report: Path) -> str:
        """Finish a job with a report that was made before; the result's id."""
        result = hashlib.sha256(job.key.encode()).hexdigest()
        folder = self.settings.results / result
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(report, folder)
        (folder / "place.geojson").write_text(json.dumps(job.question.place))
        self.jobs.finish(job, row_of(folder, language="en"))
        return result


@dataclass
class Answered:
    rig: Rig
    client: TestClient
    result: str
    job: Job


@contextmanager
def listening(app: Any, *, http: Any = "auto") -> Iterator[str]:
    """Serve an application on the loopback, as the command does."""
    with closing(listen("127.0.0.1", 0)) as door:
        config = uvicorn.Config(
            app, http=http, log_config=None, lifespan="off", server_header=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        until = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < until
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
