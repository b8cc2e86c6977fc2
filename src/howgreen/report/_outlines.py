"""Limits and districts as paths over the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import shapely
from shapely.affinity import affine_transform

from howgreen.core.geometry import project

if TYPE_CHECKING:
    from affine import Affine
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Result
    from howgreen.report._pictures import Preview

TOLERANCE_PX = 0.4
"""Largest deviation of a drawn line from the true one."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """One zone in pixels of the preview, x to the right and y down."""

    shape: BaseGeometry
    path: str
    """SVG path data."""
    exact_px: float
    """Its area before simplification, in preview pixels."""
    label_x: float
    label_y: float
    """A point well inside it."""


def outline(boundary: BaseGeometry, preview: Preview) -> Outline:
    """Transform an EPSG:4326 boundary to preview pixels."""
    shape = in_pixels(project(boundary, preview.crs), preview.transform)
    exact = shape.area
    shape = shape.simplify(TOLERANCE_PX)
    largest = max(shapely.get_parts(shape), key=lambda part: part.area)
    place = shapely.maximum_inscribed_circle(largest, tolerance=2).coords[0]
    return Outline(
        shape=shape, path=path(shape), exact_px=exact, label_x=round(place[0], 1), label_y=round(place[1], 1)
    )


def outlines(result: Result, preview: Preview) -> list[Outline]:
    """Draw the city's outline, then its districts'."""
    city = result.plan.city
    return [outline(boundary, preview) for boundary in (city.boundary, *(d.boundary for d in city.districts))]


def in_pixels(shape: BaseGeometry, transform: Affine) -> BaseGeometry:
    """Transform a shape in the grid's CRS to pixels."""
    a, b, c, d, e, f = (~transform)[:6]
    moved: BaseGeometry = affine_transform(shape, [a, b, d, e, c, f])
    return moved


def path(shape: BaseGeometry) -> str:
    """Format as SVG path data with one decimal, every ring closed."""
    rings: list[str] = []
    for part in shapely.get_parts(shape):
        for ring in (part.exterior, *part.interiors):
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in ring.coords[:-1])
            rings.append(f"M{corners}Z")
    return "".join(rings)
