"""Doubts and assumptions that can bias the answer, as values that travel with it.

A warning is a :class:`Caution`: a code of :data:`CODES` and one line of text that says what is doubtful, where, and what a
reader can do. To add one:

1. Take a code of :data:`CODES`, or add a row there (kebab-case, in alphabetical order, what it means in a few words).
2. Where the doubt arises, put ``Caution("no-cloud-mask", "all its pixels count as clear; add a mask")`` into the ``warnings`` of
   the value that the function returns: ``City``, ``Scene``, ``Plan``, ``Composite``, ``LandCover`` or ``Result`` (a tuple, empty by
   default; extend it with ``dataclasses.replace``). A scene's text does not name the scene: :func:`howgreen.pipeline._doubts.gather` does, and
   says it once for all scenes with the same text. A function that returns no such value returns the cautions beside its answer, or,
   where nothing travels on (a file is added to a store), calls :func:`warn`.
3. Do nothing else: the pipeline gathers them (:func:`howgreen.pipeline._doubts.gather`), and they appear on the terminal, in ``plan``, in
   ``summary.json``, on the page, on ``map.png`` and as Python's :class:`HowgreenWarning`; ``--strict`` makes them errors.

Anything that cannot move the ratio is a note (``Plan.notes``), not a warning: for example, that one catalogue did not respond and
another one did.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from howgreen.core.text import one_line
from howgreen.core.wording import as_read

CODES: Mapping[str, str] = {
    "account-incomplete": "an account for Article 8 lacks a map, a class of communes, or part of its ground",
    "band-elsewhere": "a band of an image does not lie on the same ground as the others",
    "band-not-used": "a band or file of an image was not understood, and is not used",
    "change-misplaced": "two images show the ground at different places: along edges of green, that counts as lost or gained",
    "change-not-normalised": "two images could not be brought to one radiometry, and are compared as they are",
    "change-of-season": "two periods differ as a whole, by season, weather or light, and not only by what changed",
    "coast-unclear": "which part of the limits is sea could not be told for certain",
    "crs-assumed": "a file does not say its coordinate system, or says it doubtfully; one was assumed",
    "dates-far-apart": "the images are of years or seasons far apart",
    "districts-doubtful": "districts overlap, reach beyond the limits, or leave parts of them out",
    "dry-season": "in the tropics, all images are of the months that are dry in most places there",
    "encoding-assumed": "the letters of a file's names were guessed",
    "few-dates": "one date, or very few: what was bare or mown on that day counts as not green",
    "image-elsewhere": "an image shows nothing of the place that it was added for",
    "image-left-out": "an image that contradicts itself or cannot be read was left out",
    "image-twice": "an image holds the same pixels as another: one of the two days is wrong, or it is there twice",
    "large-pixels": "the pixels of an image are much larger than its satellite's",
    "limits-are-image": "the place has no limits: its area is the image's footprint",
    "limits-doubtful": "the limits may not be those of the place that was asked for",
    "limits-mended": "parts of the limits were broken, and were mended or left out",
    "looks-incomplete": "of a sample, places were passed over, or what lies there could not be told",
    "low-share-seen": "much of the land was never seen clearly",
    "map-doubtful": "a map that the answer is compared with may not be what it is taken for",
    "mask-file-unread": "what lies where an image's mask file would be is none; if there is one, what it hides counts as ground",
    "mask-never-clear": "an image's mask holds none of the numbers that it was said to call clear: all of it counts as cloud",
    "mixed-looks": "radar images that look from different directions stand in one picture",
    "mixed-satellites": "images of satellites whose bands differ stand in one picture",
    "model-blind-to-water": "the model has no class water: rivers and lakes count as land",
    "model-doubtful": "the model answered a trial oddly",
    "model-elsewhere": "the model was made of images of another place, season or satellite",
    "model-other-pixels": "the model was made for pixels of another size",
    "model-unscored": "the model was not compared with reference data: there is no interval",
    "no-clear-date": "no image without a mask is clear over most of the place: what counts as clear may lie under haze",
    "no-cloud-mask": "an image has no cloud mask and too few bands to find clouds by: all its pixels count as clear",
    "nodata-assumed": "which pixels hold no data was found from the pixels themselves",
    "nodata-doubtful": "the value that an image has for no data is one that its ground has too: it punches holes",
    "offset-doubtful": "the pixels of an image do not fit the offset that its metadata says",
    "osm-cut": "green areas are cut where the OpenStreetMap extract ends",
    "out-of-season": "images lie outside of the growing season",
    "own-cloud-mask": "an image has no cloud mask: clouds were found by howgreen's own detector",
    "population-doubtful": "the number of inhabitants is old, or of other limits",
    "radar-instead": "no optical image was clear: radar answered, which sees structure and not leaves",
    "scale-doubtful": "the numbers of an image may not be what reflectance they are taken for",
    "season-unmeasured": "too few months have clear images to tell which are the greenest",
    "sections-dropped": "sections of a report that was made anew do not fit it, and were not kept",
    "thin-veil": "an image without a mask may lie under an even veil; told where no other image is clear",
}
"""Meaning of each code. A published code keeps its meaning."""


@dataclass(frozen=True)
class Caution:
    """One doubt or assumption that can bias the answer."""

    code: str
    """Key of :data:`CODES`."""
    text: str
    """One line: what is doubtful, where, and what to do. Line breaks and control characters are removed."""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"warning code {self.code!r} is unknown: use one of core.warnings.CODES, or add it there")
        object.__setattr__(self, "text", one_line(self.text))

    def __str__(self) -> str:
        return self.text


class HowgreenWarning(UserWarning):
    """A :class:`Caution` as a Python warning; ``warnings.simplefilter("error", HowgreenWarning)`` makes it an error."""

    def __init__(self, caution: Caution) -> None:
        super().__init__(caution.text)
        self.caution = caution

    def __str__(self) -> str:
        """Return the message in the reader's terms: see :mod:`howgreen.core.wording`."""
        return as_read(super().__str__())

    @property
    def code(self) -> str:
        """Key of :data:`CODES`."""
        return self.caution.code


def warn(*cautions: Caution) -> None:
    """Issue cautions as Python warnings attributed to the line that called howgreen."""
    for caution in cautions:
        warnings.warn(HowgreenWarning(caution), stacklevel=_depth())


def _depth() -> int:
    """Count the frames from :func:`warn` to the first outside howgreen."""
    frame, depth = sys._getframe(1), 1  # noqa: SLF001 (inspect's own way takes a hundred times as long)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "howgreen":
        frame, depth = frame.f_back, depth + 1
    return depth
