"""A folium map of a result, for notebooks; its libraries are embedded (``vendor/``), so that it works offline."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from howgreen.core import words
from howgreen.core.geometry import transformer
from howgreen.report import _pictures
from howgreen.report._templates import text_of

if TYPE_CHECKING:
    import folium
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Result
    from howgreen.report._pictures import Preview

AROUND_M = 2 * math.pi * 6_378_137
"""Width of the world in EPSG:3857."""
SCRIPTS = ("vendor/leaflet/leaflet.js", "vendor/geoman/leaflet-geoman.js")
STYLES = ("vendor/leaflet/leaflet.css", "vendor/geoman/leaflet-geoman.css")
SEEN = "Seen how often"
"""Short, so that the open list of layers covers no more of the map than its longest name needs."""
_BUTTON = """.howgreen-export button { border: 0; border-radius: 2px; background: #fff; color: #222; font: 13px system-ui, sans-serif;
  padding: 0 9px; height: 30px; cursor: pointer; } .howgreen-export button:hover { background: #f4f4f4; }"""


def explore(result: Result, *, longest_px: int = 1600) -> folium.Map:
    """Draw a map with photo, green share, classes, number of clear dates, limits, districts and a drawing tool.

    Drawn shapes are exported as ``area.geojson``, for ``howgreen city --area``. The map works without a network, except
    for the street layer (OpenStreetMap). The pictures are warped to the map's EPSG:3857, so that they are placed
    correctly.

    Parameters
    ----------
    longest_px
        Longest side of the pictures, in pixels.
    """
    import folium

    from howgreen.core.geometry import bounds_of

    preview = _pictures.from_data(result, longest_px=longest_px)
    west, south, east, north = bounds_of(result.plan.city.boundary)
    shown = folium.Map(control_scale=True, tiles="OpenStreetMap")
    shown.default_js, shown.default_css = [], []  # folium would load them, and more, from the web
    _libraries().add_to(shown)
    unsure = _pictures.uncertainty_picture(preview, result.landcover.water_codes)
    layers = (
        (f"Photo ({preview.photo_kind})", _with_alpha(preview), True),
        ("Green share", _pictures.rgba(_pictures.fraction_picture(preview, result.landcover.water_codes)), True),
        ("Classes", _pictures.rgba(_pictures.classes_picture(preview, result.card.classes)), False),
        *([] if unsure is None else [("Uncertainty", _pictures.rgba(unsure), False)]),
        *([(SEEN, _pictures.rgba(_pictures.clear_picture(preview)), False)] if preview.seen_at_all else []),
    )
    for name, image, visible in layers:
        warped, bounds = to_web_mercator(image, preview)
        folium.raster_layers.ImageOverlay(image=warped, bounds=bounds, name=name, show=visible, opacity=0.9).add_to(
            shown
        )
    _outlines(result, shown)
    folium.LayerControl(collapsed=False).add_to(shown)
    _drawing(shown).add_to(shown)
    shown.fit_bounds([[south, west], [north, east if east > west else east + 360]])
    return shown


def _libraries() -> Any:
    """Return an element that embeds the libraries in the head of the page."""
    styles = "".join(f"<style>{text_of(name)}</style>\n" for name in STYLES) + f"<style>{_BUTTON}</style>\n"
    return _element("header", styles + "".join(f"<script>{text_of(name)}</script>\n" for name in SCRIPTS))


def _drawing(shown: folium.Map) -> Any:
    """Return an element that adds the drawing tool and its export, after everything else is on the map."""
    script = text_of("drawing.js").replace("MAP;", f"{shown.get_name()};", 1).replace("FILENAME", '"area.geojson"')
    return _element("script", script)


def _element(place: str, text: str) -> Any:
    """Make a folium element from text that is not a Jinja template; folium renders it twice."""
    from branca.element import MacroElement
    from jinja2 import Template

    element: Any = MacroElement()  # type: ignore[no-untyped-call]
    element._template = Template(  # noqa: SLF001 (folium's own way to give an element its text)
        "{% macro " + place + "(this, kwargs) %}{{ this.text }}{% endmacro %}"
    )
    element.text = f"{{% raw %}}{text}{{% endraw %}}"
    return element


def to_web_mercator(image: Any, preview: Preview) -> tuple[Any, list[list[float]]]:
    """Warp an RGBA picture (y, x, 4) to EPSG:3857; return its corners as ``[[south, west], [north, east]]`` degrees."""
    import numpy as np
    import shapely
    from affine import Affine
    from rasterio.warp import Resampling, reproject

    rows, columns = image.shape[:2]
    t = preview.transform
    frame = shapely.box(t.c, t.f + t.e * rows, t.c + t.a * columns, t.f)
    to_mercator = transformer(str(preview.crs), "EPSG:3857").transform
    dense = shapely.segmentize(frame, max(t.a * columns, -t.e * rows) / 20)
    moved = shapely.transform(dense, lambda p: np.column_stack(to_mercator(p[:, 0], p[:, 1])))
    if moved.bounds[2] - moved.bounds[0] > AROUND_M / 2:  # across the antimeridian: the map continues to the east
        moved = shapely.transform(moved, lambda p: p + [[AROUND_M, 0]] * (p[:, :1] < 0))
    west, south, east, north = moved.bounds
    # As many pixels as the picture has, but square.
    side = max((east - west) / columns, (north - south) / rows)
    width, height = int(np.ceil((east - west) / side)), int(np.ceil((north - south) / side))
    warped = np.zeros((4, height, width), dtype=np.uint8)
    reproject(
        np.ascontiguousarray(np.moveaxis(image, 2, 0)),
        warped,
        src_transform=t,
        src_crs=preview.crs,
        dst_transform=Affine(side, 0, west, 0, -side, north),
        dst_crs="EPSG:3857",
        resampling=Resampling.nearest,
    )
    to_degrees = transformer("EPSG:3857", "EPSG:4326").transform
    _, bottom = to_degrees(0, north - side * height)
    _, top = to_degrees(0, north)
    left, right = (360 * x / AROUND_M for x in (west, west + side * width))  # may be beyond 180
    return np.moveaxis(warped, 0, 2), [[bottom, left], [top, right]]


def _with_alpha(preview: Preview) -> Any:
    import numpy as np

    seen = ~np.isnan(preview.photo).any(axis=0)
    return np.dstack([_pictures.photo_rgb(preview), np.where(seen, 255, 0).astype(np.uint8)])


def eastward(shape: BaseGeometry) -> BaseGeometry:
    """Shift shapes west of Greenwich to longitudes above 180 degrees."""
    import shapely

    moved: BaseGeometry = shapely.transform(shape, lambda p: p + [[360, 0]] * (p[:, :1] < 0))
    return shapely.union_all(shapely.get_parts(moved), grid_size=1e-9)


def _outlines(result: Result, shown: folium.Map) -> None:
    """Draw limits and districts with their figures. Names are escaped: tooltips are HTML."""
    import folium

    from howgreen.core.geometry import boxes

    zones = result.zones[["name", "kind", "geometry"]].copy()
    if len(boxes(result.plan.city.boundary)) > 1:  # next to the pictures, which continue beyond 180 degrees
        zones["geometry"] = [eastward(shape) for shape in zones["geometry"]]
    zones["name"] = [escape(str(name)) for name in zones["name"]]
    ranges = zip(result.zones["interval_low"], result.zones["interval_high"], strict=True)
    zones["green"] = [words.percent(value) for value in result.zones["green_ratio"]]
    zones["interval"] = [words.span(low, high) or words.NONE for low, high in ranges]
    zones["seen"] = [words.percent(value) for value in result.zones["observed_ratio"]]
    looks = {
        "city": {"color": "#17231c", "weight": 3, "fillOpacity": 0},
        "district": {"color": "#ffffff", "weight": 1.5, "dashArray": "5 3", "fillOpacity": 0.01},
    }
    titles = {"city": f"Limits of {escape(result.plan.city.label)}", "district": "Districts"}
    for kind, style in looks.items():
        rows = zones[zones["kind"] == kind]
        if rows.empty:
            continue
        tooltip = folium.GeoJsonTooltip(
            ["name", "green", "interval", "seen"], aliases=["", "green", "interval", "land seen"]
        )
        layer = folium.GeoJson(
            rows.drop(columns="kind"),
            name=titles[kind],
            style_function=lambda _, style=style: style,
            tooltip=tooltip,
        )
        layer.add_to(shown)
