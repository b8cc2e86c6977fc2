"""Finished reports: a folder each, named after the plan that it answers, and a row that lists it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """A finished report, as it is listed."""

    id: str
    """64 hexadecimal digits: the SHA-256 of plan and language; the folder's name."""
    label: str
    created: datetime
    """In UTC."""
    bytes: int
    bounds: tuple[float, float, float, float]
    """West, south, east, north, degrees."""
    period: str
    ratio: float | None
    """Green ratio of the land, 0-1; None where no land was seen."""
    low: float | None
    high: float | None
    language: str
