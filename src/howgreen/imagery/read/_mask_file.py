"""The mask file that GDAL puts beside an image (``FILE.tif.msk``), on this computer or on the web: where it hides pixels.

GDAL would look for it by itself, but is told to read no files but those that are named: what else lies in a folder is nobody's
choice.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterioWindow

from howgreen.core.cog import alpha_index
from howgreen.core.errors import ImageError
from howgreen.core.grid import Window
from howgreen.net import http
from howgreen.net.sparse_file import MASK, Remote

_FLAGS = "INTERNAL_MASK_FLAGS_{}"
"""Tag by which GDAL knows its own mask files: how the mask of a band is kept."""
_ONE_FOR_ALL = 2
"""Bit of it: the first band hides pixels of all."""
_quiet = Lock()
"""Held while Python's filters of warnings, which are the whole process's, are changed."""


def has_own_mask(dataset: Any, index: int) -> bool:
    """Tell whether an open file holds a mask of a band inside itself."""
    flags = getattr(dataset, "mask_flag_enums", ())
    return bool(flags) and MaskFlags.per_dataset in flags[index - 1] and MaskFlags.alpha not in flags[index - 1]


class MaskFile:
    """What may lie beside an open image, looked for when a band of it is first read.

    On the web nothing is asked for where the image itself says which of its pixels hold no data. Serves one thread at a time, as
    its image does.
    """

    def __init__(self, href: str, image: Any, remote: Remote | None) -> None:
        """Keep what tells where to look: ``image`` is the dataset of the image at ``href``, which fetches what it reads."""
        self._href, self._image, self._remote = href, image, remote
        self._looked = False
        self._dataset: Any = None

    def begin(self, index: int) -> None:
        """Begin to ask the web for it, without waiting."""
        if self._remote is not None and not self._looked and not self._told(index):
            self._remote.mask()

    def hides(self, index: int) -> bool:
        """Whether it is there, and may hide pixels of a band.

        Raises
        ------
        ImageError
            When it is there, and is broken or of another image.
        NetworkError
            When it cannot be told whether it is there.
        """
        if self._told(index):
            return False
        if not self._looked:
            self._dataset = self._find()
            self._looked = True
        return self._dataset is not None and _FLAGS.format(index) in self._dataset.tags()

    def shown(self, index: int, window: Window) -> NDArray[np.bool_]:
        """Where it shows the pixels (y, x) of a window of the image. Only where it :meth:`hides` any.

        ImageError when it cannot be read.
        """
        return np.asarray(self._codes(index, window) != 0)

    def shown_smaller(self, index: int, window: Window, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Where it shows the pixels of a window of an overview, of another ``shape`` than the image's own pixels there.

        Who made an overview may have known nothing of the mask: a pixel of it that is hidden in part may be of what is hidden. Such
        pixels are left out, unless most that show anything are such: then those that are shown for the most part stay.
        """
        share = self._codes(index, window, shape=shape, resampling=Resampling.average)
        whole: NDArray[np.bool_] = share >= (255 if share.max(initial=0) > 1 else 1)
        return whole if 2 * whole.sum() >= (share > 0).sum() else share > share.max() // 2

    def _codes(
        self,
        index: int,
        window: Window,
        *,
        shape: tuple[int, int] | None = None,
        resampling: Resampling = Resampling.nearest,
    ) -> NDArray[np.uint8]:
        band = 1 if int(self._dataset.tags()[_FLAGS.format(index)]) & _ONE_FOR_ALL else index
        where = RasterioWindow.from_slices(*window.slices)
        try:
            return np.asarray(self._dataset.read(band, window=where, out_shape=shape, resampling=resampling))
        except (RasterioError, IndexError) as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Close it."""
        if self._dataset is not None:
            self._dataset.close()

    def _told(self, index: int) -> bool:
        """Whether the image itself says which pixels of a band hold no data; a nodata value spares a request, but no look at a folder."""
        image = self._image
        if self._remote is not None and image.nodatavals[index - 1] is not None:
            return True
        return has_own_mask(image, index) or alpha_index(image) is not None

    def _find(self) -> Any | None:
        """Open it; None where there is none."""
        if self._remote is None:
            path = Path(self._href + MASK)
            if not path.is_file():
                return None
        else:
            far = self._remote.mask().result()
            if far is None:
                return None
            path = far.open().result()
        try:
            with _quiet, warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)  # it lies where its image does
                found = rasterio.open(path, driver="GTiff", sharing=False)
        except RasterioError as error:
            raise self._broken(error) from error
        if found.shape != self._image.shape:
            shapes = [f"{height} x {width}" for height, width in (found.shape, self._image.shape)]
            found.close()
            raise self._error(f"has {shapes[0]} pixels, the image {shapes[1]}")
        if not any(key.startswith(_FLAGS.format("")) for key in found.tags()):
            found.close()
            if self._remote is not None:
                self._remote.mask_doubt = "a TIFF file that is no mask of GDAL's"
            return None
        return found

    def _broken(self, error: Exception) -> ImageError:
        return self._error(f"cannot be read ({' '.join(str(error.__cause__ or error).split())})")

    def _error(self, why: str) -> ImageError:
        href, cure = self._href, "write it anew, or take it away"
        if self._remote is not None:
            href, cure = http.redact_url(href), "use another --catalog, or keep the image with `howgreen store add`"
        return ImageError(f"{href}: the mask file beside it ({MASK}) {why}; {cure}")
