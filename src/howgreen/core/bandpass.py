"""Published regressions from one satellite's reflectance to another's: applied only on request, and then reported.

None is applied by default: they were fitted on other ground, and Roy's to reflectance that predates Landsat's
Collection 2. Coefficients quoted elsewhere under these names are not always the published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.types import Encoding, Scene

Line = tuple[float, float]
"""Slope and offset: target = slope * source + offset."""


@dataclass(frozen=True, kw_only=True)
class Bandpass:
    """One published set of regressions, onto Landsat 8's Operational Land Imager."""

    title: str
    sensor: str
    """Sensor whose scenes it changes."""
    lines: Mapping[str, Mapping[str, Line]]
    """By satellite, then by band."""
    narrow: bool = False
    """Whether its near-infrared is Sentinel-2's band 8A, which then replaces band 8."""


_BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")


def _lines(slopes: tuple[float, ...], offsets: tuple[float, ...]) -> dict[str, Line]:
    return {band: (a, b) for band, a, b in zip(_BANDS, slopes, offsets, strict=True)}


_ROY = _lines((0.8474, 0.8483, 0.9047, 0.8462, 0.8937, 0.9071), (0.0003, 0.0088, 0.0061, 0.0412, 0.0254, 0.0172))

BANDPASSES: Mapping[str, Bandpass] = {
    "nasa-hls": Bandpass(
        title="NASA's bandpass adjustment of the Harmonized Landsat Sentinel-2 product",
        sensor=SENTINEL2.name,
        narrow=True,
        lines={
            "sentinel-2a": _lines(
                (0.9778, 1.0053, 0.9765, 0.9983, 0.9987, 1.0030), (-0.0040, -0.0009, 0.0009, -0.0001, -0.0011, -0.0012)
            ),
            "sentinel-2b": _lines(
                (0.9778, 1.0075, 0.9761, 0.9966, 1.0000, 0.9867), (-0.0040, -0.0008, 0.0010, 0.0000, -0.0003, 0.0004)
            ),
            "sentinel-2c": _lines(
                (0.9851, 1.0038, 0.9718, 0.9995, 0.9994, 0.9910), (-0.0027, -0.0009, 0.0011, -0.0003, -0.0007, 0.0004)
            ),
        },
    ),
    "roy-2016": Bandpass(
        title="Roy et al. 2016, surface reflectance, ordinary least squares (doi:10.1016/j.rse.2015.12.024)",
        sensor=LANDSAT.name,
        lines={"landsat-4": _ROY, "landsat-5": _ROY, "landsat-7": _ROY},
    ),
}


def adjusted(scene: Scene, name: str) -> Scene:
    """Convert a scene's bands to Landsat 8's by one of :data:`BANDPASSES`; other satellites' scenes stay as they are.

    Only the encoding changes: DN * scale + offset becomes its regression. Bands without a regression are dropped, so
    that none is mixed with converted ones.
    """
    bandpass = BANDPASSES[name]
    lines = bandpass.lines.get(scene.platform) if scene.sensor == bandpass.sensor else None
    if lines is None:
        return scene
    kept = []
    for asset in scene.assets:
        band = asset.band
        if bandpass.narrow and band in ("nir", "nir08"):
            band = "nir" if band == "nir08" else ""
        if band in lines:
            own, (slope, offset) = scene.encoding(asset.band), lines[band]
            encoding = Encoding(scale=slope * own.scale, offset=slope * own.offset + offset, nodata=own.nodata)
            kept.append(replace(asset, band=band, encoding=encoding))
        elif band and band not in (one.name for one in (SENTINEL2 if bandpass.narrow else LANDSAT).bands):
            kept.append(asset)  # the mask
    return replace(scene, assets=tuple(kept))
