"""Questions that are quick to ask of a server, and a store that answers one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from shapely.geometry import box

from howgreen.core.types import City
from howgreen.pipeline.inputs import to_city
from howgreen.web.serve.questions import Question, question
from towns import GRASS, limits, put_image, put_town


def asked(number: int = 0, **more: object) -> Question:
    """A question about one of many squares."""
    west = 11.0 + number / 100
    return question(to_city(box(west, 46.4, west + 0.005, 46.405)), period="2024", **more)


def city_of_grass() -> City:
    """A town of twelve hectares, green all over."""
    return limits()


def fill_shelf(root: Path) -> Path:
    """Make a store with one image of the city of grass."""
    put_image(root, "s1", datetime(2024, 6, 1, 10, tzinfo=UTC), GRASS)
    put_town(root)
    return root
