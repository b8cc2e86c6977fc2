"""Warnings on the terminal: one line each on standard error; ``--strict`` makes them errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from howgreen.cli.say import say
from howgreen.core.errors import DoubtError
from howgreen.core.warnings import Caution, HowgreenWarning

_STRICT = "howgreen.strict"
_told: dict[Caution, None] = {}

strict_option = click.option(
    "--strict",
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, given: context.meta.__setitem__(_STRICT, given),
    help="Stop at any warning, and write nothing.",
)


@contextmanager
def on_terminal() -> Iterator[None]:
    """Print each of our warnings once, as a line on standard error, regardless of Python's own filters."""
    _told.clear()
    others = warnings.showwarning

    def show(message: Warning | str, *rest: Any, **named: Any) -> None:
        if not isinstance(message, HowgreenWarning):
            others(message, *rest, **named)
        elif message.caution not in _told:
            _told[message.caution] = None
            say(f"warning: {message.caution.text} [{message.code}]", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", HowgreenWarning)
        warnings.showwarning = show
        yield


def refuse_if_strict() -> None:
    """Raise DoubtError if there was a warning and ``--strict`` was given."""
    if _told and click.get_current_context().meta.get(_STRICT):
        codes = ", ".join(sorted({caution.code for caution in _told}))
        count = "a warning" if len(_told) == 1 else f"{len(_told)} warnings"
        raise DoubtError(f"--strict: {count} ({codes}); mend what the lines above say, or leave --strict out")
