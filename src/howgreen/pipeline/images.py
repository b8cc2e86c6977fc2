"""Where the images of a plan come from, as a user says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from howgreen.core.errors import StoreError

if TYPE_CHECKING:
    from howgreen.core.types import Progress
    from howgreen.pipeline.places import Area
    from howgreen.store import Options


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

    def add(
        self,
        *files: str | Path,
        city: str | None = None,
        area: Area | None = None,
        options: Options | None = None,
        replace: bool = False,
        progress: Progress | None = None,
    ) -> list[str]:
        """Put images into the store, which is made where there is none; ids of the images are returned.

        Parameters
        ----------
        files
            GeoTIFFs with one or several bands, Sentinel-2 L2A ``.SAFE`` folders, Landsat Collection 2 Level-2 folders.
        city
            The city that they show.
        area
            Its boundary, as for :func:`howgreen.plan`; None for the images' footprint.
        options
            What the files do not say: ``Options(bands=["red", "green", "blue", "nir"], scale=1e-4)``, of
            :mod:`howgreen.store`.
        replace
            Put them in the place of images that are there already.

        Raises
        ------
        StoreError, ImageError
            One line: what, where, and what to do.
        """
        if not files or city is None:
            names = ", ".join(repr(str(file)) for file in files) or "'image.tif'"
            raise StoreError(
                f"say which file, and which city it shows: Store({str(self.root)!r}).add({names}, city='NAME')"
            )
        from howgreen import store as stores
        from howgreen.pipeline.places import to_city

        boundary = None if area is None else to_city(area)
        paths = [Path(file).expanduser() for file in files]
        return stores.add(
            paths, root=self.path, city=city, boundary=boundary, options=options, replace=replace, progress=progress
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
