"""All errors a user can meet: each names the thing, the value and the cure, in one line.

All derive from :class:`HowgreenError`; the command line prints ``str(error)`` and exits with 1. Any other exception
that escapes is a bug.
"""

from __future__ import annotations

from howgreen.core.wording import as_read


class HowgreenError(Exception):
    """Base of all errors that howgreen raises on purpose."""

    def __str__(self) -> str:
        """Return the message in the reader's terms: see :mod:`howgreen.core.wording`."""
        return as_read(super().__str__())


class InputError(HowgreenError, ValueError):
    """Input from the user cannot be used; a :class:`ValueError` too, as in Python's own libraries."""


class PlaceNotFoundError(InputError):
    """No place of that name, id or shape is known."""


class AmbiguousPlaceError(InputError):
    """Several places fit; the message lists them and says how to pick one."""


class AreaError(InputError):
    """A boundary is empty, broken, without a CRS, or not an area."""


class NetworkError(HowgreenError):
    """A service did not respond, broke off, or may not be contacted; the message says what was tried, but no token."""


class PeriodError(InputError):
    """A period of time cannot be read or is empty."""


class NoImageError(HowgreenError):
    """No image covers the place in the period."""


class NoClearImageError(NoImageError):
    """Images exist, but none is clear inside the city."""


class ImageError(HowgreenError):
    """An image file is broken, truncated or lacks required metadata."""


class ContradictionError(ImageError):
    """The pixels of a scene contradict its metadata."""

    def __init__(self, message: str, *, scene: str, offset: float | None = None) -> None:
        super().__init__(message)
        self.scene = scene
        """Its id."""
        self.offset = offset
        """The reflectance offset that fits its pixels; None if they do not reveal one."""


class StoreError(HowgreenError):
    """A store is missing, damaged or would be overwritten."""


class ModelError(InputError):
    """A model is unknown, or its file or card is broken."""


class MissingBandsError(ModelError):
    """The images lack bands that the model needs."""


class LabelError(InputError):
    """Labels are unsuitable for training: the message says which and why."""


class TableError(InputError):
    """A table of reflectances cannot be used."""


class EstimateError(InputError):
    """A sample, or its answers, allow no estimate."""


class PlanError(InputError):
    """A saved plan cannot be read or no longer fits the files it names."""


class OutputError(HowgreenError):
    """A result cannot be written to the requested location."""


class DoubtError(HowgreenError):
    """There are warnings, and the user asked for warnings to be errors."""


class MissingExtraError(HowgreenError):
    """An optional dependency is not installed; the message gives the install line."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs an extra: pip install "howgreen[{extra}]"')
