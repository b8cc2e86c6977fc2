"""Questions that are quick to ask of a server."""

from __future__ import annotations

from shapely.geometry import box

from howgreen.pipeline.inputs import to_city
from howgreen.web.serve.questions import Question, question


def asked(number: int = 0, **more: object) -> Question:
    """A question about one of many squares."""
    west = 11.0 + number / 100
    return question(to_city(box(west, 46.4, west + 0.005, 46.405)), period="2024", **more)
