"""A canvas for texts, maps and lines, in pixels from its upper left corner.

Pillow draws. Common characters are Pillow's too; all other scripts are shaped by FreeType as shipped with matplotlib.
matplotlib's own figures would take five times as long, half of it for loading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from PIL import Image, ImageDraw

from howgreen.core.text import one_line
from howgreen.report import _fonts
from howgreen.report._png import png

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""

FINER = 3
"""Supersampling factor of lines, for smooth edges."""
DASH, SPACE = 4.0, 2.0
"""Dash and gap of a dashed line, in line widths."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Position of a placed picture."""

    left: int
    top: int
    width: int
    height: int
    scale: float
    """Sheet pixels per picture pixel."""


class Sheet:
    """A picture being drawn."""

    def __init__(self, width: int, height: int, *, dpi: int, paper: str) -> None:
        self.image = Image.new("RGB", (width, height), paper)
        self.dpi = dpi

    @property
    def point(self) -> float:
        """A typographer's point, in pixels."""
        return self.dpi / 72

    def write(
        self, x: float, y: float, text: str, *, size: float, color: str, serif: bool = False, align: float = 0.0
    ) -> float:
        """Write a line in fonts that have its characters; return its end.

        Parameters
        ----------
        y
            Baseline.
        size
            In points.
        align
            Share of the text to the left of ``x``.
        """
        everyday = self._everyday(text, size, serif=serif)
        if everyday is not None:
            width = everyday.getlength(one_line(text))
            x -= align * width
            ImageDraw.Draw(self.image).text((x, y), one_line(text), fill=color, font=everyday, anchor="ls")
            return float(x + width)
        font = self._laid_out(text, size, serif=serif)
        width, height = (length / 64 for length in font.get_width_height())
        x -= align * width
        if width and height:
            font.draw_glyphs_to_bitmap(antialiased=True)
            letters = Image.fromarray(np.array(font.get_image(), np.uint8))
            right, up = (offset / 64 for offset in font.get_bitmap_offset())
            bottom = round(y + up + font.get_descent() / 64) + 1
            self.image.paste(color, (round(x + right), bottom - letters.height), letters)
        return float(x + width)

    def wrap(self, text: str, width: float, *, size: float) -> list[str]:
        """Break a text between words into lines of at most that many pixels."""
        lines = [""]
        for word in one_line(text).split(" "):
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and self._width(longer, size) > width:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    def _width(self, text: str, size: float) -> float:
        everyday = self._everyday(text, size)
        if everyday is not None:
            return float(everyday.getlength(text))
        return float(self._laid_out(text, size).get_width_height()[0] / 64)

    def _everyday(self, text: str, size: float, *, serif: bool = False) -> Any:
        """Return Pillow's font that has all characters of a text, or None."""
        if not _fonts.is_everyday(one_line(text), serif=serif):
            return None
        return _fonts.everyday(size * self.point, serif=serif)

    def _laid_out(self, text: str, size: float, *, serif: bool = False) -> Any:
        from matplotlib.ft2font import LoadFlags

        font, shown = _fonts.opened(one_line(text), serif=serif)
        font.clear()
        font.set_size(size, self.dpi)
        font.set_text(shown, flags=LoadFlags.NO_HINTING)
        return font

    def lay(self, picture: Image.Image, box: Box) -> Placed:
        """Place a picture in the middle of a box, as large as fits."""
        left, top, right, bottom = box
        scale = min((right - left) / picture.width, (bottom - top) / picture.height)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        how = Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.HAMMING  # pixels may be visible as such
        left, top = round((left + right - size[0]) / 2), round((top + bottom - size[1]) / 2)
        self.image.paste(picture.resize(size, how), (left, top))
        return Placed(left=left, top=top, width=size[0], height=size[1], scale=scale)

    def outline(
        self, shapes: Iterable[BaseGeometry], place: Placed, *, width: float, color: str, dashed: bool = False
    ) -> None:
        """Draw the edges of shapes over a picture; shapes in its pixels, line width in points."""
        thick = width * self.point
        mask = Image.new("L", (place.width * FINER, place.height * FINER))
        pen = ImageDraw.Draw(mask)
        for shape in shapes:
            for ring in shapely.get_rings(shapely.get_parts(shape)):
                points = shapely.get_coordinates(ring) * place.scale
                for part in _dashes(points, thick) if dashed else [points]:
                    line = [tuple(point) for point in (part * FINER).tolist()]
                    pen.line(line, fill=255, width=max(1, round(thick * FINER)), joint="curve")
        self.image.paste(color, (place.left, place.top), mask.reduce(FINER))

    def bar(self, box: Box, color: str, *, opacity: float = 1.0, radius: float = 0.0) -> None:
        """Fill a box, optionally with round corners."""
        left, top, right, bottom = box
        size = max(1, round(right - left)), max(1, round(bottom - top))
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).rounded_rectangle(
            (0, 0, size[0] - 1, size[1] - 1), radius=radius, fill=round(255 * opacity)
        )
        self.image.paste(color, (round(left), round(top)), mask)

    def hatch(self, box: Box, color: str) -> None:
        """Hatch a box with diagonal lines."""
        left, top, right, bottom = (round(edge) for edge in box)
        mask = Image.new("L", ((right - left) * FINER, (bottom - top) * FINER))
        pen, high = ImageDraw.Draw(mask), mask.height
        for x in range(-high, mask.width, 7 * FINER):
            pen.line((x, high, x + high, 0), fill=255, width=FINER)
        self.image.paste(color, (left, top), mask.reduce(FINER))

    def save(self, path: Path, *, title: str) -> None:
        """Save as PNG with a title."""
        path.write_bytes(png(self.image, title=title, dpi=self.dpi))


def _dashes(points: Array, thick: float) -> list[Array]:
    """Split a line into dashes."""
    along = np.concatenate([[0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()])
    dash, period = DASH * thick, (DASH + SPACE) * thick
    starts = np.arange(0, along[-1], period)[:, None]
    places = starts + np.linspace(0, dash, 5)  # a dash may turn a corner
    return list(np.stack([np.interp(places, along, axis) for axis in points.T], axis=-1))
