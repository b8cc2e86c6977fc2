"""GDAL's mask file beside an image (``FILE.tif.msk``), local or remote: where it hides pixels.

GDAL would look for it by itself, but is told to read only named files: nobody chose what else lies in a folder.
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
"""Tag by which GDAL recognises its own mask files: storage of a band's mask."""
_ONE_FOR_ALL = 2
"""Bit of that tag: the first band masks all bands."""
_quiet = Lock()
"""Held while changing Python's warning filters, which are process-wide."""


def has_own_mask(dataset: Any, index: int) -> bool:
    """Tell whether an open file contains an internal mask for a band."""
    flags = getattr(dataset, "mask_flag_enums", ())
    return bool(flags) and MaskFlags.per_dataset in flags[index - 1] and MaskFlags.alpha not in flags[index - 1]


class MaskFile:
    """The possible mask file beside an open image, looked for when one of its bands is first read.

    For a remote image, nothing is requested if the image itself marks its pixels without data. Use from one thread at a
    time, like its image.
    """

    def __init__(self, href: str, image: Any, remote: Remote | None) -> None:
        """Remember where to look: ``image`` is the dataset of the image at ``href``, which fetches its own bytes."""
        self._href, self._image, self._remote = href, image, remote
        self._looked = False
        self._dataset: Any = None

    def begin(self, index: int) -> None:
        """Start requesting a remote mask file, without waiting."""
        if self._remote is not None and not self._looked and not self._told(index):
            self._remote.mask()

    def hides(self, index: int) -> bool:
        """Tell whether it exists, and may hide pixels of a band.

        Raises
        ------
        ImageError
            It exists, but is broken or belongs to another image.
        NetworkError
            It is unknown whether it exists.
        """
        if self._told(index):
            return False
        if not self._looked:
            self._dataset = self._find()
            self._looked = True
        return self._dataset is not None and _FLAGS.format(index) in self._dataset.tags()

    def shown(self, index: int, window: Window) -> NDArray[np.bool_]:
        """Return where it shows the pixels (y, x) of a window of the image. Call only if it :meth:`hides` any.

        ImageError if it cannot be read.
        """
        return np.asarray(self._codes(index, window) != 0)

    def shown_smaller(self, index: int, window: Window, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return where it shows the pixels of an overview's window, whose ``shape`` differs from the full image's.

        An overview may have been built without the mask, so a partly hidden pixel may show hidden ground. Such pixels
        are left out, unless they are the majority of all visible ones: then those mostly visible stay.
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
        """Tell whether the image itself marks a band's empty pixels.

        A nodata value saves a request, but not a look at a folder.
        """
        image = self._image
        if self._remote is not None and image.nodatavals[index - 1] is not None:
            return True
        return has_own_mask(image, index) or alpha_index(image) is not None

    def _find(self) -> Any | None:
        """Open it; None if there is none."""
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
