"""The real images that the store was made for."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from howgreen import store
from howgreen.core.errors import ImageError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.core.sensors import SENTINEL2

pytestmark = pytest.mark.real
TEN = [band.aliases[0] for band in SENTINEL2.bands]


def same_pixels(path, scene, bands) -> None:
    with rasterio.open(path) as given:
        for index, band in enumerate(bands, 1):
            with rasterio.open(scene.asset(band).href) as kept:
                np.testing.assert_array_equal(kept.read(1), given.read(index))
                assert (kept.transform, kept.crs) == (given.transform, given.crs)
            assert cog_validate(scene.asset(band).href) == (True, [], [])


def test_bolzano(shared_data, root):
    path = shared_data / "bolzano" / "S2_L2A_sample.tif"
    bands = ["red", "green", "blue", "nir", "scl"]
    store.add([path], root=root, city="Bolzano", options=store.Options(bands=bands, scale=1e-4, date=date(2023, 7, 1)))
    (scene,) = store.scenes(root)
    same_pixels(path, scene, bands)
    assert (scene.scale, scene.offset, scene.nodata) == (1e-4, 0.0, 0)
    assert geodesic_area_m2(scene.footprint) == pytest.approx(935 * 705 * 100, rel=2e-3)
    assert store.verify(root) == []
    # It names its bands itself, so no option but the date is needed.
    store.add([path], root=root.with_name("other"), city="Bolzano", options=store.Options(date=date(2023, 7, 1)))
    assert store.scenes(root.with_name("other"))[0].bands == scene.bands


def test_tlaxcala_border_is_no_data(shared_data, root):
    path = shared_data / "tlaxcala" / "Tlaxcala_allbands.tiff"
    store.add([path], root=root, city="Tlaxcala", options=store.Options(bands=TEN, date=date(2020, 2, 1)))
    (scene,) = store.scenes(root)
    same_pixels(path, scene, SENTINEL2.band_names)
    with rasterio.open(path) as given:
        valid = (given.read() != 0).any(axis=0).sum()
    assert scene.nodata == 0
    assert geodesic_area_m2(scene.footprint) == pytest.approx(valid * 100, rel=3e-3)


def test_aberystwyth_tells_its_scale(shared_data, root):
    path = shared_data / "aberystwyth" / "sen2_20210527_aber_mosaic.tif"
    with pytest.raises(ImageError, match=r"likely --scale 0\.001"):
        store.add([path], root=root, city="Aberystwyth", options=store.Options(bands=TEN))
    assert not root.exists()
    store.add([path], root=root, city="Aberystwyth", options=store.Options(bands=TEN, scale=0.001))
    (scene,) = store.scenes(root)
    assert scene.time.date() == date(2021, 5, 27)
    same_pixels(path, scene, SENTINEL2.band_names)


def test_files_of_one_band(shared_data, root):
    day = date(2019, 5, 22)
    files = [shared_data / "fort_mcmurray" / f"{band}.tif" for band in ("B02", "B03", "B04", "B08", "B11", "SCL")]
    assert store.add(files, root=root, city="Fort McMurray", options=store.Options(date=day)) == [
        "sentinel-2-2019-05-22-fort-mcmurray"
    ]
    floats = [shared_data / "opole" / f"{band}.tiff" for band in ("B03", "B04", "B08")]
    store.add(floats, root=root, city="Opole", options=store.Options(date=day))
    lommel = sorted((shared_data / "lommel").glob("ref_input_S2_B0[2348].tif"))
    store.add(lommel, root=root, city="Lommel", options=store.Options(date=date(2019, 4, 11)))
    assert [place.name for place in store.places(root)] == ["Fort McMurray", "Lommel", "Opole"]
    assert store.verify(root) == []


def test_an_overcast_day_whose_bands_see_the_clouds_at_different_places_is_not_told_to_lie_apart(
    shared_data, root, tmp_path, recwarn
):
    """Of ten bands, the last sees the clouds three pixels beside where the first does."""
    scenes = np.load(shared_data / "slovenia_dates" / "REFERENCE_SCENES.npy")
    bands = np.moveaxis(scenes[0][..., [1, 2, 3, 4, 5, 6, 7, 8, 11, 12]], -1, 0).astype("float32")
    path = tmp_path / "overcast.tif"
    size = {"count": 10, "height": bands.shape[1], "width": bands.shape[2], "dtype": "float32"}
    where = rasterio.Affine(10, 0, 500_000, 0, -10, 5_100_000)
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32633", transform=where, **size) as file:
        file.write(bands)
    store.add([path], root=root, city="X", options=store.Options(bands=TEN, date=date(2015, 8, 20)))
    assert not any("shows the ground" in str(one.message) for one in recwarn)
