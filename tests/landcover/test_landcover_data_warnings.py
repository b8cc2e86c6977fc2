from __future__ import annotations

import numpy as np
import pytest

from howgreen.landcover._table import FEWEST_ROWS, data_warnings

BANDS = ("blue", "red", "nir")


def _rows(count: int = 300) -> np.ndarray:
    """Meadows, roofs and water by turns."""
    kinds = np.array([[0.03, 0.03, 0.4], [0.12, 0.15, 0.18], [0.04, 0.02, 0.01]])
    spread = np.random.default_rng(0).uniform(0.8, 1.2, (count, 1))
    return (kinds[np.arange(count) % 3] * spread).astype(np.float32)


def _said(rows: np.ndarray) -> list[str]:
    return list(data_warnings(rows, BANDS))


def test_usual_ground_is_not_remarked_upon():
    assert _said(_rows()) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (_rows() + 0.1, "subtract 0.1"),
        (_rows() / 100, "divided twice"),
        (_rows() * 20, "divide them by their scale"),
        (_rows()[:, [0, 2, 1]], "exchanged"),
    ],
)
def test_what_no_ground_looks_like_is_said_with_the_cure(wrong, words):
    (said,) = _said(wrong)
    assert words in said


def test_a_few_rows_tell_nothing_and_gaps_do_not_count():
    assert _said(_rows(FEWEST_ROWS - 1) + 0.1) == []
    gaps = _rows() + 0.1
    gaps[FEWEST_ROWS - 1 :, 1] = np.nan
    assert _said(gaps) == []
