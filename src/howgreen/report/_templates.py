"""What renders the pages: templates of this folder, in a language, under a policy that loads nothing from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from howgreen.report import shades
from howgreen.report._links import linked

if TYPE_CHECKING:
    from jinja2 import Environment

    from howgreen.report._language import Language


def templates(
    filters: Mapping[str, Callable[..., Any]], *, extensions: Sequence[str] = (), folder: str = "report"
) -> Environment:
    """Make what renders the templates of a folder; everything is escaped, for names come from strangers' files."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("howgreen", folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=list(extensions),
    )
    made.filters |= filters
    return made


def environment(language: Language, *, folder: str = "report") -> Environment:
    """Make what renders the templates of a folder in a language."""
    filters: dict[str, Callable[..., Any]] = {
        "percent": language.percent,
        "digits": language.digits,
        "area": language.area,
        "points": language.points,
        "significant": language.significant,
        "whole": language.whole,
        "decimals": language.decimals,
        "moment": language.moment,
        "linked": linked,
        "ramp": shades.ramp,
    }
    made = templates(filters, extensions=["jinja2.ext.i18n"], folder=folder)
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    return made


def text_of(name: str) -> str:
    """Read a file of this folder that is part of a page."""
    return files("howgreen.report").joinpath(name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """Nothing may be loaded, and no script may run but ours."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
