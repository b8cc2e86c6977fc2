"""What looks wrong about rows of reflectance, for people: rows know neither their scale nor their order of bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from howgreen.store.plausible import exchanged

FEWEST = 50
"""Rows below tell nothing about the others."""
_SHIFT = 0.095
_TOO_DARK, _TOO_BRIGHT = 0.03, 1.6


def remarks(reflectance: npt.NDArray[np.float32], bands: Sequence[str]) -> Iterator[str]:
    """Sentences with a cure, each about one thing that no mixture of ground looks like.

    Parameters
    ----------
    reflectance
        (row, band), NaN where nothing is known.
    bands
        Common names.
    """
    known = reflectance[np.isfinite(reflectance).all(axis=1)]
    if len(known) < FEWEST:
        return
    low, high = np.percentile(known, 1, axis=0), np.percentile(known, 99, axis=0)
    if high.max() < _TOO_DARK:
        yield f"99 % of its numbers are below {high.max():.2g}, darker than any land: were they divided twice?"
        return
    if high.max() > _TOO_BRIGHT:
        yield f"1 % of its numbers are above {high.max():.2g}, brighter than snow: divide them by their scale"
        return
    if low.min() > _SHIFT:
        yield (f"no band is darker than {low.min():.2f}: the +0.1 (+1000) of Sentinel-2 from baseline 04.00 on seems to be left in; "
               "subtract 0.1")  # fmt: skip
    yield from _order(known, bands)


def _order(known: npt.NDArray[np.float32], bands: Sequence[str]) -> Iterator[str]:
    if not {"red", "nir"} <= set(bands):
        return
    odd = exchanged(known[:, bands.index("red")], known[:, bands.index("nir")])
    if odd:
        yield (f"{100 * odd:.0f} % of its rows reflect more than twice as much red as near-infrared light, which no ground does: "
               "the columns of bands seem to be exchanged; name them anew")  # fmt: skip
