"""What a network answered, checked before anybody believes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import ModelError

TOLERANCE = 1e-3
"""How far rounding may carry a share out of 0-1: half precision inside a graph does that."""


def tidy(shares: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_] | None, *, source: str) -> None:
    """Make sure, in place, that shares are 0-1 where something was seen.

    Parameters
    ----------
    shares
        Answers of a network, the pixels' axes last.
    seen
        Pixels that count, None for all; the others may hold anything.
    source
        The model's file, for the error.

    Raises
    ------
    ModelError
        Not a number, or further outside 0-1 than by rounding.
    """
    if shares.size == 0 or (shares.min() >= 0 and shares.max() <= 1):  # the rule; NaN is neither
        return
    counted = shares if seen is None else shares[..., seen]
    wrong = ~np.isfinite(counted)
    if wrong.any():
        pixels = int(wrong.any(axis=0).sum())
        raise ModelError(f"model {source}: its answer is not a number at {pixels} of {_pixels(counted)} pixels of a tile; "
                         "guard its divisions and logarithms, and export it again")  # fmt: skip
    if counted.size and (counted.min() < -TOLERANCE or counted.max() > 1 + TOLERANCE):
        raise ModelError(f"model {source}: its answers reach from {counted.min():.3g} to {counted.max():.3g}, and shares "
                         "are 0-1; end its graph with a softmax or a clip, and export it again")  # fmt: skip
    np.clip(shares, 0, 1, out=shares)


def _pixels(shares: npt.NDArray[Any]) -> int:
    return int(np.prod(shares.shape[1:]))
