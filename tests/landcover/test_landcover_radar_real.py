"""The shipped radar model on a real image: what anybody sees in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from howgreen.landcover import load_model
from howgreen.landcover.classify import classify_array

pytestmark = pytest.mark.real


def test_senica_has_a_lake_two_villages_and_smooth_fields(shared_data: Path):
    planes = []
    for name in ("VV", "VH"):
        with rasterio.open(shared_data / "senica_s1" / f"{name}.tif") as file:
            planes.append(file.read(1))
    model = load_model("radar-2")
    found = classify_array(np.stack(planes).astype(np.float32), model)
    code = {cls.name: cls.code for cls in model.card.classes}

    def share(name: str, rows: slice, columns: slice) -> float:
        return float((found[0, rows, columns] == code[name]).mean())

    assert share("water", np.s_[165:200], np.s_[363:372]) > 0.8  # the lake
    assert (found[0] == code["water"]).mean() < 0.02  # and no other
    assert share("built", np.s_[250:262], np.s_[45:100]) > 0.5  # a village
    assert share("bare", np.s_[90:130], np.s_[20:140]) > 0.9  # a large smooth field
    assert found[1, 90:130, 20:140].mean() < 0.1
    assert found[-1].mean() > 0.2  # it is not sure
