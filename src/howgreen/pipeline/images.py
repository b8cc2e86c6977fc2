"""Where the images of a plan come from, as a user says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from howgreen.core.errors import StoreError


@dataclass(frozen=True)
class Store:
    """Images in a store on this computer, and no others: ``Store("shelf")``; see ``howgreen store add``."""

    root: str | Path
    """Its folder."""

    def __post_init__(self) -> None:
        """Refuse a file: images are added to a store first."""
        if self.path.is_file():
            raise StoreError(
                f"{self.root}: is a file, not a store; put it into one first: howgreen store add {self.root} --city NAME"
            )

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        return Path(self.root).expanduser().absolute()


@dataclass(frozen=True)
class Catalogs:
    """Images of open catalogues, in the order in which they are asked: ``Catalogs("earth-search")``.

    The next one answers where one is silent or has nothing.
    """

    names: str | Sequence[str] = ()
    """One or several of: ``earth-search``, ``planetary-computer``, a STAC API's URL, ``name=URL`` for a mirror. None: those
    that need no account."""

    @property
    def listed(self) -> tuple[str, ...]:
        """The names, as a tuple however they were given."""
        return (self.names,) if isinstance(self.names, str) else tuple(self.names)
