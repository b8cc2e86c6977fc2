"""What changed between two answers for one place: values that travel from the stage to the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from howgreen.core.warnings import Caution

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

NOT_COMPARED = 255
"""Of a pixel that one of the two did not see, that is water, or that lies outside the limits."""


@dataclass(frozen=True, kw_only=True)
class ChangeClass:
    """Pixels that changed alike."""

    code: int
    """In the raster."""
    name: str
    colour: str
    """``#rrggbb``."""
    area_m2: float
    green_before: float | None
    """Mean green fraction, 0-1; None without pixels."""
    green_after: float | None

    @property
    def green_change(self) -> float | None:
        """Mean change of the green fraction, -1 to 1."""
        if self.green_before is None or self.green_after is None:
            return None
        return self.green_after - self.green_before


@dataclass(frozen=True, kw_only=True)
class Patch:
    """One connected piece of ground that lost or gained green."""

    kind: str
    """``lost`` or ``gained``."""
    area_m2: float
    green_m2: float
    """Green area that went or came, never negative."""
    lon: float
    lat: float
    """A point inside."""
    district: str = ""


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """How the second image was brought to the radiometry of the first: value * gain + offset, band by band."""

    bands: tuple[str, ...]
    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    invariant: int
    """Pixels that the lines were fitted to."""
    tried: int
    """Pixels that were asked."""
    applied: bool
    """Whether there were enough of them; else the images were compared as they are."""


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """How the kinds of change were found."""

    block_px: int
    components: int
    """Principal components that were kept."""
    explained: float
    """Share of the variance in them, 0-1."""
    silhouettes: dict[int, float]
    """Mean silhouette of a sample by number of clusters."""
    chosen: int
    given: bool
    """Whether the user named the number."""
    normalisation: Normalisation


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """When a change was believed."""

    z: float
    """Standard errors of a pixel's difference."""
    least: float
    """Least change of the green fraction."""
    shift: float
    """Median difference of all pixels: what the two dates differ by as a whole; not taken off."""
    mapping_unit_m2: float
    """Smaller patches are no change."""
    sieved_m2: float
    """Area of those."""
    lost_m2: float
    """Green area lost where a loss was believed."""
    gained_m2: float
    kept_m2: float
    """Green area that both have, wherever it lies."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What changed in a place."""

    method: str
    """``measured`` or ``pca-kmeans``."""
    codes: NDArray[np.uint8]
    """(y, x) code of a class, NOT_COMPARED."""
    grid: GeoBox
    classes: tuple[ChangeClass, ...]
    compared_m2: float
    green_before: float | None
    """Green share of the land that both saw, 0-1."""
    green_after: float | None
    patches: tuple[Patch, ...] = ()
    """The largest, of the measured kind."""
    clustering: Clustering | None = None
    threshold: Threshold | None = None
    warnings: tuple[Caution, ...] = field(default=())
