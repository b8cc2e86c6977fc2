"""Plans by the words of the command line, for tests that find a place in one folder and images elsewhere."""

from __future__ import annotations

from typing import Any

from howgreen.cli.asked import AskedPlan
from howgreen.pipeline.plan_json import Plan


def plan(query: str | None = None, **asked: Any) -> Plan:
    """As ``howgreen plan`` does; the keywords are the fields of AskedPlan."""
    return AskedPlan(query=query, **asked).plan()
