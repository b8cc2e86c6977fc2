"""The published description of the interface, tried by schemathesis: what it allows is answered as it says, what not is refused."""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import positive_data_acceptance

from howgreen.web.serve import service

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "6"))
MEANING = {
    "/places/{place_id}",
    "/places/upload",
    "/processes/{process_id}/execution",
    "/results/{result_id}/area",
    "/stac/search",
}
"""Where a request in the right form may still mean nothing, which no schema tells: an outline without an area, a broken file."""


@pytest.fixture(scope="module")
def operations(answered):
    """Every operation of the description."""
    unbounded = dict.fromkeys(service.PER_MINUTE, 10**9)
    answered.rig.jobs.beat("worker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "PER_MINUTE", unbounded)
        described = schemathesis.openapi.from_dict(answered.rig.app.openapi())
        described.app = answered.rig.app
        yield [found.ok() for found in described.get_all_operations()]


def tried(operation, answered):
    """Ask what a strategy makes of one operation."""

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate), database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def one(case):
        case.headers["Host"] = "localhost"
        if "result_id" in (case.path_parameters or {}):
            case.path_parameters["result_id"] = answered.result
        if "job_id" in (case.path_parameters or {}) and case.method != "DELETE":
            case.path_parameters["job_id"] = answered.job.id
        case.call_and_validate(excluded_checks=[positive_data_acceptance] if case.path in MEANING else [])

    one()


def test_the_interface_is_as_it_is_described(operations, answered):
    findings = {}
    for operation in operations:
        try:
            tried(operation, answered)
        except* Failure as failures:
            findings[operation.label] = [str(one) for one in failures.exceptions]
    assert len(operations) > 30
    assert findings == {}, "\n".join(f"{key}: {told}" for key, told in findings.items())
