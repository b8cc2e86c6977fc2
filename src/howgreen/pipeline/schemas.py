"""The published JSON schemas, generated from the types: ``python -m howgreen.pipeline.schemas`` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from howgreen.landcover.card import Card
from howgreen.pipeline._plan_file import PlanFile
from howgreen.report import PeopleSummary, RestorationSummary, TrendSummary
from howgreen.report.change_figures import ChangeSummary
from howgreen.report.figures import Summary, schema_of
from howgreen.report.layers_figures import LayersSummary

HOME = Path(__file__).parent.parent
"""The package folder."""


def schemas() -> Mapping[str, dict[str, Any]]:
    """Generate all schemas, keyed by their file in the package."""
    return {
        "report/summary.schema.json": schema_of(Summary, identity="urn:howgreen:summary:1", title="howgreen summary"),
        "report/layers.schema.json": schema_of(
            LayersSummary, identity="urn:howgreen:layers:1", title="howgreen comparison with other maps"
        ),
        "report/people.schema.json": schema_of(
            PeopleSummary, identity="urn:howgreen:people:1", title="howgreen people and green"
        ),
        "report/restoration.schema.json": schema_of(
            RestorationSummary, identity="urn:howgreen:nrr:1", title="howgreen account for Article 8"
        ),
        "report/change.schema.json": schema_of(
            ChangeSummary, identity="urn:howgreen:change:1", title="howgreen change"
        ),
        "report/trend.schema.json": schema_of(TrendSummary, identity="urn:howgreen:trend:1", title="howgreen trend"),
        "pipeline/plan.schema.json": schema_of(PlanFile, identity="urn:howgreen:plan:1", title="howgreen plan"),
        "landcover/card.schema.json": schema_of(Card, identity="urn:howgreen:card:1", title="howgreen model card"),
    }


def text_of(schema: Mapping[str, Any]) -> str:
    """Format a schema as committed."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all schemas into the package."""
    for name, schema in schemas().items():
        (HOME / name).write_text(text_of(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
