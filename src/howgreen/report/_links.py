"""Source texts with their addresses as links; the page loads nothing from them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

SOURCES = (
    ("OpenStreetMap contributors", "https://www.openstreetmap.org/copyright"),
    ("Copernicus Sentinel data", "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"),
    ("U.S. Geological Survey", "https://www.usgs.gov/landsat-missions"),
    ("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
    ("ODbL", "https://opendatacommons.org/licenses/odbl/"),
    ("CC0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"),
    ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"),
)
"""Names of sources and licences, and their web addresses."""

_PATTERN = re.compile(
    r"`(?P<command>[a-z][^`<>]*)`|(?<![\w-])(?P<option>--[a-z][a-z-]*)|(?P<url>https?://[^\s<>\"'’”)\]]+)|(?P<doi>(?:doi:\s?)?\b10\.\d{4,9}/[^\s<>\"'’”;,)\]]+)|(?P<name>"
    + "|".join(re.escape(name) for name, _ in SOURCES)
    + ")"
)


def linked(text: str) -> Markup:
    """Escape a text, link web addresses, DOIs and known sources in it, and mark up commands in backticks as code."""
    from markupsafe import Markup, escape

    made, at = Markup(), 0
    for match in _PATTERN.finditer(text):
        if match["command"] or match["option"]:
            code, option = Markup("<code>{}</code>"), Markup('<span class="option">{}</span>')
            made += escape(text[at : match.start()])
            made += code.format(match["command"]) if match["command"] else option.format(match["option"])
            at = match.end()
            continue
        whole = match.group()
        shown = whole if match["name"] else whole.rstrip(".,;:")
        made += escape(text[at : match.start()]) + Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(
            _address(match, shown), shown
        )
        at = match.start() + len(shown)
    return made + escape(text[at:])


def _address(match: re.Match[str], shown: str) -> str:
    if match["name"]:
        return dict(SOURCES)[shown]
    if match["doi"]:
        return "https://doi.org/" + shown.removeprefix("doi:").strip()
    return shown
