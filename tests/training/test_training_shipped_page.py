from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.landcover import load_model
from howgreen.training import shipped_page
from howgreen.training.wide import wide_cities

pytestmark = pytest.mark.train


def test_a_model_is_judged_by_its_sensors_bands():
    assert shipped_page.sensor_of(load_model("mixture-6")) is LANDSAT
    assert shipped_page.sensor_of(load_model("mixture-10")) is shipped_page.sensor_of(load_model("ndvi")) is SENTINEL2


@pytest.mark.real
def test_the_page_has_every_figure_and_its_standard_error(shared_data, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped_page, "models", lambda: [load_model(name) for name in ("mixture-10", "ndvi")])
    monkeypatch.setattr(shipped_page, "wide_cities", lambda sensor: wide_cities(sensor, per_climate=1))
    text = shipped_page.shipped_page(shared_data, out=tmp_path, progress=lambda *_: None).read_text()
    error = load_model("mixture-10").card.reference_error
    first = text.split("\n\n")[1]
    assert first.startswith("**For a city official.**")
    assert f"within about {100 * error.half_width:.0f} percentage points" in first
    assert f"± {error.half_width:.3f} |" in text
    for place in error.places:
        assert f"{place.error:+.3f} ± {place.standard_error:.3f}" in text, (
            "what the card says is what is measured again"
        )
    for title in (
        "Fractions",
        "Pure land",
        "Plants beside water",
        "Dry plants",
        "Materials that look like plants",
        "six climates",
    ):
        assert title in text
    assert "nan" not in text
    exact = {"", "place", "n", "clusters", "true, %", "τ between places", "95 % for a new place"}
    for block in (part.splitlines() for part in text.split("\n\n") if part.startswith("| ")):
        head = [cell.strip() for cell in block[0].strip("|").split("|")]
        for row in block[2:]:
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            for name, cell in zip(head[1:], cells[1:], strict=True):
                assert name in exact or not cell or "±" in cell, f"{cells[0]}, {name}: {cell} has no standard error"
    for name in ("benchmark_calibration.png", "benchmark_mixing_lines.png"):
        assert f"img/{name}" in text
        assert np.asarray(Image.open(tmp_path / "img" / name).convert("L")).std() > 5, "something is drawn"
