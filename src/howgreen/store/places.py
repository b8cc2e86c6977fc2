"""Cities as GeoJSON: the city first, then its districts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shapely.geometry import mapping

from howgreen.core.errors import StoreError
from howgreen.core.geometry import area_from
from howgreen.core.text import is_called, one_line
from howgreen.core.types import City, District, Population

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def city_to_feature(city: City) -> dict[str, Any]:
    """Return the city as a GeoJSON FeatureCollection, EPSG:4326, of plain JSON values, followed by its districts."""
    properties = {
        "role": "city",
        "name": city.name,
        "label": city.label,
        "id": city.id,
        "crs": city.crs,
        "area_m2": city.area_m2,
        "kind": city.kind,
        "admin_level": city.admin_level,
        "country": city.country,
        "licence": city.licence,
        "synthetic": city.synthetic,
        "note": city.note,
        "land": mapping(city.land) if city.land else None,
        "land_source": city.land_source,
        **_population(city.population),
    }
    features = [{"type": "Feature", "properties": properties, "geometry": mapping(city.boundary)}]
    for part in city.districts:
        level = {} if part.level is None else {"admin_level": part.level}
        own = {"role": "district", "name": part.name, "id": part.id, **level, **_population(part.population)}
        features.append({"type": "Feature", "properties": own, "geometry": mapping(part.boundary)})
    return {"type": "FeatureCollection", "features": features}


def city_from_feature(value: Mapping[str, Any], *, path: Path | str = "place") -> City:
    """Return the city in the output of :func:`city_to_feature`, else StoreError."""
    try:
        first, *rest = value["features"]
        own = first["properties"]
        return City(
            name=one_line(str(own["name"])),
            label=one_line(str(own["label"])),
            id=one_line(str(own["id"])),
            boundary=area_from(first["geometry"]),
            crs=str(own["crs"]),
            area_m2=float(own["area_m2"]),
            kind=one_line(str(own["kind"])),
            admin_level=own.get("admin_level"),
            country=one_line(str(own.get("country") or "")),
            districts=tuple(_district(feature) for feature in rest),
            population=_read_population(own),
            licence=one_line(str(own.get("licence") or "")),
            synthetic=own.get("synthetic") is True,
            note=one_line(str(own.get("note") or "")),
            land=area_from(own["land"]) if own.get("land") else None,
            land_source=one_line(str(own.get("land_source") or "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StoreError(f"{path}: not a place as howgreen keeps it ({error!r}); add it again with `--area`") from error


def _district(feature: Mapping[str, Any]) -> District:
    own = feature["properties"]
    return District(
        name=one_line(str(own["name"])),
        id=one_line(str(own["id"])),
        boundary=area_from(feature["geometry"]),
        population=_read_population(own),
        level=own.get("admin_level"),
    )


def _population(known: Population | None) -> dict[str, Any]:
    if known is None:
        return {}
    return {"population": known.count, "population_year": known.year, "population_source": known.source}


def _read_population(own: Mapping[str, Any]) -> Population | None:
    if own.get("population") is None:
        return None
    return Population(
        count=int(own["population"]), year=int(own["population_year"]), source=str(own["population_source"])
    )


def goes_by(city: City, name: str) -> bool:
    """Tell whether a name means this place: its name, label, one half of ``Bolzano/Bozen``, or its id."""
    return name.strip().casefold() == city.id.casefold() or any(is_called(one, name) for one in (city.name, city.label))
