"""``map.png``: photo, green share and classes side by side, with the number above them."""

from __future__ import annotations

from datetime import date
from textwrap import fill
from typing import TYPE_CHECKING, Any

from howgreen.report import _fonts, _pictures, shades
from howgreen.report._details import detail
from howgreen.report._language import ENGLISH
from howgreen.report._outlines import outlines
from howgreen.report._sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from PIL.Image import Image

    from howgreen.core.types import Result
    from howgreen.report._language import Language
    from howgreen.report._outlines import Outline
    from howgreen.report._pictures import Array, Preview
    from howgreen.report._sheet import Box, Placed

INK, QUIET, PAPER, GREEN = "#1c2a22", "#55635a", "#fbfaf5", "#1b6b45"
WIDTH_IN, DPI = 15.0, 130
GAP, HEAD_IN, FOOT_IN = 0.02, 1.75, 1.25
LEFT_PX = GAP * WIDTH_IN * DPI
WARNED = "#8a4b00"
TITLE_SIZES, SERIF = (20, 17, 14, 11, 8), 1.05
"""Font sizes of the question in points, the first that fits; and the width of its characters relative to those used for
line breaks."""
WARNING_IN, LINE_LETTERS, MOST_LINES = 0.23, 150, 8
"""Height of a warning line in inches, characters per line, and the most lines."""
UNDER = "#d6d4cd"
"""Background where a map is empty."""
MOST_KEYS, LONGEST_KEY = 14, 18
"""Limits under the third map: classes, and characters per name."""
HATCHING, VEIL = 0.85, 199
"""Opacity of the hatching over unseen ground (of 1) and of the paper outside the limits (of 255)."""


def poster(
    result: Result,
    found: Mapping[str, Any],
    preview: Preview,
    path: Path,
    *,
    photo: Array,
    language: Language = ENGLISH,
) -> None:
    """Draw the picture and save it as PNG; ``photo`` from :func:`howgreen.report._pictures.photo_rgb`."""
    from PIL import Image

    warned = _warnings(found, language)
    head_in = HEAD_IN + (len(warned) * WARNING_IN + 0.1 if warned else 0)
    rows, columns = preview.label.shape
    panel_in = WIDTH_IN * (1 - 4 * GAP) / 3
    # Very elongated cities still get a page of ordinary shape, with their maps centred in it.
    map_in = min(max(panel_in * rows / columns, 0.5 * panel_in), 1.7 * panel_in)
    height = head_in + map_in + FOOT_IN
    sheet = Sheet(round(WIDTH_IN * DPI), round(height * DPI), dpi=DPI, paper=PAPER)
    _head(sheet, found, language)
    for number, line in enumerate(warned):
        sheet.write(LEFT_PX, (1.65 + number * WARNING_IN) * DPI, line, size=11.5, color=WARNED)
    _ = language.gettext
    layers = (
        (f"{_('Photo')} ({_(preview.photo_kind)})", Image.fromarray(photo)),
        (_("Green share of each pixel"), _pictures.fraction_picture(preview, result.landcover.water_codes)),
        (_("Land cover classes"), _pictures.classes_picture(preview, result.card.classes)),
    )
    lines = outlines(result, preview)
    shrink = max(1, int(columns / (panel_in * DPI)))
    for number, (title, image) in enumerate(layers):
        left = LEFT_PX + number * (panel_in * DPI + LEFT_PX)
        box = (left, head_in * DPI, left + panel_in * DPI, (head_in + map_in) * DPI)
        place = draw_map(sheet, flat(image, preview, shrink), preview, lines, box)
        sheet.write(place.left, place.top - 6 * sheet.point, title, size=12, color=INK)
        if number == 0:
            draw_ruler(sheet, place, preview)
    _foot(sheet, found, preview, language)
    sheet.save(path, title=question(found, language))


def flat(image: Image, preview: Preview, shrink: int = 1) -> Image:
    """Merge a map and its overlays into one opaque picture, ``shrink`` times smaller."""
    import numpy as np
    from PIL import Image

    image = image.convert("RGBA").reduce(shrink)
    flat = Image.new("RGBA", image.size, UNDER)
    flat.alpha_composite(image)
    if preview.unseen.any():
        hatching = _pictures.unseen_picture(preview).convert("RGBA").reduce(shrink)
        flat.paste(hatching, mask=hatching.getchannel("A").point(lambda alpha: round(alpha * HATCHING)))
    flat.paste(PAPER, mask=Image.fromarray(np.where(preview.inside, np.uint8(0), np.uint8(VEIL))).reduce(shrink))
    return flat.convert("RGB")


def question(found: Mapping[str, Any], language: Language) -> str:
    """Pose the question with a name that can be drawn: the label, else the name as asked for, else the id."""
    city = found["city"]
    label = next((name for name in (city["label"], city["name"]) if _fonts.drawable(name)), city["label"])
    return language.gettext("How green is %(place)s?") % {"place": language.subject(label, city["kind"])}


def _title_size(sheet: Sheet, title: str) -> int:
    """Choose the largest font size at which a title fits on one line."""
    room = (sheet.image.size[0] - 2 * LEFT_PX) / SERIF
    return next((size for size in TITLE_SIZES if len(sheet.wrap(title, room, size=size)) == 1), TITLE_SIZES[-1])


def unseen(found: Mapping[str, Any], language: Language) -> str:
    """State in two words why there is no ratio."""
    return language.gettext("no land") if found["observed_ratio"] is None else language.gettext("not seen")


def no_interval(found: Mapping[str, Any], language: Language) -> str:
    """State why there is no interval."""
    if found["green_ratio"] is not None:
        return language.gettext("no interval: the model was not compared with reference data")
    if found["observed_ratio"] is None:
        return language.gettext("All that the images show inside the limits is water.")
    return language.gettext("No clear image shows any land inside the limits.")


def _warnings(found: Mapping[str, Any], language: Language) -> list[str]:
    """Wrap the warnings into lines; those that do not fit are on the page."""
    told = [detail(one["text"], language) or language.meaning(one["code"]) for one in found["warnings"]]
    lines = [line for text in told for line in fill(f"⚠ {text}", LINE_LETTERS, subsequent_indent="    ").split("\n")]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], "    … → report.html"]
    return lines


def _head(sheet: Sheet, found: Mapping[str, Any], language: Language) -> None:
    _, lead = language.gettext, found["estimate"]
    interval, ratio = (lead, lead["ratio"]) if lead else (found["interval"], found["green_ratio"])
    synthetic = " – " + _("SYNTHETIC city: not a real place.") if found["synthetic"] else ""
    big = language.percent(ratio) if ratio is not None else unseen(found, language)
    if lead:
        big += f" ± {language.half_width(lead['low'], lead['high'])}"
    edge = sheet.write(LEFT_PX, 1.3 * DPI, big, size=46, color=GREEN, serif=True) + 0.225 * DPI
    title = f"{question(found, language)}{synthetic}"
    sheet.write(LEFT_PX, 0.62 * DPI, title, size=_title_size(sheet, title), color=INK, serif=True)
    likely = no_interval(found, language)
    if interval:
        likely = _("between %(low)s and %(high)s (%(level)s interval)") % {
            "low": language.digits(interval["low"]),
            "high": language.percent(interval["high"]),
            "level": language.percent(interval["level"]),
        }
    dates = language.days([date.fromisoformat(scene["date"]) for scene in found["scenes"]])
    images = language.images(found["n_scenes"])
    if lead:
        what = {
            "what": language.rests_on(lead["looked"], lead["readers"], lead["counted"]),
            "share": language.percent(found["green_ratio"]),
        }
        facts = _("%(what)s; the map alone %(share)s") % what + f". {images}, {dates}"
    elif found["observed_ratio"] is None:
        facts = f"{images}, {dates}"
    else:
        facts = (
            _("%(seen)s of the land seen") % {"seen": language.percent(found["observed_ratio"])}
            + f", {images}, {dates}"
        )
    sheet.write(edge, 1.04 * DPI, likely, size=13.5, color=INK)
    sheet.write(edge, 1.3 * DPI, facts, size=13.5, color=QUIET)


def draw_map(sheet: Sheet, picture: Image, preview: Preview, lines: Sequence[Outline], box: Box) -> Placed:
    """Place a picture of :func:`flat` in a box, overlaid with the limits and the districts; return its position."""
    import shapely

    place = sheet.lay(picture, box)
    thinner = picture.width / preview.label.shape[1]
    city, *districts = [shapely.transform(line.shape, lambda points: points * thinner) for line in lines]
    sheet.outline(districts, place, width=0.7, color="white", dashed=True)
    sheet.outline([city], place, width=1.3, color=INK)
    return place


def draw_ruler(sheet: Sheet, place: Placed, preview: Preview) -> None:
    """Draw a scale bar of a round length, about a fifth of the map."""
    columns, metres = preview.label.shape[1], abs(preview.transform.a)
    wanted = columns * metres / 5
    power = 10 ** (len(str(int(wanted))) - 1)
    length = next((n * power for n in (5, 2, 1) if n * power <= wanted), power)
    left, width = place.left + 0.035 * place.width, length / metres / columns * place.width
    text = f"{length // 1000} km" if length >= 1000 else f"{length} m"
    middle, y, em = left + width / 2, place.top + 0.945 * place.height, 9 * sheet.point
    half = 0.32 * em * len(text) + 0.35 * em
    sheet.bar((middle - half, y - 1.1 * em, middle + half, y + 0.35 * em), "white", opacity=0.85, radius=0.35 * em)
    sheet.write(middle, y, text, size=9, color=INK, align=0.5)
    y = place.top + 0.965 * place.height
    for thick, colour in ((2.5, "white"), (1.25, INK)):
        reach = thick * sheet.point
        sheet.bar((left - reach, y - reach, left + width + reach, y + reach), colour)


def _shown_classes(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all classes if their names fit, else the largest; the page lists them all."""
    area_m2 = found["area_by_class_m2"]
    largest = sorted(found["model"]["classes"], key=lambda item: -area_m2.get(item["name"], 0))[:MOST_KEYS]
    return [item for item in found["model"]["classes"] if item in largest]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_KEY else f"{name[: LONGEST_KEY - 1]}…"


def _foot(sheet: Sheet, found: Mapping[str, Any], preview: Preview, language: Language) -> None:
    from PIL import Image, ImageColor

    (width, height), third = sheet.image.size, (1 - GAP) / 3
    left, right = (GAP + third) * width, 2 * third * width
    top = height - 0.99 * DPI
    ramp = Image.new("RGB", (256, 1))
    ramp.putdata([ImageColor.getrgb(shades.ramp(n / 255)) for n in range(256)])
    size = round(right - left), round(0.13 * DPI)
    sheet.image.paste(ramp.resize(size, Image.Resampling.BILINEAR), (round(left), round(top)))
    for share, text in ((0, "0"), (0.25, "25"), (0.5, "50"), (0.75, "75"), (1, language.percent(1.0))):
        at = left + share * (right - left)
        sheet.write(at, height - 0.69 * DPI, text, size=9, color=QUIET, align=0.5)
    _keys(sheet, found, preview, language)
    _, model = language.gettext, {"model": found["model"]["name"]}
    told = (
        _("Black: limits; dashed: districts. Model: %(model)s.")
        if found["districts"]
        else _("Black: limits. Model: %(model)s.")
    )
    sheet.write(LEFT_PX, height - 0.86 * DPI, told % model, size=9.5, color=QUIET)
    credit = " · ".join(
        [*(detail(text, language) or text for text in found["attributions"]), f"howgreen {found['howgreen']}"]
    )
    for number, line in enumerate(reversed(sheet.wrap(credit, width - 2 * LEFT_PX, size=8.5))):
        sheet.write(LEFT_PX, height - (0.22 + 0.16 * number) * DPI, line, size=8.5, color=QUIET)


def _keys(sheet: Sheet, found: Mapping[str, Any], preview: Preview, language: Language) -> None:
    """Lay out the keys of the classes in three columns under the third map."""
    keys = [(item["colour"], _short(language.gettext(item["name"]))) for item in _shown_classes(found)]
    if preview.unseen.any():
        keys.append((UNDER, language.gettext("not seen")))
    (width, height), em = sheet.image.size, 9 * sheet.point
    x, rows, rest = (2 * (1 - GAP) / 3 + GAP + 0.0175) * width, *divmod(len(keys), 3)
    for column in range(3):
        y, right = height - 1.08 * DPI + 0.85 * em, x
        for colour, name in [keys.pop(0) for _ in range(rows + (column < rest))]:
            box = (x, y - 0.7 * em, x + 1.2 * em, y)
            sheet.bar(box, colour)
            if colour == UNDER:
                sheet.hatch(box, "#7b5ea7")
            right = max(right, sheet.write(x + 2 * em, y, name, size=9, color=INK))
            y += 1.5 * em
        x = right + 1.2 * em
