"""One small Sampleton for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from howgreen import sample
from howgreen.core.types import City
from howgreen.sample.canvas import Canvas
from howgreen.sample.layout import make_land
from howgreen.sample.paint import paint_city

SMALL_M = 1200


@pytest.fixture(scope="session")
def small_canvas() -> Canvas:
    return paint_city(make_land(7, extent_m=SMALL_M))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, City]:
    root = tmp_path_factory.mktemp("sample") / "store"
    return root, sample.build(root, seed=7, extent_m=SMALL_M)
