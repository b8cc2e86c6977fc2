"""How much a pixel changed between acquisitions."""

from __future__ import annotations

import numpy as np

from howgreen.core.sensors import RADAR_BANDS, VARIATION_OF, bands_in_files, scale_factor
from howgreen.core.types import NEVER_CLEAR
from howgreen.imagery.composite._radar import variation


def test_variation_is_numpys_standard_deviation_of_what_was_seen():
    rng = np.random.default_rng(0)
    codes = rng.integers(-3000, 500, (7, 20, 30)).astype(np.int16)
    covered = rng.random(codes.shape) < 0.4
    found = variation(list(codes), covered)
    enough = covered.sum(axis=0) >= 2
    expected = np.std(np.where(covered, codes, np.nan).astype(float)[:, enough], axis=0, where=covered[:, enough])
    np.testing.assert_allclose(found[enough], np.rint(expected), atol=1)
    assert (found[~enough] == NEVER_CLEAR).all()
    assert enough.any()
    assert not enough.all()


def test_what_is_made_is_read_once_from_what_it_is_made_of():
    assert bands_in_files(("red", "vv", "vv_variation", "vh_variation")) == ("red", "vv", "vh")
    assert set(VARIATION_OF) <= set(RADAR_BANDS)
    assert scale_factor("vh_variation") == scale_factor("vh")
