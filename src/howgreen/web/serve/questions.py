"""A visitor's question: a place and a period, validated; identical questions of two visitors are one."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec

from howgreen.core.errors import HowgreenError, InputError, PlanError
from howgreen.core.known_types import known
from howgreen.core.period import SEASONS, Period, Season, SeasonKind
from howgreen.core.sensors import SENSORS
from howgreen.core.text import truncate
from howgreen.core.warnings import Caution

if TYPE_CHECKING:
    from howgreen.core.types import City

MOST_BYTES = 32 * 2**20
"""Limit on a question as JSON: limits and districts of the largest place."""
LANGUAGES = ("en", "de", "es", "fr")
_MOST_TEXT = 40


class QuestionError(InputError):
    """An invalid question; the message says what to change."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about one place."""

    place: dict[str, Any]
    """As :func:`howgreen.store.city_to_feature` writes it: a FeatureCollection, the place first, then its districts."""
    period: str | None = None
    """A year, a month or a day, or two joined by ``/``; None for the newest season with images."""
    season: str | None = None
    """Key of :data:`howgreen.core.period.SEASONS`."""
    sensor: str = "sentinel-2"
    model: str | None = None
    """Name of a shipped model; None for the best that the images' bands allow."""
    language: str = "en"
    doubts: tuple[tuple[str, str], ...] = ()
    """Code and text of what is doubtful about the limits."""

    @property
    def key(self) -> str:
        """Name that all equal questions share: the SHA-256 of their canonical JSON."""
        return hashlib.sha256(self.to_json(order="sorted")).hexdigest()

    def to_json(self, *, order: str | None = None) -> bytes:
        """Write the question as JSON; :func:`read_question` reads it."""
        return msgspec.json.Encoder(order="sorted" if order == "sorted" else None).encode(self)

    @property
    def label(self) -> str:
        """The place as its source calls it."""
        return str(self.place["features"][0]["properties"]["label"])

    @property
    def city(self) -> City:
        """The place."""
        from dataclasses import replace

        from howgreen.store import city_from_feature

        city = city_from_feature(self.place)
        return replace(city, warnings=tuple(Caution(code, text) for code, text in self.doubts))

    @property
    def when(self) -> Season:
        """Period and season as the pipeline takes them."""
        kind: SeasonKind = next((one for one in SEASONS if one == self.season), "calendar")
        return Season(kind, self.period)


def question(
    city: City,
    *,
    period: str | None = None,
    season: str | None = None,
    sensor: str = "sentinel-2",
    model: str | None = None,
    language: str = "en",
) -> Question:
    """Make a question about a place that was found or drawn.

    Raises
    ------
    QuestionError, PeriodError, PlanError
        One line: what is invalid, and what is possible.
    """
    from howgreen.store import city_to_feature

    # A round trip through JSON turns tuples of coordinates into lists, whatever the question's origin.
    place = json.loads(json.dumps(city_to_feature(city)))
    doubts = tuple((one.code, one.text) for one in city.warnings)
    return _checked(
        Question(
            place=place,
            period=period or None,
            season=season or None,
            sensor=sensor,
            model=model or None,
            language=language,
            doubts=doubts,
        )
    )


def read_question(raw: bytes) -> Question:
    """Read the output of :meth:`Question.to_json` from an untrusted source.

    Raises
    ------
    HowgreenError
        It is too large, or not a valid question.
    """
    if len(raw) > MOST_BYTES:
        raise QuestionError(f"the question has {len(raw)} bytes, more than {MOST_BYTES}: simplify the place's limits")
    try:
        asked = _checked(msgspec.json.decode(raw, type=known(Question)))
        _ = asked.city
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, HowgreenError):
            raise
        raise QuestionError(f"not a question that can be read: {truncate(str(error), most=200)}") from error
    return asked


def stored_question(text: str) -> Question:
    """Read a question validated before it was stored; if it is no longer readable, return a placeholder."""
    try:
        asked = msgspec.json.decode(text, type=known(Question))
        _ = asked.label
    except (msgspec.MsgspecError, LookupError, TypeError):
        return _UNREADABLE
    return asked


def is_readable(text: str) -> bool:
    """Tell whether a stored question is of this version."""
    return stored_question(text) is not _UNREADABLE


_UNREADABLE = Question(place={"features": [{"properties": {"label": "?"}}]})


def _checked(asked: Question) -> Question:
    """Refuse what no run can answer, before it is queued."""
    for name in ("period", "season", "sensor", "model", "language"):
        if len(getattr(asked, name) or "") > _MOST_TEXT:
            raise QuestionError(f"{name}: at most {_MOST_TEXT} characters")
    if asked.period is not None:
        Period.parse(asked.period)
    if asked.season is not None and asked.season not in SEASONS:
        raise QuestionError(f"season {truncate(asked.season)}: use one of {', '.join(SEASONS)}")
    if asked.sensor not in SENSORS:
        raise QuestionError(f"sensor {truncate(asked.sensor)}: use one of {', '.join(SENSORS)}")
    if asked.season == "peak" and SENSORS[asked.sensor].is_radar:
        raise PlanError(f"season 'peak' is measured by optical images: not by {asked.sensor}")
    if asked.season == "year" and asked.period is not None and not asked.period.strip().isdecimal():
        raise QuestionError("season 'year' takes a year, as 2024; leave the season out for just these days")
    if asked.language not in LANGUAGES:
        raise QuestionError(f"language {truncate(asked.language)}: use one of {', '.join(LANGUAGES)}")
    if asked.model is not None:
        from howgreen.landcover import SHIPPED

        if asked.model not in SHIPPED:
            raise QuestionError(f"model {truncate(asked.model)}: use one of {', '.join(SHIPPED)}")
    return asked
