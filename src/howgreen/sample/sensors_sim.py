"""From surface reflectance to published products: digital numbers, noise, and an imperfect mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np
import numpy.typing as npt

from howgreen.core.sensors import LANDSAT, S2_OFFSET_04, SENTINEL2
from howgreen.sample.clouds import Sky, under_sky
from howgreen.sample.light import through_optics
from howgreen.sample.spectra import BANDS
from howgreen.sample.texture import smooth_noise

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One scene to simulate."""

    day: date
    sensor: str
    offset: float
    """Reflectance offset of its digital numbers."""
    baseline: str | None
    """Processing baseline that matches the offset (the sample's 2024 dates deliberately include old ones)."""
    cover: float
    """Cloud cover, 0-1."""
    scale_m: float
    """Distance between cloud groups."""
    haze: float
    flow: float = 0.6
    """River turbidity, 0-1."""
    surf: float = 0.4
    """Strength of the swell, 0-1."""
    split: bool = False
    """Whether the swath ends inside the image."""

    @property
    def id(self) -> str:
        """Id of the scene in the store."""
        family = "S2" if self.sensor == SENTINEL2.name else "LC09"
        return f"{family}_SAMPLETON_{self.day:%Y%m%d}"

    @property
    def time(self) -> datetime:
        """Acquisition time, UTC."""
        return datetime.combine(self.day, time(12, 57, 11), UTC)

    @property
    def day_of_year(self) -> int:
        """1-366."""
        return self.day.timetuple().tm_yday


def _s2(month: int, day: int, *, new: bool, cover: float, scale_m: float, haze: float, **more: float | bool) -> Shot:
    return Shot(
        day=date(2024, month, day),
        sensor=SENTINEL2.name,
        offset=S2_OFFSET_04 if new else 0.0,
        baseline="05.10" if new else "03.01",
        cover=cover,
        scale_m=scale_m,
        haze=haze,
        flow=float(more.get("flow", 0.6)),
        surf=float(more.get("surf", 0.4)),
        split=bool(more.get("split", False)),
    )


def _landsat(month: int, day: int, *, cover: float, haze: float) -> Shot:
    return Shot(
        day=date(2024, month, day),
        sensor=LANDSAT.name,
        offset=LANDSAT.offset,
        baseline=None,
        cover=cover,
        scale_m=1500,
        haze=haze,
    )


SHOTS: tuple[tuple[int, tuple[Shot, ...]], ...] = (
    (
        140,
        (
            _s2(5, 11, new=False, cover=0.13, scale_m=1700, haze=0.02, flow=0.9, surf=0.6),
            _s2(5, 26, new=True, cover=0.34, scale_m=2600, haze=0.03, flow=0.8),
        ),
    ),
    (
        180,
        (
            _s2(6, 15, new=True, cover=0.03, scale_m=2200, haze=0.17),
            _s2(6, 30, new=False, cover=0.05, scale_m=1200, haze=0.02, surf=0.2, split=True),
            _s2(7, 20, new=True, cover=0.006, scale_m=1500, haze=0.01, flow=0.55, surf=0.5),
            _landsat(6, 8, cover=0.10, haze=0.02),
        ),
    ),
    (
        232,
        (
            _s2(8, 9, new=False, cover=0.62, scale_m=3800, haze=0.04, flow=0.4),
            _s2(8, 29, new=True, cover=0.08, scale_m=1100, haze=0.02, flow=0.4),
            _landsat(8, 19, cover=0.04, haze=0.01),
        ),
    ),
    (257, (_s2(9, 13, new=False, cover=0.18, scale_m=1900, haze=0.03, flow=0.7, surf=0.8),)),
)
"""All scenes, by the day of year whose sun they share: casting shadows is expensive, and the sun moves slowly."""


def seen(cells: Floats, *, bands: npt.NDArray[np.int64], pixel_m: int) -> Floats:
    """Return pixels of some bands from a 5 m cube."""
    return np.stack([through_optics(cells[band], pixel_m=pixel_m) for band in bands])


def look(surface: Floats, sky: Sky, *, bands: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Simulate published reflectance: sky, view geometry, noise. (band, y, x) both ways."""
    side = surface.shape[-1]
    tilt = rng.uniform(-0.025, 0.025) * np.linspace(-1, 1, side, dtype=np.float32)
    gain = (1 + rng.normal(0, 0.012) + rng.normal(0, 0.006, (len(bands), 1, 1))).astype(np.float32) * (1 + tilt)
    image = under_sky(surface * gain, sky, bands=bands)
    noise = rng.standard_normal(image.shape, np.float32)
    image += noise * (0.0012 + 0.006 * image)
    return image


def swath(side: int) -> npt.NDArray[np.bool_]:
    """Return where a split swath has data: west of a slanting line, about 58 % of the image."""
    share = (np.arange(side) + 0.5) / side
    return np.asarray(share[None, :] + 0.22 * (share[:, None] - 0.5) < 0.58)


def numbers(reflectance: Floats, *, scale: float, offset: float, has_data: npt.NDArray[np.bool_] | None) -> Words:
    """Return digital numbers of one band: 1-65535, 0 for no data."""
    dn: Words = np.clip(np.rint((reflectance - offset) / scale), 1, 65_535).astype(np.uint16)
    if has_data is not None:
        dn[~has_data] = 0
    return dn


def scene_classes(
    view: Mapping[str, Floats], sky: Sky, *, rng: np.random.Generator, has_data: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.uint8]:
    """Return a scene classification (SCL) at 20 m, with the known errors of the real one.

    Some bright roofs are classified as cloud and some dark ground as shadow; thin cloud edges are missed.
    """
    blue, red, nir, swir = (view[name] for name in ("blue", "red", "nir08", "swir16"))
    ndvi = (nir - red) / np.maximum(nir + red, 0.01)
    scl = np.full(blue.shape, 5, np.uint8)
    scl[ndvi > 0.38] = 4
    scl[(ndvi > 0.28) & (ndvi <= 0.38) & (rng.random(blue.shape) < 0.3)] = 7
    scl[(swir < 0.045) & (nir < 0.10) & (ndvi < 0.3)] = 6
    mood = smooth_noise(rng, blue.shape, wavelength_px=9)
    dark = (nir < 0.13) & (swir < 0.15) & (scl == 5)
    scl[dark & (mood > 0.7)] = 3
    scl[dark & (mood < -1.1)] = 2
    scl[(blue > 0.27) & (mood > -0.2)] = 8
    scl[(blue > 0.40) & (mood > 0.3)] = 9
    scl[sky.shadow > 0.22] = 3
    scl[sky.opacity > 0.07] = 10
    scl[sky.opacity > 0.16] = 8
    scl[sky.opacity > 0.55] = 9
    if has_data is not None:
        scl[~has_data] = 0
    return scl


def quality_bits(view: Mapping[str, Floats], sky: Sky) -> Words:
    """Return Landsat Collection 2 QA_PIXEL: clear 21824, water 21952, cloud 22280, shadow 23888, dilated 21826."""
    nir, swir, red = view["nir"], view["swir16"], view["red"]
    water = (swir < 0.045) & (nir < 0.10) & (nir < red * 1.8)
    qa = np.where(water, 21_952, 21_824).astype(np.uint16)
    qa[sky.shadow > 0.25] = 23_888
    qa[sky.opacity > 0.05] = 21_826
    qa[sky.opacity > 0.20] = 22_280
    return qa


def band_positions(names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the positions of bands in the simulator's order."""
    return np.array([BANDS.index(name) for name in names], np.int64)
