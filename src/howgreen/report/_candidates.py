"""The strip of dates: every available image with its clear share, whether it was used, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from howgreen.report._details import detail
from howgreen.report._language import ENGLISH, Language
from howgreen.report._pictures import jpeg

if TYPE_CHECKING:
    from howgreen.core.types import Candidate


def strip(found: Sequence[Candidate], language: Language = ENGLISH) -> list[dict[str, Any]]:
    """Return the values that ``sections/candidates.html`` shows of each image."""
    return [
        {
            "id": one.id,
            "day": language.day(one.day),
            "clear_share": None if one.clear_pct is None else one.clear_pct / 100,
            "mask": one.mask,
            "why": one.why,
            "taken": one.why == "taken",
            "picture": None if one.picture is None else jpeg(one.picture),
            "width": 0 if one.picture is None else one.picture.shape[1],
            "height": 0 if one.picture is None else one.picture.shape[0],
        }
        for one in found
    ]


def candidates_page(
    found: Sequence[Candidate], *, title: str, lines: Sequence[str], language: Language = ENGLISH
) -> str:
    """Write a separate page with the strip and its pictures.

    Parameters
    ----------
    title
        Title of the plan.
    lines
        Further lines of the plan.
    """
    from importlib.metadata import version

    from howgreen.report._templates import whole_page

    about = {"howgreen": version("howgreen"), "synthetic": False, "attributions": ()}
    values = {
        "about": about,
        "title": detail(title, language) or title,
        "lines": lines,
        "candidates": strip(found, language),
    }
    return whole_page("plan.html", language, values)
