"""Names of bands: a native name of Landsat means a band only together with its satellite."""

from __future__ import annotations

import pytest

from howgreen.core.sensors import LANDSAT, SENSORS, SENTINEL1, SENTINEL2, common_name

TM = {"SR_B1": "blue", "SR_B2": "green", "SR_B3": "red", "SR_B4": "nir", "SR_B5": "swir16", "SR_B7": "swir22"}
OLI = {"SR_B2": "blue", "SR_B3": "green", "SR_B4": "red", "SR_B5": "nir", "SR_B6": "swir16", "SR_B7": "swir22"}
# USGS, Landsat Collection 2 Level-2 Science Product Guides (LSDS-1618 for TM and ETM+, LSDS-1619 for OLI).
SPELT = {
    "tm": ["landsat-4", "LANDSAT_5", "landsat 7", "LT04", "LT05_L2SP_193028_19950701_20200912_02_T1", "LE07_L2SP_x"],
    "oli": ["landsat-8", "LANDSAT_9", "LC08", "LC09_L2SP_193028_20230701_20230710_02_T1", "LO08_L2SP_x"],
    "none": ["", "landsat", "landsat-1", "landsat-6", "LT08", "sentinel-2a", "S2A_T32TPS"],
}


@pytest.mark.parametrize("satellite", SPELT["tm"])
def test_numbers_of_tm(satellite: str):
    found = {f"SR_B{n}": common_name(f"SR_B{n}", LANDSAT, satellite=satellite) for n in range(1, 8)}
    assert {native: name for native, name in found.items() if name} == TM


@pytest.mark.parametrize("satellite", SPELT["oli"])
def test_numbers_of_oli(satellite: str):
    found = {f"SR_B{n}": common_name(f"sr_b{n}", LANDSAT, satellite=satellite) for n in range(1, 8)}
    assert {native: name for native, name in found.items() if name} == OLI


@pytest.mark.parametrize("satellite", SPELT["none"])
def test_numbers_without_a_satellite_mean_nothing(satellite: str):
    assert [common_name(f"SR_B{n}", LANDSAT, satellite=satellite) for n in range(1, 8)] == [None] * 7


def test_colours_need_no_satellite():
    for name in (*LANDSAT.band_names, "qa_pixel"):
        assert common_name(name.upper(), LANDSAT) == name
    assert common_name("nir08", LANDSAT) == "nir"
    assert common_name("nir08", SENTINEL2) == "nir08"


def test_the_same_native_name_means_another_band_on_another_sensor():
    assert common_name("SR_B4", LANDSAT, satellite="landsat-8") == "red"
    assert common_name("SR_B4", SENTINEL2, satellite="landsat-8") is None
    assert common_name("B8A", SENTINEL2) == "nir08"
    assert common_name("B8A", LANDSAT, satellite="landsat-8") is None


def test_radar_bands():
    assert [common_name(name, SENTINEL1) for name in ("VV", "vh", "gamma0_VV", "HH", "")] == [
        "vv",
        "vh",
        "vv",
        None,
        None,
    ]
    assert [sensor.is_radar for sensor in SENSORS.values()] == [False, False, True]
