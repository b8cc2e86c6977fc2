"""QGIS support: a style beside each raster, styles inside the GeoPackage, and one project, all as on the page.

The formats are QGIS's own XML, written by hand because QGIS is not a Python package; a test opens the files in a real
QGIS. Properties are written as ``prop``, which every QGIS 3 reads.
"""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from howgreen.core.errors import OutputError
from howgreen.core.files import write_atomic
from howgreen.core.types import UNSEEN
from howgreen.report import _pictures, shades
from howgreen.report._rasters import TRUE_COLOUR, composite_bands, files_of, legend

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import geopandas as gpd

    from howgreen.core.types import Result
    from howgreen.report._pictures import Preview

PROJECT = "howgreen.qgz"
TABLES = "districts.gpkg"
CITY, DISTRICTS, LAND = "city", "districts", "land"
"""Layers of the GeoPackage. ``land`` is the city without the sea, if that is known: the figures count nothing beyond
it."""
_VERSION = "3.22.0"
"""Version of the XML: as written by this QGIS and read by later ones."""
_TITLES = {
    "green_mask.tif": "Green or not",
    "green_fraction.tif": "Green share",
    "green_uncertainty.tif": "Standard error of the green share",
    "n_clear.tif": "Dates that showed it clearly",
    "landcover.tif": "Land cover",
    "composite.tif": "Clear picture of the period",
    CITY: "Boundary",
    DISTRICTS: "Districts: green ratio",
    LAND: "Land: the boundary without the sea",
}
_BESIDE = {
    "change.tif": "Change",
    "green_before.tif": "Green share before",
    "green_after.tif": "Green share after",
    "photo_before.tif": "Picture before",
    "photo_after.tif": "Picture after",
    "green_around_300m.tif": "Green share of the land within 300 m",
    "patch_distance.tif": "Distance to a vegetated patch of half a hectare",
    "urban_green_space.tif": "Urban green space (CLCplus Backbone)",
    "urban_tree_cover.tif": "Urban tree cover",
}
"""Rasters of answers beside the green ratio, in a project's display order."""
_FAR_M = 600
"""Distances to a patch are distinguished up to this value."""
_LARGEST_PROJECT = 16 * 2**20
"""A project that somebody has enlarged beyond this is left as it is."""
_SHOWN = (CITY, "green_fraction.tif", "composite.tif")
"""Layers visible on opening; the rest is a click away."""
_DATED = (1980, 1, 1, 0, 0, 0)
"""Timestamp of the project in its archive: the same report gives the same bytes."""
_ALIASES = {
    "name": "name",
    "zone_area_m2": "area (m²)",
    "land_area_m2": "land (m²)",
    "observed_area_m2": "land that was seen (m²)",
    "green_area_m2": "green (m²)",
    "green_ratio": "green ratio (0-1)",
    "green_pixel_ratio": "share in mostly green pixels (0-1)",
    "observed_ratio": "share of the land that was seen (0-1)",
    "green_m2_per_inhabitant": "green per inhabitant (m²)",
    "clear_dates_mean": "clear dates, mean",
    "seen_once_ratio": "share of the seen land that one date showed (0-1)",
    "level": "level (OSM)",
    "interval_low": "green ratio, lower end (0-1)",
    "interval_high": "green ratio, upper end (0-1)",
}
"""Column titles in QGIS's tables, with units."""


@dataclass(frozen=True, kw_only=True)
class _Style:
    """Style of one layer: the elements common to a ``.qml`` and a project."""

    name: str
    """File name of a raster, or layer name in the GeoPackage."""
    parts: tuple[ET.Element, ...]
    crs: str = "EPSG:4326"
    """CRS of the layer, as ``EPSG:32632``."""

    @property
    def vector(self) -> bool:
        """Whether it is a layer of the GeoPackage."""
        return not self.name.endswith(".tif")

    @property
    def title(self) -> str:
        """Title for people."""
        level = self.name.removeprefix(f"{DISTRICTS}_level_")
        return f"{_TITLES[DISTRICTS]}, level {level}" if level != self.name else (_TITLES | _BESIDE)[self.name]

    @property
    def key(self) -> str:
        """Id in a project: QGIS reassigns ids of up to ten characters, and then loses the layer in its tree."""
        return f"howgreen_{self.name.removesuffix('.tif')}"

    def qml(self) -> str:
        """Format as a style file."""
        kind = {"styleCategories": "AllStyleCategories", "version": _VERSION}
        root = ET.Element("qgis", kind)
        root.extend(self.parts)
        return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ET.tostring(root, encoding="unicode")


def write_tables(result: Result, folder: Path) -> None:
    """Write the GeoPackage: layers for the city, its districts and its land, if any, and their styles.

    Version 1.2, which readers from 2018 on open.
    """
    path, zones = folder / TABLES, result.zones
    parts = zones[zones["kind"] == "district"]
    by_level = {
        name: parts if level is None else parts[parts["level"] == level]
        for name, level in district_layers(result).items()
    }
    kinds = {CITY: zones[zones["kind"] == "city"], **by_level, LAND: _land(result)}
    layers = {name: rows for name, rows in kinds.items() if len(rows)}
    with _unsynced():
        for name, rows in layers.items():
            mode = "a" if path.exists() else "w"
            rows.to_file(path, layer=name, driver="GPKG", engine="pyogrio", mode=mode, VERSION="1.2")
    _keep_styles(path, [_vector_style(name) for name in layers])


@contextmanager
def _unsynced() -> Iterator[None]:
    """Let SQLite skip syncing at every step, as for any file of a folder that appears whole or not at all."""
    import pyogrio

    before = pyogrio.get_gdal_config_option("OGR_SQLITE_SYNCHRONOUS")
    pyogrio.set_gdal_config_options({"OGR_SQLITE_SYNCHRONOUS": "OFF"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_SQLITE_SYNCHRONOUS": before})


def district_layers(result: Result) -> dict[str, int | None]:
    """Name the layers of districts: one, or one per administrative level (its value); none without districts."""
    levels = list(dict.fromkeys(one.level for one in result.plan.city.districts))
    if len(levels) > 1 and None not in levels:
        return {f"{DISTRICTS}_level_{level}": level for level in levels}
    return {DISTRICTS: None} if levels else {}


def _land(result: Result) -> gpd.GeoDataFrame:
    """Make a table of the city's land, one row; empty if the sea is unknown."""
    import geopandas as gpd
    from shapely import MultiPolygon

    city = result.plan.city
    parts = (
        [] if city.land is None else [city.land if isinstance(city.land, MultiPolygon) else MultiPolygon([city.land])]
    )
    columns = {"name": [city.label] * len(parts), "source": [city.land_source] * len(parts)}
    return gpd.GeoDataFrame(columns, geometry=parts, crs="EPSG:4326")


def write_styles(result: Result, preview: Preview, folder: Path) -> None:
    """Write a ``.qml`` beside each raster, and the project that opens all of them."""
    names = list(files_of(result))
    styles = [_raster_style(name, result, preview) for name in sorted(names, key=list(_TITLES).index)]
    for style in styles:
        (folder / qml_of(style.name)).write_text(style.qml(), encoding="utf-8")
    city = result.plan.city
    vectors = [CITY, *district_layers(result), *([LAND] if city.land is not None else [])]
    grid = result.landcover.grid
    project = _project(f"How green is {city.label}?", str(grid.crs), grid.extent.boundingbox.bbox)
    _show(project, [*map(_vector_style, vectors), *styles], shown=_SHOWN)
    (folder / PROJECT).write_bytes(_packed(project))


def show_beside(folder: Path, title: str) -> bool:
    """Give each raster of :data:`_BESIDE` in a folder its style, and add it to the folder's project.

    A report's own project gets more layers, hidden at first; a folder without a project gets one, if it holds a raster.
    A project changed beyond recognition is left alone. Returns whether there is a project.
    """
    import rasterio

    styles, bounds = [], None
    for name in _BESIDE:
        if not (folder / name).exists():
            continue
        if not (folder / qml_of(name)).exists():
            _write_style(folder / name, _beside(name))
        with rasterio.open(folder / name) as file:
            crs, bounds = file.crs.to_string(), bounds or tuple(file.bounds)
        parts = tuple(ET.fromstring((folder / qml_of(name)).read_bytes()))  # noqa: S314 (expat bounds what entities unfold to)
        styles.append(_Style(name=name, parts=parts, crs=crs))
    there = folder / PROJECT
    if there.exists():
        project = _unpacked(there)
        if project is None:
            return True
        for name in _BESIDE:
            _hide(project, _Style(name=name, parts=()).key)
        _show(project, styles, shown=())
    elif bounds is not None:
        project = _project(title, styles[0].crs, bounds)
        _show(project, styles, shown=(styles[0].name,))
    else:
        return False
    write_atomic(there, _packed(project), durable=False)
    return True


def _beside(name: str) -> ET.Element:
    """Return the style of a raster of :data:`_BESIDE` without classes."""
    if name.startswith("photo_"):
        photo = _renderer("multibandcolor", redBand="1", greenBand="2", blueBand="3")
        for colour in TRUE_COLOUR:
            _contrast(photo, f"{colour}ContrastEnhancement", 0, 255)
        return _pipe(photo, smooth=True)
    if name == "urban_green_space.tif":
        return _pipe(_classes({1: (46, 125, 50)}, {1: "urban green space"}), smooth=False)
    if name == "patch_distance.tif":
        return _pipe(_scale(shades.RAMP[::-1], _FAR_M, steps=6, unit="m"), smooth=True)
    if name == "green_around_300m.tif":
        return _pipe(_scale(shades.RAMP, 1.0, steps=10), smooth=True)
    return _pipe(_scale(shades.RAMP, 100, steps=10, unit="%"), smooth=True)


def _packed(project: ET.Element) -> bytes:
    entry = zipfile.ZipInfo("howgreen.qgs", _DATED)
    entry.compress_type = zipfile.ZIP_DEFLATED
    text = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ET.tostring(project, encoding="unicode")
    with BytesIO() as file:
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr(entry, text)
        return file.getvalue()


def _unpacked(path: Path) -> ET.Element | None:
    """Read a project; None if layers cannot be added to it."""
    try:
        with zipfile.ZipFile(path) as packed:
            name = next((one for one in packed.namelist() if one.endswith(".qgs")), "")
            if packed.getinfo(name).file_size > _LARGEST_PROJECT:
                return None
            root = ET.fromstring(packed.read(name))  # noqa: S314 (expat bounds what entities unfold to)
    except (OSError, zipfile.BadZipFile, KeyError, ET.ParseError):
        return None
    return root if root.find("layer-tree-group") is not None and root.find("projectlayers") is not None else None


def qml_of(raster: str) -> str:
    """Name a raster's style file: QGIS loads it automatically if it has the raster's name."""
    return f"{raster.removesuffix('.tif')}.qml"


def write_class_style(raster: Path, classes: Mapping[int, tuple[str, str]]) -> None:
    """Write the style of a class raster beside it.

    Parameters
    ----------
    classes
        By code: name, and colour as ``#rrggbb``.
    """
    colours = {code: tuple(bytes.fromhex(colour[1:])) for code, (_, colour) in classes.items()}
    names = {code: name for code, (name, _) in classes.items()}
    _write_style(raster, _pipe(_classes(colours, names), smooth=False))


def _write_style(raster: Path, pipe: ET.Element) -> None:
    style = _Style(name=raster.name, parts=(pipe,))
    raster.with_name(qml_of(raster.name)).write_text(style.qml(), encoding="utf-8")


def _raster_style(name: str, result: Result, preview: Preview) -> _Style:
    if name == "composite.tif":
        renderer, gamma = _photo(result, preview), shades.GAMMA
    elif name == "green_fraction.tif":
        renderer, gamma = _scale(shades.RAMP, 1.0, steps=10), 1.0
    elif name == "green_uncertainty.tif":
        renderer, gamma = _scale(shades.UNSURE_RAMP, shades.UNSURE_MOST, steps=6), 1.0
    elif name == "n_clear.tif":
        dates = shades.CLEAR_MOST
        renderer, gamma = _scale(shades.CLEAR_RAMP, dates, steps=dates, unit=""), 1.0
    else:
        renderer, gamma = _classes(*legend(name, result.card.classes)), 1.0
    smooth = name not in ("green_mask.tif", "landcover.tif", "n_clear.tif")
    return _Style(name=name, parts=(_pipe(renderer, gamma=gamma, smooth=smooth),), crs=str(result.landcover.grid.crs))


def _pipe(renderer: ET.Element, *, gamma: float = 1.0, smooth: bool) -> ET.Element:
    """Wrap a raster's renderer; ``smooth`` for values that may be averaged."""
    pipe = ET.Element("pipe")
    pipe.append(renderer)
    ET.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma=f"{gamma:g}")
    ET.SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    drawn = {"maxOversampling": "2"}
    if smooth:
        drawn["zoomedOutResampler"] = "bilinear"
    ET.SubElement(pipe, "rasterresampler", drawn)
    return pipe


def _renderer(kind: str, **bands: str) -> ET.Element:
    return ET.Element("rasterrenderer", {"type": kind, "opacity": "1", "alphaBand": "-1", "nodataColor": "", **bands})


def _photo(result: Result, preview: Preview) -> ET.Element:
    """Style the photo as on the page, with the same stretch: QGIS applies a file's scale before rendering."""
    bands, (black, white) = composite_bands(result), _pictures.stretch(preview)
    names = next((names for names, _ in shades.PHOTOS if set(names) <= set(bands)), None)
    if names is None:
        grey = _renderer("singlebandgray", grayBand="1", gradient="BlackToWhite")
        _contrast(grey, "contrastEnhancement", black, float(white[0]))
        return grey
    colours = {f"{colour}Band": str(bands.index(name) + 1) for colour, name in zip(TRUE_COLOUR, names, strict=True)}
    renderer = _renderer("multibandcolor", **colours)
    for colour, most in zip(TRUE_COLOUR, white, strict=True):
        _contrast(renderer, f"{colour}ContrastEnhancement", black, float(most))
    return renderer


def _contrast(renderer: ET.Element, tag: str, low: float, high: float) -> None:
    part = ET.SubElement(renderer, tag)
    for name, text in (("minValue", f"{low:g}"), ("maxValue", f"{high:g}"), ("algorithm", "StretchToMinimumMaximum")):
        ET.SubElement(part, name).text = text


def _scale(colours: tuple[str, ...], most: float, *, steps: int, unit: str | None = None) -> ET.Element:
    """Make a continuous colour ramp from 0 to ``most``, for shares or for numbers in a unit."""
    ends = {"classificationMin": "0", "classificationMax": f"{most:g}"}
    renderer = _renderer("singlebandpseudocolor", band="1", **ends)
    ramp = ET.SubElement(
        ET.SubElement(renderer, "rastershader"), "colorrampshader", colorRampType="INTERPOLATED", classificationMode="1",
        clip="0", minimumValue="0", maximumValue=f"{most:g}",
    )  # fmt: skip
    for n in range(steps + 1):
        value = most * n / steps
        colour = shades.ramp(n / steps, colours)
        ET.SubElement(
            ramp,
            "item",
            value=f"{value:g}",
            label=f"{100 * value:.0f} %" if unit is None else f"{value:g} {unit}".strip(),
            color=colour,
            alpha="255",
        )
    return renderer


def _classes(colours: dict[int, tuple[int, ...]], names: dict[int, str]) -> ET.Element:
    renderer = _renderer("paletted", band="1")
    palette = ET.SubElement(renderer, "colorPalette")
    for code, name in names.items():
        if code != UNSEEN:
            colour = "#" + bytes(colours[code][:3]).hex()
            ET.SubElement(palette, "paletteEntry", value=str(code), label=name, color=colour, alpha="255")
    return renderer


def _vector_style(name: str) -> _Style:
    if name in (CITY, LAND):
        colour, width = ("34,34,34,255", "0.6") if name == CITY else ("31,120,180,255", "0.4")
        outline = {"style": "no", "outline_color": colour, "outline_width": width, "outline_style": "solid"}
        renderer = ET.Element("renderer-v2", type="singleSymbol", symbollevels="0", forceraster="0", enableorderby="0")
        ET.SubElement(renderer, "symbols").append(_fill("0", outline))
    else:
        renderer = ET.Element(
            "renderer-v2", type="graduatedSymbol", attr="green_ratio", graduatedMethod="GraduatedColor", symbollevels="0",
            forceraster="0", enableorderby="0",
        )  # fmt: skip
        ranges, symbols = ET.SubElement(renderer, "ranges"), ET.SubElement(renderer, "symbols")
        for n in range(10):
            low, high = n / 10, (n + 1) / 10
            label = f"{10 * n}-{10 * (n + 1)} %"
            ET.SubElement(
                ranges, "range", symbol=str(n), lower=f"{low:g}", upper=f"{high:g}", label=label, render="true"
            )
            colour = _rgba(shades.ramp((low + high) / 2))
            line = {"outline_color": "255,255,255,255", "outline_width": "0.3", "outline_style": "solid"}
            symbols.append(_fill(str(n), {"color": colour, "style": "solid", **line}))
    aliases = ET.Element("aliases")
    for field, text in _ALIASES.items():
        ET.SubElement(aliases, "alias", field=field, name=text)
    shown = ET.Element("previewExpression")
    shown.text = '"name"'
    return _Style(name=name, parts=(renderer, aliases, shown))


def _fill(name: str, properties: dict[str, str]) -> ET.Element:
    symbol = ET.Element("symbol", type="fill", name=name, alpha="1", clip_to_extent="1", force_rhr="0")
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "pass": "0", "locked": "0"})
    for key, value in properties.items():
        ET.SubElement(layer, "prop", k=key, v=value)
    return symbol


def _rgba(colour: str) -> str:
    return ",".join(map(str, (*bytes.fromhex(colour[1:]), 255)))


_STYLES_TABLE = """CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME DEFAULT
(strftime('%Y-%m-%dT%H:%M:%fZ','now')))"""


def _keep_styles(path: Path, styles: Iterable[_Style]) -> None:
    """Store default styles where QGIS looks for them: in the table that it creates when a user saves a style."""
    try:
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("PRAGMA synchronous = OFF")
            file.execute(_STYLES_TABLE)
            file.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
                "VALUES ('layer_styles', 'attributes', 'layer_styles', '', 0)"
            )
            for style in styles:
                file.execute(
                    "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
                    "styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, 'geom', ?, ?, '', 1, ?, '')",
                    (style.name, style.name, style.qml(), style.title),
                )
    except sqlite3.Error as error:
        raise OutputError(f"{path}: its styles cannot be written ({error}); free some space and try again") from error


def _project(title: str, crs: str, bounds: Sequence[float]) -> ET.Element:
    """Make a project without layers that refers to the files beside it by relative paths; the bounds in its CRS."""
    root = ET.Element("qgis", version=_VERSION, projectname=title)
    ET.SubElement(root, "title").text = title
    ET.SubElement(root, "projectCrs").append(_crs(crs))
    ET.SubElement(root, "layer-tree-group")
    canvas = ET.SubElement(root, "mapcanvas", name="theMapCanvas")
    ET.SubElement(canvas, "units").text = "meters"
    extent = ET.SubElement(canvas, "extent")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        ET.SubElement(extent, name).text = repr(float(value))
    ET.SubElement(canvas, "destinationsrs").append(_crs(crs))
    ET.SubElement(root, "projectlayers")
    properties = ET.SubElement(root, "properties")
    paths, system = ET.SubElement(properties, "Paths"), ET.SubElement(properties, "SpatialRefSys")
    ET.SubElement(paths, "Absolute", type="bool").text = "false"
    ET.SubElement(system, "ProjectionsEnabled", type="int").text = "1"
    return root


def _show(project: ET.Element, styles: Iterable[_Style], *, shown: Collection[str]) -> None:
    """Add layers to a project, below existing ones; the named ones are visible on opening."""
    tree, layers = project.find("layer-tree-group"), project.find("projectlayers")
    if tree is None or layers is None:
        return
    for style in styles:
        source = f"./{TABLES}|layername={style.name}" if style.vector else f"./{style.name}"
        driver = "ogr" if style.vector else "gdal"
        about = {"id": style.key, "name": style.title, "source": source, "providerKey": driver}
        checked = "Qt::Checked" if style.name in shown else "Qt::Unchecked"
        ET.SubElement(tree, "layer-tree-layer", about, checked=checked, expanded=str(int(style.name in shown)))
        kind = {"type": "vector", "geometry": "Polygon"} if style.vector else {"type": "raster"}
        layer = ET.SubElement(layers, "maplayer", kind, hasScaleBasedVisibilityFlag="0")
        for tag, text in (("id", style.key), ("datasource", source), ("layername", style.title)):
            ET.SubElement(layer, tag).text = text
        ET.SubElement(layer, "srs").append(_crs(style.crs))
        ET.SubElement(layer, "provider", {"encoding": "UTF-8"} if style.vector else {}).text = driver
        layer.extend(style.parts)


def _hide(project: ET.Element, key: str) -> None:
    """Remove a layer from a project."""
    for parent in (project.find("layer-tree-group"), project.find("projectlayers")):
        for one in [] if parent is None else list(parent):
            if key in (one.get("id"), one.findtext("id")):
                parent.remove(one)  # type: ignore[union-attr]


def _crs(name: str) -> ET.Element:
    from pyproj import CRS

    crs = CRS.from_user_input(name)
    found = ET.Element("spatialrefsys")
    # QGIS 3.22 does not recognise the EPSG code in the newest WKT, with area of use.
    for tag, text in (("wkt", crs.to_wkt("WKT1_GDAL")), ("authid", name), ("description", crs.name)):
        ET.SubElement(found, tag).text = text
    return found
