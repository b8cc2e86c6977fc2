"""User options for images added to a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """Facts given by the user, beside the files: ``Options(scale=1e-4)``; None leaves it to the files."""

    bands: Sequence[str] | None = None
    """Names in the order of the bands (or of the one-band files); ``-`` skips one."""
    scale: float | None = None
    """Reflectance = DN * scale + offset. If the files do not say, the sensor's; floats are taken as reflectance."""
    offset: float | None = None
    nodata: float | None = None
    """DN that means *no data*. If the files do not say: 0; NaN for floats."""
    date: date | None = None
    """Acquisition date of a GeoTIFF whose name lacks it."""
    sensor: str | None = None
    """Key of :data:`howgreen.core.sensors.SENSORS`; None infers it from the names of the bands."""
    unit: str | None = None
    """Unit of radar bands after scaling: ``dB`` or ``power`` (linear). None infers it from the pixels: power is never
    negative, and land in decibels nearly always is."""
    mask: Path | None = None
    """Cloud mask of one image, a one-band raster on any grid; it replaces the image's own. ``Path("omnicloudmask")``,
    for any number of images, computes it with OmniCloudMask from red, green and near-infrared."""
    mask_clear: tuple[float, ...] | None = None
    """Values of ``mask`` that are clear, all others being cloud; None infers its kind from its name."""
    undated: bool = False
    """Whether to accept an image without a date, for uses in which it does not matter."""

    def __post_init__(self) -> None:
        """Strip blanks around names, which are typing slips."""
        if self.bands is not None:
            object.__setattr__(self, "bands", tuple(name.strip() for name in self.bands))
