"""Provenance of an answer: versions and decisions on the images; for a simulated city, the truth."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import howgreen
from howgreen import imagery, report
from howgreen.core.geometry import DENSIFY_DEG
from howgreen.core.types import HALF_GREEN
from howgreen.pipeline.plan_json import season_values

if TYPE_CHECKING:
    from howgreen.core.types import Plan

LIBRARIES = ("numpy", "rasterio", "onnxruntime", "odc-geo", "exactextract")


def provenance(plan: Plan) -> dict[str, Any]:
    """Sample pixels of each scene and record how its numbers were interpreted, and by which versions; JSON values.

    Raises
    ------
    ImageError
        A scene contradicts itself.
    """
    from importlib.metadata import version

    return {
        "howgreen": howgreen.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "libraries": {name: version(name) for name in LIBRARIES},
        "areas": {
            "ellipsoid": "WGS 84",
            "densify_deg": DENSIFY_DEG,
            "cover": "exact share of each pixel inside the limits (exactextract), times ellipsoidal over planar area of the zone",
            "half_green": f"share of at least {HALF_GREEN:g} before it is rounded for green_fraction.tif",
            "rounding": f"figures by shares as computed (float32); green_fraction.tif holds them to 1/{report.FRACTION_STEPS}",
        },
        "radiometry": imagery.decisions((*plan.scenes, *plan.radar)),
        **({"season": season_values(plan.season)} if plan.season else {}),
    }


def truth(plan: Plan) -> dict[str, Any] | None:
    """Return the simulation's truth, if the whole sample city was asked for."""
    if not plan.city.synthetic or "://" in plan.source:
        return None
    from howgreen import sample

    known = sample.truth(Path(plan.source))
    return {
        "green_ratio": known.city.green_ratio,
        "districts": {district.name: district.green_ratio for district in known.districts},
    }
