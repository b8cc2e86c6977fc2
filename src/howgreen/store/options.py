"""What a person says of images that are added to a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is said of images beside their files: ``Options(scale=1e-4)``; None leaves it to the files."""

    bands: Sequence[str] | None = None
    """Names in the order of the bands (or of the one-band files), ``-`` for one to leave out."""
    scale: float | None = None
    """Reflectance = DN * scale + offset. Where the files do not say it, the sensor's; floats are taken as reflectance."""
    offset: float | None = None
    nodata: float | None = None
    """DN that means *no data*. Where the files do not say it: 0; NaN for floats."""
    date: date | None = None
    """When a GeoTIFF was taken, for files that do not have it in their name."""
    sensor: str | None = None
    """Key of :data:`howgreen.core.sensors.SENSORS`; None tells it by the names of the bands."""
    unit: str | None = None
    """Of a radar's bands, once scaled: ``dB`` or ``power`` (linear). None tells it by the pixels: power is never negative,
    and land in decibels nearly always is."""
    mask: Path | None = None
    """The cloud mask of one image, a raster of one band, on any grid; it replaces what the image brings. ``Path("omnicloudmask")``, for
    any number of images, has OmniCloudMask make it from red, green and near-infrared light."""
    mask_clear: tuple[float, ...] | None = None
    """Numbers of ``mask`` that are clear, all others being cloud; None tells its kind by its name."""
    undated: bool = False
    """Whether an image whose day nobody says is taken all the same, for uses in which it does not matter."""

    def __post_init__(self) -> None:
        """Take blanks around names for a slip of the finger."""
        if self.bands is not None:
            object.__setattr__(self, "bands", tuple(name.strip() for name in self.bands))
