"""Published regressions between satellites, by the values that their authors print."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from shapely import box

from howgreen.core.bandpass import BANDPASSES, adjusted
from howgreen.core.types import Asset, Encoding, Scene

BANDS = ("blue", "green", "red", "nir", "nir08", "swir16", "swir22", "rededge1", "scl")


def scene(platform: str, sensor: str = "sentinel-2", bands=BANDS, scale: float = 1e-4, offset: float = 0.0) -> Scene:
    return Scene(
        id="s", sensor=sensor, time=datetime(2024, 6, 1, tzinfo=UTC), footprint=box(0, 0, 1, 1), platform=platform, scale=scale,
        offset=offset, nodata=0, assets=tuple(Asset(band=band, href=f"{band}.tif") for band in bands),
    )  # fmt: skip


def light(one: Scene, band: str, reflectance: float, *, scale: float = 1e-4, offset: float = 0.0) -> float:
    """What a band says of ground of a reflectance, whose number is by the scene's own scale."""
    found = one.encoding(band)
    return (reflectance - offset) / scale * found.scale + found.offset


MSI = {"blue": 0.03, "green": 0.06, "red": 0.04, "nir": 0.35, "swir16": 0.20, "swir22": 0.10}
OLI = {"blue": 0.025334, "green": 0.059418, "red": 0.039960, "nir": 0.349305, "swir16": 0.198640, "swir22": 0.099100}


@pytest.mark.parametrize("offset", [0.0, -0.1])
def test_nasas_worked_example_whatever_the_offset_of_the_numbers(offset):
    made = adjusted(scene("sentinel-2a", offset=offset), "nasa-hls")
    assert {band: light(made, band, value, offset=offset) for band, value in MSI.items()} == pytest.approx(
        OLI, abs=1e-6
    )
    red, nir = (light(made, band, MSI[band], offset=offset) for band in ("red", "nir"))
    assert (nir - red) / (nir + red) == pytest.approx(0.79469, abs=1e-5)


def test_the_near_infrared_is_band_8a_and_bands_without_a_line_go():
    made = adjusted(scene("sentinel-2b"), "nasa-hls")
    assert made.asset("nir").href == "nir08.tif"
    assert set(made.bands) == {"blue", "green", "red", "nir", "swir16", "swir22", "scl"}
    assert made.asset("scl").encoding is None
    narrow = adjusted(scene("sentinel-2a", bands=("red", "nir", "scl")), "nasa-hls")
    assert narrow.bands == ("red", "scl")  # band 8 has no line


def test_each_satellite_has_its_own_lines_and_others_stay_as_they_are():
    a, c = (light(adjusted(scene(f"sentinel-2{letter}"), "nasa-hls"), "blue", 0.1) for letter in "ac")
    assert (a, c) == pytest.approx((0.09378, 0.09581), abs=1e-6)
    for other in (scene("sentinel-2a"), scene("landsat-8", sensor="landsat"), scene("")):
        assert adjusted(other, "roy-2016") is other
    assert adjusted(scene(""), "nasa-hls").bands == BANDS  # a satellite that is not known


def test_roy_moves_bare_ground_more_than_green_by_ordinary_least_squares():
    """Published as a warning: a false greening at the year of the switch."""
    made = adjusted(scene("landsat-7", sensor="landsat", bands=("red", "nir", "qa_pixel")), "roy-2016")

    def ndvi(red: float, nir: float) -> float:
        red, nir = light(made, "red", red), light(made, "nir", nir)
        return (nir - red) / (nir + red)

    assert ndvi(0.12, 0.16) > (0.16 - 0.12) / 0.28 + 0.05
    assert ndvi(0.03, 0.45) < (0.45 - 0.03) / 0.48
    assert set(BANDPASSES["roy-2016"].lines) == {"landsat-4", "landsat-5", "landsat-7"}


def test_a_band_of_its_own_encoding_is_moved_from_there():
    one = scene("landsat-5", sensor="landsat", bands=("red",))
    own = Asset(band="red", href="red.tif", encoding=Encoding(scale=2.75e-5, offset=-0.2, nodata=0))
    import dataclasses

    made = adjusted(dataclasses.replace(one, assets=(own,)), "roy-2016")
    assert made.encoding("red") == Encoding(scale=0.9047 * 2.75e-5, offset=0.9047 * -0.2 + 0.0061, nodata=0)
