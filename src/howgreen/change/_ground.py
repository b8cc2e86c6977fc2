"""Two answers on one grid, read slab by slab: the comparable ground of a place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from howgreen.core.errors import PlanError
from howgreen.core.geometry import project
from howgreen.core.grid import inside
from howgreen.core.registration import Lattice, apart
from howgreen.core.types import City, Composite, LandCover
from howgreen.core.warnings import Caution

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
ROWS = 512
"""Rows of a slab."""
LOOKED_AT = ("red", "green", "nir", "nir08")
"""Bands by which two images are compared for a shift: the first that both have."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One of the two answers."""

    composite: Composite
    landcover: LandCover


@dataclass(frozen=True, kw_only=True)
class Slab:
    """Some rows of both answers."""

    top: int
    compared: Bools
    """(y, x): inside the limits, and observed as land by both."""
    green: tuple[Floats, Floats]
    """Green fraction before and after, (y, x)."""


def check(before: Answer, after: Answer) -> None:
    """Raise PlanError if the two are on different grids."""
    if before.landcover.grid != after.landcover.grid:
        raise PlanError("the two answers lie on different grids: change needs one place and one pixel size")


def slabs(before: Answer, after: Answer, city: City) -> Iterator[Slab]:
    """Read the green fractions of both from the top down."""
    grid = before.landcover.grid
    limits = project(city.boundary, str(grid.crs))
    for top in range(0, grid.shape[0], ROWS):
        rows = slice(top, min(top + ROWS, grid.shape[0]))
        compared = inside(limits, grid[rows, :])
        green = []
        for one in (before, after):
            part = _part(one.landcover.data[["label", "green_fraction"]], rows)
            fraction = part["green_fraction"].transpose("y", "x").values
            label = part["label"].transpose("y", "x").values
            compared &= np.isfinite(fraction) & ~np.isin(label, one.landcover.water_codes)
            green.append(fraction)
        yield Slab(top=top, compared=compared, green=(green[0], green[1]))


def reflectance(answer: Answer, bands: tuple[str, ...], rows: slice) -> Floats:
    """Return (band, y, x) reflectance of some rows; NaN where never clear."""
    data = answer.composite.data["reflectance"].sel(band=list(bands)).transpose("band", "y", "x")
    return np.asarray(data.isel(y=rows).values, np.float32)


def misplaced(before: Answer, after: Answer) -> Iterator[Caution]:
    """Warn if the second image shows the ground elsewhere than the first: a shift of both looks like change along all edges."""
    band = next((one for one in LOOKED_AT if one in before.composite.bands and one in after.composite.bands), None)
    if band is None or before.landcover.grid != after.landcover.grid:
        return
    lattice = Lattice(before.landcover.grid)
    patches = {}
    for name, one in (("before", before), ("after", after)):
        light = reflectance(one, (band,), slice(None))[0]
        if (cut := lattice.patches(light, np.isfinite(light), lattice.grid)) is not None:
            patches[name] = cut
    if (found := apart(patches)) is not None:
        yield Caution(
            "change-misplaced",
            f"the second image shows the ground {np.hypot(*found[1]):.0f} pixels away from where the first shows it: along all edges of green, "
            "that counts as lost or gained; put the images in the same place, or use others",
        )


def uncertainty(answer: Answer, rows: slice) -> Floats | None:
    """Return (y, x) standard errors of the green fraction of some rows; None if the model gives none."""
    if "green_uncertainty" not in answer.landcover.data:
        return None
    return np.asarray(answer.landcover.data["green_uncertainty"].transpose("y", "x").isel(y=rows).values, np.float32)


def pixel_m2(city: City, grid: Any) -> float:
    """Return the ellipsoidal area of a pixel: its projected area times the ratio of the limits' ellipsoidal to projected area."""
    return float(abs(grid.affine.a * grid.affine.e) * city.area_m2 / project(city.boundary, str(grid.crs)).area)


def _part(data: xr.Dataset, rows: slice) -> xr.Dataset:
    return data.isel(y=rows).compute()
