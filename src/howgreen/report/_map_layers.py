"""The pictures that the page's map can overlay on the photo, in one list.

To add one, yield a :class:`MapLayer` in :func:`map_layers`; button, picture, legend and print follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from howgreen.report import _pictures, shades

if TYPE_CHECKING:
    from collections.abc import Iterator

    from howgreen.core.types import Result
    from howgreen.report._language import Language
    from howgreen.report._pictures import Preview


@dataclass(frozen=True, kw_only=True)
class Legend:
    """Legend of a picture: a ramp with its ends, keys, or both."""

    title: str
    ramp: tuple[str, ...] = ()
    """Colours from left to right, ``#rrggbb``."""
    ends: tuple[str, ...] = ()
    """Texts under the ramp, from left to right."""
    keys: tuple[tuple[str, str], ...] = ()
    """Colour and name."""


@dataclass(frozen=True, kw_only=True)
class MapLayer:
    """One picture over the photo, in the preview's pixels."""

    key: str
    """Its ``id`` on the page: letters and hyphens."""
    title: str
    """Label of its button, in the page's language."""
    alt: str
    picture: str
    """A ``data:`` address (:func:`howgreen.report._pictures.png`)."""
    legend: Legend


def map_layers(result: Result, preview: Preview, language: Language) -> Iterator[MapLayer]:
    """Yield the pictures, the initial one (also without JavaScript) first."""
    _ = language.gettext
    water = result.landcover.water_codes
    wet = np.isin(preview.label, water).any()
    yield MapLayer(
        key="fraction",
        title=_("Green share"),
        alt=_("Map of the green share, from light (none) to dark (all)"),
        picture=_pictures.png(_pictures.fraction_picture(preview, water)),
        legend=Legend(
            title=_("Green share of each pixel"),
            ramp=ramp(shades.RAMP),
            ends=("0", language.digits(0.5), language.percent(1.0)),
            keys=((shades.WATER, _("water, not counted")),) if wet else (),
        ),
    )
    yield MapLayer(
        key="classes",
        title=_("Classes"),
        alt=_("Map of land cover classes"),
        picture=_pictures.png(_pictures.classes_picture(preview, result.card.classes)),
        legend=Legend(title=_("Classes"), keys=_class_keys(result, language)),
    )
    unsure = _pictures.uncertainty_picture(preview, water)
    if unsure is not None:
        most = round(100 * shades.UNSURE_MOST)
        yield MapLayer(
            key="uncertainty",
            title=_("Uncertainty"),
            alt=_("Map of how unsure the green share is, from light (sure) to dark"),
            picture=_pictures.png(unsure),
            legend=Legend(
                title=_("Uncertainty of each pixel’s share (standard error)"),
                ramp=ramp(shades.UNSURE_RAMP),
                ends=("0", f"±{most // 2}", _("±%(most)s points or more") % {"most": most}),
            ),
        )
    if preview.seen_at_all:
        most = shades.CLEAR_MOST
        dates = [str(n) if n < most else _("%(n)s or more") % {"n": n} for n in range(1, most + 1)]
        yield MapLayer(
            key="clear",
            title=_("Seen how often"),
            alt=_("Map of how many dates showed each pixel clearly, from light (one) to dark"),
            picture=_pictures.png(_pictures.clear_picture(preview)),
            legend=Legend(
                title=_("Dates that showed each pixel clearly"),
                keys=tuple(zip(shades.CLEAR_RAMP[1:], dates, strict=True)),
            ),
        )
    if preview.radar is not None:
        yield MapLayer(
            key="radar",
            title=_("Radar"),
            alt=_("Radar picture: woods green, houses pink and white, fields and bare ground blue, water black"),
            picture=_pictures.jpeg(shades.radar_rgb(preview.radar)),
            legend=Legend(
                title=_("Radar (Sentinel-1): VV red, VH green, VV over VH blue"),
                keys=(
                    ("#7fbf4d", _("woods")),
                    ("#f2b6e8", _("houses")),
                    ("#6a3fe0", _("fields and bare ground")),
                    ("#000014", _("water")),
                ),
            ),
        )


def ramp(colours: tuple[str, ...]) -> tuple[str, ...]:
    """List 21 colours along a ramp."""
    return tuple(shades.ramp(n / 20, colours) for n in range(21))


def _class_keys(result: Result, language: Language) -> tuple[tuple[str, str], ...]:
    found = set(result.stats.area_by_class_m2)
    return tuple((item.colour, language.gettext(item.name)) for item in result.card.classes if item.name in found)
