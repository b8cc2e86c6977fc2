"""Write scenes and places to a store atomically."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import ImageError, StoreError
from howgreen.core.files import sync_folder
from howgreen.core.geometry import polygonal
from howgreen.core.sensors import SENSORS
from howgreen.core.text import slug
from howgreen.store import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    import pystac
    from odc.geo.geobox import GeoBox
    from shapely import MultiPolygon, Polygon

    from howgreen.core.registration import Lattice
    from howgreen.core.sensors import Sensor
    from howgreen.core.stac import Header
    from howgreen.core.types import City, Progress
    from howgreen.core.warnings import Caution

    Raster = tuple[npt.NDArray[Any], GeoBox]
    """Values (y, x) and their grid."""
    Sample = Mapping[str, npt.NDArray[Any]]
    """Digital numbers by band, (pixel,)."""
    Check = Callable[["Pixels"], tuple[Caution, ...]]

MASK_NODATA = {"scl": 0, "qa_pixel": 1}
"""The masks' own codes for *no data*: SCL class 0, and QA_PIXEL's fill bit."""
PARTS = 8
"""Number of parts an image is checked in, along each side."""

_MASKS = {"scl": ("scene classification", "uint8", 11), "qa_pixel": ("pixel quality flags", "uint16", 65535)}


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Pixel statistics of a scene collected during storing, for later checks."""

    samples: Sample
    """Valid numbers of each band, on clear ground if a mask shows enough of it; codes of the mask."""
    parts: Sequence[Sample]
    """The visible bands of the sample, part by part of the image."""
    patches: Sample
    """Small patches of each reflective band, (n, y, x), at the same positions; NaN without data."""
    holes: Mapping[str, float]
    """Share of each band marked as no data that seems to be ground; only bands with any."""
    checksums: Mapping[str, str]
    """Of each stored file, by band, as items write them."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One band to store; its pixels are read on demand."""

    band: str
    read: Callable[[], Raster]


def put_scene(root: Path, header: Header, rasters: Mapping[str, Raster]) -> pystac.Item:
    """Store one scene as a COG per band and a STAC item; replaces a scene of that id.

    Parameters
    ----------
    root
        The store; created if it does not exist.
    header
        Metadata of the scene; its id has letters, digits, ``.``, ``_``, ``-`` only.
    rasters
        Digital numbers (y, x) and their grid, by common band name or the sensor's mask name. Grids may differ.

    Returns
    -------
    pystac.Item
        With its own absolute href.

    Raises
    ------
    ImageError
        When bands are unknown, hold no data, or do not fit their grids.
    StoreError
        When the folder cannot be written.

    """
    layout.check_scene_id(header.id)
    layers = [Layer(band=band, read=lambda raster=raster: raster) for band, raster in rasters.items()]  # type: ignore[misc]
    return _opened(store_scene(Path(root), header, layers))


def store_scene(
    root: Path,
    header: Header,
    layers: Sequence[Layer],
    *,
    check: Check | None = None,
    progress: Progress | None = None,
) -> Path:
    """Build a scene in a hidden folder, then move it into place; return the item's file.

    Parameters
    ----------
    root
        The store; created if it does not exist.
    header
        Metadata of the scene.
    layers
        Its bands.
    check
        Called before anything is moved into place, with what was seen of the pixels; raises if they cannot be
        reflectance, or the mask's codes no such codes, and returns doubts about them.
    progress
        Called with ``("store", bands done, bands in all)``.

    """
    known = (*header.sensor.band_names, header.sensor.mask)
    unknown = [layer.band for layer in layers if layer.band not in known]
    if unknown or not any(layer.band in header.sensor.band_names for layer in layers):
        what = f"bands {', '.join(unknown)} are unknown" if unknown else "no reflective band"
        raise ImageError(f"scene {header.id}: {what}; {header.sensor.label} has {', '.join(known)}")
    root = root.absolute()
    with layout.workshop(root) as shop, layout.disk_errors(root, "write"):
        scene = shop.folder / "scene"
        scene.mkdir()
        entry = _build(scene, header, layers, check, progress)
        layout.write_json(scene / f"{header.id}.json", entry)
        with layout.locked(root):
            return _place(root, scene, entry)


def _build(
    folder: Path,
    header: Header,
    layers: Sequence[Layer],
    check: Check | None,
    progress: Progress | None,
) -> dict[str, Any]:
    """Write the COGs to a folder and return the item."""
    from howgreen.core import cog, stac
    from howgreen.store import _fill, _footprint

    assets: dict[str, Any] = {}
    seen = _Seen()
    for done, layer in enumerate(layers):
        if progress:
            progress("store", done, len(layers))
        values, grid = layer.read()
        is_mask = layer.band == header.sensor.mask
        values = _codes(layer.band, values) if is_mask else values
        own = header.encoding(layer.band)
        nodata = MASK_NODATA[layer.band] if is_mask else own.nodata
        file = f"{layer.band}.tif"
        scaling = (1.0, 0.0) if is_mask else (own.scale, own.offset)
        written = cog.write(
            folder / file, values, grid=grid, band=layer.band, nodata=nodata, scale=scaling[0], offset=scaling[1]
        )
        assets[layer.band] = stac.asset(header, layer.band, href=f"./{file}", written=written, grid=grid)
        if is_mask:
            seen.mask(layer.band, values, grid)
        else:
            seen.look(layer.band, values, _footprint.valid(values, written.nodata), grid)
            if check and (share := _fill.holes(values, written.nodata)):
                seen.holes[layer.band] = share
    if progress:
        progress("store", len(layers), len(layers))
    if check:
        pixels = Pixels(
            samples=seen.samples | seen.codes, parts=seen.parts, patches=seen.patches, holes=seen.holes,
            checksums={band: str(one["file:checksum"]) for band, one in assets.items()},
        )  # fmt: skip
        header = replace(header, warnings=(*header.warnings, *check(pixels)))
    return stac.item(header, footprint=seen.footprint(header.id), assets=assets)


def _codes(band: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a mask in its own type; ImageError if its values are not such codes."""
    import numpy as np

    name, dtype, highest = _MASKS[band]
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=MASK_NODATA[band])
    if values.size and not (values.min() >= 0 and values.max() <= highest):
        found = f"{values.min()} to {values.max()}"
        raise ImageError(f"band {band}: values from {found} are no {name} (0-{highest}); check the order of the bands")
    return values.astype(dtype)


class _Seen:
    """Collects the valid-data extent of a scene's bands, and a sample of their values."""

    def __init__(self) -> None:
        self.codes: dict[str, npt.NDArray[Any]] = {}
        self.patches: dict[str, npt.NDArray[Any]] = {}
        self.holes: dict[str, float] = {}
        self._lattice: Lattice | None = None
        self._sampled: dict[str, tuple[npt.NDArray[Any], npt.NDArray[np.bool_], GeoBox]] = {}
        self._clear: tuple[npt.NDArray[np.bool_], GeoBox] | None = None
        self._outlines: list[Polygon | MultiPolygon] = []
        self._masks: list[tuple[npt.NDArray[np.bool_], GeoBox]] = []

    def step(self, values: npt.NDArray[Any]) -> int:
        """Return n such that every n-th row and column makes a sample of some 250,000 pixels."""
        return max(1, int((values.size / 250_000) ** 0.5))

    def look(self, band: str, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], grid: GeoBox) -> None:
        from howgreen.core.registration import Lattice

        if not valid.any():
            raise ImageError(
                f"band {band}: every pixel is nodata; check the image and its nodata value (`--nodata`), or leave the band "
                "out (`--bands`, '-' in its place)"
            )
        step = self.step(values)
        self._lattice = self._lattice or Lattice(grid)
        if (patches := self._lattice.patches(values, valid, grid)) is not None:
            self.patches[band] = patches
        # Copies: a view would keep the whole band in memory.
        self._sampled[band] = values[::step, ::step].copy(), valid[::step, ::step].copy(), grid
        for place, (mask, known) in enumerate(self._masks):
            if known == grid:
                self._masks[place] = (mask | valid, grid)
                return
        self._masks.append((valid, grid))

    def mask(self, band: str, values: npt.NDArray[Any], grid: GeoBox) -> None:
        """Sample the codes of the scene's mask."""
        from howgreen.store import _masks

        self.codes[band] = codes = values[:: (step := self.step(values)), ::step].copy()
        self._clear = _masks.clear(codes, band), grid

    @property
    def samples(self) -> dict[str, npt.NDArray[Any]]:
        """Valid numbers of each band; of bands with the same pixels, those valid in all of them.

        Only on clear ground, if the mask leaves enough of it: over a cloud, an offset cannot be judged.
        """
        shared = self._shared()
        return {
            band: values[shared[valid.shape] if shared[valid.shape].any() else valid]
            for band, (values, valid, _) in self._sampled.items()
        }

    @property
    def parts(self) -> list[Sample]:
        """The samples of the visible bands in each part of the image, if they share their pixels."""
        from howgreen.core.plausibility import VISIBLE

        shapes = {self._sampled[band][0].shape for band in VISIBLE if band in self._sampled}
        if len(shapes) != 1:
            return []
        (shape,) = shapes
        ground = self._shared()[shape]
        cuts = [[slice(n * size // PARTS, (n + 1) * size // PARTS) for n in range(PARTS)] for size in shape]
        return [
            {
                band: self._sampled[band][0][rows, columns][ground[rows, columns]]
                for band in VISIBLE
                if band in self._sampled
            }
            for rows in cuts[0]
            for columns in cuts[1]
        ]

    def _shared(self) -> dict[tuple[int, ...], npt.NDArray[np.bool_]]:
        """Return, by shape, the samples (y, x) valid in all bands, and clear if enough remain."""
        from howgreen.core.plausibility import FEWEST_PX

        shared: dict[tuple[int, ...], npt.NDArray[np.bool_]] = {}
        for _, valid, _ in self._sampled.values():
            shared[valid.shape] = valid & shared.get(valid.shape, valid)
        for shape, grid in {valid.shape: grid for _, valid, grid in self._sampled.values()}.items():
            ground = shared[shape] & self._clear_on(shape, grid)
            if ground.sum() >= FEWEST_PX:
                shared[shape] = ground
        return shared

    def _clear_on(self, shape: tuple[int, ...], grid: GeoBox) -> npt.NDArray[np.bool_]:
        """Tell whether the mask calls each sample (y, x) of a band clear; all are if the mask covers different ground."""
        import numpy as np

        if self._clear is None:
            return np.ones(shape, bool)
        clear, own = self._clear
        slack = 2 * max(abs(own.affine.a), abs(grid.affine.a))
        if own.crs != grid.crs or not np.allclose(own.boundingbox, grid.boundingbox, rtol=0, atol=slack):
            return np.ones(shape, bool)
        rows, columns = (np.arange(n) * m // n for n, m in zip(shape, clear.shape, strict=True))
        return clear[np.ix_(rows, columns)]

    def footprint(self, name: str) -> Polygon | MultiPolygon:
        from howgreen.store._footprint import outline

        mask, grid = min(self._masks, key=lambda pair: abs(pair[1].affine.determinant))
        whole = polygonal(outline(mask, grid))
        if whole.is_empty:
            raise ImageError(f"scene {name}: every pixel is nodata; check the image and its nodata value (`--nodata`)")
        return whole


def _place(root: Path, built: Path, entry: dict[str, Any]) -> Path:
    """Move a finished scene into place and link it. Call it under the lock."""
    _link(root)
    folder = root / entry["collection"] / entry["id"]
    file: Path = folder / f"{entry['id']}.json"
    folder.parent.mkdir(exist_ok=True)
    layout.write_json(root / layout.JOURNAL, {"item": file.relative_to(root).as_posix()})
    if file.is_file():
        _replace(built, folder, entry)
    else:
        if folder.exists():
            _discard(folder)
        built.rename(folder)
        sync_folder(folder.parent)
    _link(root)
    (root / layout.JOURNAL).unlink(missing_ok=True)
    return file


def _replace(built: Path, folder: Path, entry: dict[str, Any]) -> None:
    """Put new files beside the old ones under new names; rewriting the item's file then switches over atomically."""
    for band, one in entry["assets"].items():
        name = f"{band}-{one['file:checksum'][4:16]}.tif"
        (built / f"{band}.tif").replace(folder / name)
        one["href"] = f"./{name}"
    sync_folder(folder)
    layout.write_json(folder / f"{entry['id']}.json", entry)
    current = {one["href"][2:] for one in entry["assets"].values()}
    for old in folder.glob("*.tif"):
        if old.name not in current:
            old.unlink(missing_ok=True)


def _discard(folder: Path) -> None:
    """Remove a folder without an item, the remains of a half-deleted scene."""
    if folder.is_symlink() or not folder.is_dir() or any(path.suffix != ".tif" for path in folder.iterdir()):
        raise StoreError(f"{folder}: in the way of the new scene and not an item; move it away and try again")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def mend(root: Path) -> None:
    """Link every scene in the store into the catalogue, even if its writer was killed before linking it.

    Raises StoreError if the folder cannot be written or a catalogue file is broken.
    """
    root = root.absolute()
    with layout.locked(root), layout.disk_errors(root, "write"):
        _link(root)
        (root / layout.JOURNAL).unlink(missing_ok=True)


def _link(root: Path) -> None:
    """Update links and extents. Links to missing items stay, so that `verify` reports the loss."""
    from howgreen.core import stac

    catalog = root / layout.CATALOG
    current = layout.read_json(catalog) if catalog.is_file() else stac.catalog()
    for sensor in SENSORS.values():
        files = [file for file in layout.item_files(root) if file.parent.parent.name == sensor.collection]
        if files:
            _link_items(root / sensor.collection / layout.COLLECTION, sensor, files)
    children = {f"./{path.parent.name}/{layout.COLLECTION}": path.parent.name for path in _collections(root)}
    _write_changed(catalog, current, _relinked(current, "child", children))


def _link_items(file: Path, sensor: Sensor, items: Sequence[Path]) -> None:
    from howgreen.core import stac

    current = layout.read_json(file) if file.is_file() else stac.collection(sensor)
    hrefs = {f"./{path.stem}/{path.name}": path for path in items}
    linked = {link.get("href") for link in current.get("links", [])}
    new = dict(current)
    for href, path in hrefs.items():
        if href not in linked:
            new["extent"] = stac.widened(new.get("extent") or {}, layout.read_json(path))
    _write_changed(file, current, _relinked(new, "item", {href: path.stem for href, path in hrefs.items()}))


def _write_changed(file: Path, current: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    if new != current or not file.is_file():
        layout.write_json(file, new)


def _collections(root: Path) -> list[Path]:
    return sorted(path for path in root.glob(f"*/{layout.COLLECTION}") if not path.parent.name.startswith("."))


def _relinked(parent: Mapping[str, Any], rel: str, hrefs: Mapping[str, str]) -> dict[str, Any]:
    """Return the object with links to all of ``hrefs``; other links stay."""
    others = [one for one in parent.get("links", []) if one.get("rel") != rel or f"{one.get('href')}" not in hrefs]
    media = "application/geo+json" if rel == "item" else "application/json"
    new = [{"rel": rel, "href": href, "type": media, "title": title} for href, title in hrefs.items()]
    return {**parent, "links": others + new}


def put_place(root: Path, city: City, *, instead_of: str | None = None) -> Path:
    """Store a city with its districts as ``places/<name>.geojson``.

    Replaces the place of the same name and id; another place of the same name is kept beside it.

    Parameters
    ----------
    instead_of
        Id of the place to replace; None for its own.

    Returns the file. Raises StoreError if the folder cannot be written, or a place in it cannot be read.
    """
    from howgreen.store.places import city_to_feature

    root = Path(root).absolute()
    value = city_to_feature(city)
    with layout.workshop(root), layout.locked(root), layout.disk_errors(root / layout.PLACES, "write"):
        _link(root)
        (root / layout.PLACES).mkdir(exist_ok=True)
        file = _place_file(root / layout.PLACES, city, instead_of or city.id)
        layout.write_json(file, value)
    return file


def _place_file(folder: Path, city: City, replaced: str) -> Path:
    """Return the file that holds this name and id, else an unused one: two cities may share a name."""
    from howgreen.store.places import city_from_feature

    known = {path: city_from_feature(layout.read_json(path), path=path).id for path in sorted(folder.glob("*.geojson"))}
    base = slug(city.name)
    names = (base, *(f"{base}-{number}" for number in range(2, len(known) + 3)))
    return next(path for name in names if known.get(path := folder / f"{name}.geojson", replaced) == replaced)


def _opened(file: Path) -> pystac.Item:
    from howgreen.store.read import open_item

    return open_item(file)
