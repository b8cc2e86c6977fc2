"""Prediction of a network: believed only where they are shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from howgreen.core.errors import ModelError
from howgreen.landcover.model import ROUNDING, validate

ANY = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=200, deadline=None)
@given(shares=arrays(np.float32, (2, 3, 4), elements=ANY), seen=st.none() | arrays(bool, (3, 4)))
def test_what_passes_is_0_to_1_where_seen_and_what_is_wrong_is_told(shares, seen):
    given_ = shares.copy()
    counted = given_ if seen is None else given_[:, seen]
    wrong = not np.isfinite(counted).all() or ((counted < -ROUNDING) | (counted > 1 + ROUNDING)).any()
    try:
        validate(shares, seen, source="x")
    except ModelError:
        assert wrong
        return
    assert not wrong
    np.testing.assert_array_equal(shares if seen is None else shares[:, seen], np.clip(counted, 0, 1))


@pytest.mark.parametrize(("bad", "said"), [(np.nan, "not a number at 1 of 4 pixels"), (-0.5, "from -0.5 to 0.25"),
                                            (3.5, "from 0.25 to 3.5"), (np.inf, "not a number")])  # fmt: skip
def test_the_line_says_what_and_how_often(bad, said):
    shares = np.full((3, 4), 0.25, np.float32)
    shares[1, 2] = bad
    with pytest.raises(ModelError, match=rf"model m\.onnx.*{said}"):
        validate(shares, None, source="m.onnx")


def test_half_precision_is_forgiven():
    shares = np.array([[-4e-4, 1 + 4e-4, 0.5]], np.float32)
    validate(shares, None, source="x")
    np.testing.assert_array_equal(shares, np.array([[0, 1, 0.5]], np.float32))


def test_nothing_seen_is_nothing_wrong():
    validate(np.full((2, 3), np.nan, np.float32), np.zeros(3, bool), source="x")
    validate(np.empty((2, 0), np.float32), None, source="x")
