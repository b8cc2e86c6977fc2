"""OmniCloudMask (Wright et al. 2025, doi:10.1016/j.rse.2025.114694), if installed: run in a subprocess, offline.

Its networks use red, green and near-infrared at 10 to 50 m, and the shape of clouds; they normalise each band by its
mean and standard deviation, so that scale and offset do not matter. The weights are tens of megabytes that the package
downloads at first use. The user must download them beforehand: this process may not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howgreen.core.errors import ImageError

NAME = "omnicloudmask"
BANDS = ("red", "green", "nir")
"""Its input bands, in order."""
CLEAR, THICK, THIN, SHADOW = range(4)
"""Its output classes."""
FINEST_M, COARSEST_M = 9.0, 51.0
"""Pixel sizes it was made for: 10 to 50 m."""
LONGEST_S = 3600
NO_DATA = 0
INSTALL = "install it with `pip install 'howgreen[omnicloudmask]'`"
FETCH = "python -c 'from omnicloudmask.download_models import get_models; get_models()'"
_SCRIPT = """
import sys
import numpy
from omnicloudmask import __version__, predict_from_array
numpy.save(sys.argv[2], predict_from_array(numpy.load(sys.argv[1]), no_data_value=0))
print(__version__)
"""


def ask(light: NDArray[np.float32], *, longest_s: float = LONGEST_S) -> NDArray[np.uint8]:
    """Classify the pixels of an image: CLEAR, THICK, THIN or SHADOW.

    Parameters
    ----------
    light
        (3, y, x) reflectance of BANDS; NaN where there are no data.

    Returns
    -------
    (y, x); CLEAR where there are no data.

    Raises
    ------
    ImageError
        It is not installed, its weights are missing, or it returns nothing.
    """
    if find_spec(NAME) is None:
        raise ImageError(f"{NAME} is not installed: {INSTALL}, then fetch its weights once: {FETCH}")
    missing = np.isnan(light).any(axis=0)
    shown = np.clip(np.rint(np.nan_to_num(light) * 10_000), 1, 65_535).astype(np.uint16)
    shown[:, missing] = NO_DATA
    with tempfile.TemporaryDirectory(prefix="howgreen-") as folder:
        given, told = Path(folder, "light.npy"), Path(folder, "classes.npy")
        np.save(given, shown)
        command = [sys.executable, "-P", "-c", _SCRIPT, str(given), str(told)]
        # Its weights library reads this at import: missing files then raise an error instead of a request.
        offline = os.environ | {"HF_HUB_OFFLINE": "1"}
        try:
            done = subprocess.run(command, env=offline, capture_output=True, timeout=longest_s, check=False)  # noqa: S603 (our own script)
        except subprocess.TimeoutExpired as error:
            raise ImageError(f"{NAME}: no answer in {longest_s:.0f} s; cut the image to the city") from error
        if done.returncode or not told.is_file():
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise ImageError(
                f"{NAME} gave no answer ({lines[-1][:200]}); its weights must be on this computer, and are not fetched from here: {FETCH}"
            )
        answer = np.load(told, allow_pickle=False)
    if answer.shape != (1, *missing.shape) or not np.isin(answer, range(4)).all():
        raise ImageError(f"{NAME}: its answer has another form than that of its version 1.8; install that one")
    classes: NDArray[np.uint8] = answer[0].astype(np.uint8)
    classes[missing] = CLEAR
    return classes
