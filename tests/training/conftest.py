"""A small synthetic world to mix pixels from: no real data, no canopy model needed."""

from __future__ import annotations

import numpy as np
import pytest

from howgreen.core.sensors import SENTINEL2


@pytest.fixture(scope="session")
def world():
    """Surfaces of six classes as smooth synthetic spectra."""
    pytest.importorskip("torch")
    from howgreen.training.mixtures import CLASSES, Surfaces

    levels = {
        "tree": [0.02, 0.04, 0.02, 0.06, 0.18, 0.24, 0.25, 0.26, 0.12, 0.05],
        "low vegetation": [0.03, 0.07, 0.04, 0.12, 0.3, 0.38, 0.42, 0.43, 0.22, 0.1],
        "built": [0.12, 0.13, 0.15, 0.16, 0.17, 0.18, 0.18, 0.19, 0.21, 0.2],
        "bare": [0.06, 0.09, 0.13, 0.15, 0.18, 0.2, 0.23, 0.25, 0.35, 0.3],
        "dry plants": [0.08, 0.12, 0.17, 0.21, 0.24, 0.27, 0.3, 0.31, 0.34, 0.22],
        "water": [0.03, 0.03, 0.02, 0.01, 0.01, 0.01, 0.005, 0.004, 0.001, 0.001],
    }
    rng = np.random.default_rng(0)
    members = tuple(np.array(levels[cls.name]) * rng.uniform(0.8, 1.2, (30, 1)) for cls in CLASSES)
    return Surfaces(
        members=members,
        bands=SENTINEL2.band_names,
        covered=np.ones(30),
        littered=np.ones(30),
        crop=np.arange(30) >= 20,
        coarse=np.array([band.resolution_m > 10 for band in SENTINEL2.bands]),
    )
