"""Texts to copy from a report: one sentence with all that belongs to the number, and the citation."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from howgreen.core.words import IMAGE_FOOTPRINT, told_dry
from howgreen.report._details import detail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from howgreen.report._language import Language

FULLY_SEEN = 0.995
"""From this share on, "all the land was seen" is not mentioned."""


def sentence(found: Mapping[str, Any], language: Language) -> str:
    """State the answer as it can be quoted: ratio, interval, land seen, images, dates, and any doubts."""
    _, lead, interval = language.gettext, found["estimate"], found["interval"]
    ratio = lead["ratio"] if lead else found["green_ratio"]
    place = language.subject(found["city"]["label"], found["city"]["kind"])
    if ratio is None:
        return _("No clear satellite image shows any land of %(place)s.") % {"place": place}
    span = lead or interval
    parts = {
        "place": place,
        "ratio": language.percent(ratio),
        "dates": language.days([date.fromisoformat(scene["date"]) for scene in found["scenes"]]),
        "images": language.images(found["n_scenes"]),
        "version": found["howgreen"],
        "sensor": found["scenes"][0]["sensor"] if found["scenes"] else found["sensor"],
    }
    if span:
        parts |= {"level": language.percent(span["level"]), "range": language.span(span["low"], span["high"])}
        head = _("%(ratio)s of the land of %(place)s is covered by vegetation (%(level)s interval: %(range)s).")
    else:
        head = _("%(ratio)s of the land of %(place)s is covered by vegetation (no interval is known).")
    if lead and lead["counted"] == "canopy":
        head = _("%(ratio)s of the land of %(place)s is under the crowns of trees (%(level)s interval: %(range)s).")
    elif lead and lead["counted"] != "vegetation":
        head = _(
            "%(ratio)s of the land of %(place)s is covered by plants other than crops (%(level)s interval: %(range)s)."
        )
    said = [head % parts]
    if found["city"]["kind"] == IMAGE_FOOTPRINT:  # no name, which would keep its own first letter
        said[0] = said[0][0].upper() + said[0][1:]
    if lead:
        said.append(
            _("It rests on %(what)s.") % {"what": language.rests_on(lead["looked"], lead["readers"], lead["counted"])}
        )
    dry = told_dry(found["dry_ratio"])
    if not lead and dry is not None:
        said.append(
            _("Roughly another %(dry)s is dry vegetation, which is not green.") % {"dry": language.percent(dry)}
        )
    said.append(_("Measured by howgreen %(version)s from %(images)s of %(sensor)s (%(dates)s).") % parts)
    if not lead and (found["observed_ratio"] or 0) < FULLY_SEEN:
        said.append(_("%(seen)s of the land was seen.") % {"seen": language.percent(found["observed_ratio"])})
    if found["synthetic"]:
        said.append(_("The city is simulated."))
    doubts = len(found["warnings"])
    if doubts:
        said.append(
            language.ngettext("The report names %(num)s doubt.", "The report names %(num)s doubts.", doubts)
            % {"num": doubts}
        )
    return " ".join(said)


def citation(found: Mapping[str, Any], language: Language) -> str:
    """Return a citation of the report, as for a bibliography."""
    made = found["provenance"].get("created")
    title = language.gettext("How green is %(place)s?") % {
        "place": language.subject(found["city"]["label"], found["city"]["kind"])
    }
    what = language.gettext("Report by howgreen %(version)s, model %(model)s %(number)s") % {
        "version": found["howgreen"],
        "model": found["model"]["name"],
        "number": found["model"]["version"],
    }
    when = f", {language.moment(str(made)).partition(',')[0]}" if made else ""
    named = (detail(text, language) or text for text in found["attributions"])
    return f"{title} {what}{when}. {'. '.join(named)}."


def bibtex(found: Mapping[str, Any]) -> str:
    """Return the same for BibTeX."""
    year = str(found["provenance"].get("created") or found["period"]["end"])[:4]
    name = re.sub(r"[^a-z0-9]+", "", str(found["city"]["name"]).casefold()) or "report"
    lines = {
        "title": f"How green is {found['city']['label']}?",
        "howpublished": f"Report by howgreen {found['howgreen']}, model {found['model']['name']} {found['model']['version']}",
        "year": year,
        "note": "; ".join(found["attributions"]),
    }
    fields = ",\n".join(f"  {key} = {{{_braced(text)}}}" for key, text in lines.items())
    return f"@misc{{howgreen-{name}-{year},\n{fields}\n}}"


def _braced(text: str) -> str:
    return re.sub(r"([&%$#_])", r"\\\1", re.sub(r"[\\{}]", "", text))
