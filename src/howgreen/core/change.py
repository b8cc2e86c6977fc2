"""The change between two answers for one place: values passed from the stage to the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from howgreen.core.warnings import Caution

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

NOT_COMPARED = 255
"""Value of a pixel that is unseen on either date, water, or outside the limits."""


@dataclass(frozen=True, kw_only=True)
class ChangeClass:
    """Pixels with the same kind of change."""

    code: int
    """Value in the raster."""
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
    """One connected patch that lost or gained green."""

    kind: str
    """``lost`` or ``gained``."""
    area_m2: float
    green_m2: float
    """Green area lost or gained, never negative."""
    lon: float
    lat: float
    """A point inside."""
    district: str = ""


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """How the second image was normalised to the radiometry of the first: value * gain + offset, band by band."""

    bands: tuple[str, ...]
    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    invariant: int
    """Number of pixels that the lines were fitted to."""
    tried: int
    """Number of candidate pixels."""
    applied: bool
    """Whether there were enough of them; if not, the images were compared unnormalised."""


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """How the kinds of change were clustered."""

    block_px: int
    components: int
    """Number of principal components kept."""
    explained: float
    """Share of the variance they explain, 0-1."""
    silhouettes: dict[int, float]
    """Mean silhouette of a subsample, by number of clusters."""
    chosen: int
    given: bool
    """Whether the user chose the number."""
    normalisation: Normalisation


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Criteria for accepting a change."""

    z: float
    """Least |difference| of a pixel, in its standard errors."""
    least: float
    """Least change of the green fraction."""
    shift: float
    """Median difference of all pixels, an overall shift between the two dates; not subtracted."""
    mapping_unit_m2: float
    """Minimum mapping unit: smaller patches are not change."""
    sieved_m2: float
    """Area of the patches removed for that."""
    lost_m2: float
    """Green area lost in accepted losses."""
    gained_m2: float
    kept_m2: float
    """Green area on both dates, wherever it lies."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """The change in a place."""

    method: str
    """``measured`` or ``pca-kmeans``."""
    codes: NDArray[np.uint8]
    """(y, x) code of a class, NOT_COMPARED."""
    grid: GeoBox
    classes: tuple[ChangeClass, ...]
    compared_m2: float
    green_before: float | None
    """Green share of the land seen on both dates, 0-1."""
    green_after: float | None
    patches: tuple[Patch, ...] = ()
    """The largest ones; method ``measured`` only."""
    clustering: Clustering | None = None
    threshold: Threshold | None = None
    warnings: tuple[Caution, ...] = field(default=())
