"""Meaning of the codes in a sensor's quality band: no data, cloud, or doubtful."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from howgreen.core.sensors import QA_BAD_BITS, SCL_BAD

NO_DATA, CLOUD, DOUBT = np.uint8(1), np.uint8(2), np.uint8(4)
SCL_NO_DATA = (0, 1)
"""Absent or defective pixels: no vote restores them."""
SCL_CLOUD = (8, 9, 10)
"""Codes that are buffered: clouds of medium and high probability, cirrus."""
SCL_ROOFS = (8, 9)
"""Codes that bright roofs often get."""

Flags = NDArray[np.uint8]


def outside_code(mask: str) -> int:
    """Return the code of a mask band that means *no data*."""
    return 0 if mask == "scl" else 1


def _table(mask: str) -> Flags:
    codes = np.arange(65536)
    table = np.zeros(65536, np.uint8)
    if mask == "scl":
        table[list(SCL_BAD)] = DOUBT
        table[list(SCL_CLOUD)] = CLOUD
        table[list(SCL_NO_DATA)] = NO_DATA
        table[12:] = NO_DATA
    else:
        for bit in QA_BAD_BITS:
            table[codes >> bit & 1 == 1] = DOUBT
        table[codes & 1 == 1] = NO_DATA
    return table


TABLES = {name: _table(name) for name in ("scl", "qa_pixel")}
"""By mask band: NO_DATA, CLOUD or DOUBT for each code, 0 for clear."""
