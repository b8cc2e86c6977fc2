"""PNG encoding with libdeflate: in half the time of zlib, which took a tenth of writing a report.

The format follows the W3C recommendation "Portable Network Graphics (PNG) Specification (Third Edition)".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from zlib import crc32

import deflate
import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

LEVEL = 6
"""Compression level of libdeflate, 1 to 12: higher ones are slower and save little."""
_KINDS = {"P": 3, "RGB": 2, "RGBA": 6}
"""Colour types by Pillow mode."""
_UP = 2
"""The filter that stores differences to the row above, suited to slowly varying colours."""


def png(image: Image, *, title: str = "", dpi: float | None = None) -> bytes:
    """Encode a picture of mode P (``info["transparency"]`` may name the transparent code), RGB or RGBA.

    Parameters
    ----------
    title
        Stored in the file, if given.
    dpi
        Dots per inch, stored in the file.
    """
    pixels = np.asarray(image)
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    lines = np.zeros((rows.shape[0], rows.shape[1] + 1), np.uint8)
    lines[:, 1:] = rows
    if image.mode != "P":
        lines[1:, 0] = _UP
        lines[1:, 1:] -= rows[:-1]
    parts = [(b"IHDR", struct.pack(">IIBBBBB", image.width, image.height, 8, _KINDS[image.mode], 0, 0, 0))]
    if image.mode == "P":
        parts.append((b"PLTE", bytes(image.getpalette() or ())))
        hidden = image.info.get("transparency")
        if hidden is not None:
            parts.append((b"tRNS", b"\xff" * hidden + b"\0"))
    if dpi is not None:
        parts.append((b"pHYs", struct.pack(">IIB", *[round(dpi / 0.0254)] * 2, 1)))  # dots per metre
    if title:
        parts.append((b"iTXt", b"Title\0\0\0\0\0" + title.encode()))
    parts.append((b"IDAT", bytes(deflate.zlib_compress(lines.tobytes(), LEVEL))))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in [*parts, (b"IEND", b"")])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))
