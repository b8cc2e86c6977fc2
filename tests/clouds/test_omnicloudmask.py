"""OmniCloudMask beside us: what it is shown, and what becomes of its answer. A package of that name stands in for it; it has no weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from howgreen import store
from howgreen.clouds import omnicloudmask
from howgreen.core.errors import ImageError
from howgreen.imagery.composite._offset_check import decisions

STAND_IN = """
import json, os
import numpy as np
__version__ = "1.8.1"
def predict_from_array(input_array, **options):
    folder = os.path.dirname(__file__)
    np.save(os.path.join(folder, "shown.npy"), input_array)
    told = {"options": options, "offline": os.environ.get("HF_HUB_OFFLINE")}
    open(os.path.join(folder, "told.json"), "w").write(json.dumps(told))
    answer = np.zeros((1, *input_array.shape[1:]), np.uint8)
    answer[0, 0, :4] = range(4)
    return ANSWER
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Write the package where Python finds it, ours and that of the other process."""
    folder = tmp_path / "site" / "omnicloudmask"
    folder.mkdir(parents=True)

    def write(answer="answer"):
        (folder / "__init__.py").write_text(STAND_IN.replace("ANSWER", answer))
        return folder

    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    write()
    return write


def picture(tmp_path, *, names=("B08", "B04", "B03"), side=10.0, start=1000):
    """A pixel of each band that tells which band it is; the corner has no data."""
    path = tmp_path / "image_20230701.tif"
    values = np.stack([np.full((40, 50), start + 1000 * n, np.uint16) for n in range(len(names))])
    values += np.arange(50, dtype=np.uint16)
    values[:, -1, -1] = 0
    shape = {"count": len(names), "height": 40, "width": 50, "dtype": "uint16", "nodata": 0}
    place = {"crs": "EPSG:32632", "transform": Affine(side, 0, 600_000, 0, -side, 5_200_000)}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as file:
        file.write(values)
        for index, name in enumerate(names, 1):
            file.set_band_description(index, name)
    return path


def add(path, root, **options):
    asked = store.Options(mask=Path(omnicloudmask.NAME), **options)
    return store.add([path], root=root, city="X", options=asked)


def test_it_is_shown_red_green_and_near_infrared_in_its_order_and_nodata_is_nought(stand_in, tmp_path):
    folder = stand_in()
    add(picture(tmp_path), tmp_path / "shelf", scale=1e-4, offset=-0.05)
    shown, told = np.load(folder / "shown.npy"), json.loads((folder / "told.json").read_text())
    assert shown.shape == (3, 40, 50)
    assert shown.dtype == np.uint16
    assert shown[:, 5, 0].tolist() == [1500, 2500, 500]  # red, green, nir: reflectance times 10,000
    assert shown[:, -1, -1].tolist() == [0, 0, 0]
    assert (shown == 0).sum() == 3
    assert told == {"options": {"no_data_value": 0}, "offline": "1"}


def test_ground_that_reflects_nothing_is_not_taken_for_no_data(stand_in):
    folder = stand_in()
    omnicloudmask.ask(np.full((3, 40, 40), -0.01, np.float32))
    assert (np.load(folder / "shown.npy") == 1).all()


@pytest.mark.parametrize(
    ("names", "band", "codes"),
    [(("B08", "B04", "B03"), "scl", [7, 9, 10, 3]), (("nir", "red", "green"), "qa_pixel", [21824, 22280, 54596, 23888])],
)  # fmt: skip
def test_its_classes_become_codes_of_the_sensors_own_mask(stand_in, tmp_path, names, band, codes):
    sensor = "landsat" if band == "qa_pixel" else "sentinel-2"
    scaling = {"scale": 1e-4, "offset": 0.0}
    add(picture(tmp_path, names=names), tmp_path / "shelf", sensor=sensor, **scaling)
    (scene,) = store.scenes(tmp_path / "shelf")
    with rasterio.open(scene.asset(band).href) as file:
        mask = file.read(1)
    assert mask[0, :4].tolist() == codes
    assert (mask[1:] == codes[0]).all()


def test_it_replaces_what_the_image_brings_and_is_told(stand_in, tmp_path):
    path = picture(tmp_path, names=("B08", "B04", "B03", "SCL"), start=0)
    with rasterio.open(path, "r+") as file:
        file.write(np.full((40, 50), 9, np.uint16), 4)
    add(path, tmp_path / "shelf", scale=1e-4, offset=0.0)
    (scene,) = store.scenes(tmp_path / "shelf")
    with rasterio.open(scene.asset("scl").href) as file:
        assert (file.read(1) == 7).mean() > 0.99
    assert scene.native["properties"]["howgreen:mask_from"] == "omnicloudmask"
    assert f"made by OmniCloudMask from red, green and near-infrared light: {scene.id}" in decisions([scene])["mask"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("answer[0]", "another form"),
        ("answer + 4", "another form"),
        ("1 / 0", "ZeroDivisionError: division by zero.*weights must be on this computer.*get_models"),
    ],
)
def test_what_is_no_answer_is_refused_in_one_line(stand_in, tmp_path, answer, why):
    stand_in(answer)
    with pytest.raises(ImageError, match=why):
        add(picture(tmp_path), tmp_path / "shelf", scale=1e-4, offset=0.0)
    assert not list((tmp_path / "shelf").rglob("*.tif"))


def test_it_may_not_take_for_ever(stand_in):
    stand_in("__import__('time').sleep(60)")
    with pytest.raises(ImageError, match="no answer in 0 s"):
        omnicloudmask.ask(np.ones((3, 40, 40), np.float32), longest_s=0.05)


@pytest.mark.parametrize(("side", "taken"), [(8.9, False), (10.0, True), (50.0, True), (52.0, False)])
def test_pixels_that_it_was_not_made_for_are_refused(stand_in, tmp_path, side, taken):
    path = picture(tmp_path, side=side)
    if taken:
        add(path, tmp_path / "shelf", scale=1e-4, offset=0.0)
    else:
        with pytest.raises(ImageError, match="10 to 50 m"):
            add(path, tmp_path / "shelf", scale=1e-4, offset=0.0)


def test_without_the_package_or_a_band_it_is_said(tmp_path, monkeypatch, stand_in):
    with pytest.raises(ImageError, match=r"needs the bands red, green and nir; green is missing"):
        add(picture(tmp_path, names=("B08", "B04")), tmp_path / "shelf", scale=1e-4, offset=0.0)
    monkeypatch.setattr(omnicloudmask, "find_spec", lambda _: None)
    with pytest.raises(ImageError, match=re.escape("pip install 'howgreen[omnicloudmask]'")):
        omnicloudmask.ask(np.ones((3, 40, 40), np.float32))
