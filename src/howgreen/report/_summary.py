"""The figures of a result as JSON values."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from howgreen.core.sensors import SENSORS
from howgreen.core.types import FIGURES, INTERVAL_ENDS
from howgreen.report.figures import FORMAT, Summary

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from howgreen.core.models import ModelCard
    from howgreen.core.types import City, GreenStats, Plan, Population, Result, Scene


def summary(result: Result) -> Summary:
    """Gather all figures of a result, as in ``summary.json`` before any file is written (``files`` is empty).

    The fields of :class:`howgreen.core.types.GreenStats` are at the top level, under their own names. Absent figures
    are None. ``summary.schema.json`` describes every key.
    """
    return Summary.from_dict(values(result))


def values(result: Result) -> dict[str, Any]:
    """Gather the figures as JSON values, to be completed by the writer of the files."""
    plan = result.plan
    return {
        "format": FORMAT,
        "howgreen": plan.howgreen,
        "synthetic": is_synthetic(plan),
        "city": city_values(plan.city),
        "period": {
            "start": plan.period.start.isoformat(),
            "end": plan.period.end.isoformat(),
            "months": list(plan.period.months),
        },
        **_figures({name: getattr(result.stats, name) for name in FIGURES}),
        "dry_ratio": result.stats.dry_ratio,
        "interval": None if result.stats.interval is None else asdict(result.stats.interval),
        "estimate": None,
        "denominators": _denominators(result.stats),
        "warnings": [asdict(caution) for caution in result.warnings],
        "area_by_class_m2": {name: float(value) for name, value in result.stats.area_by_class_m2.items()},
        "districts": _districts(result),
        "sensor": plan.sensor,
        "bands": list(plan.bands),
        "n_scenes": len(plan.scenes),
        "scenes": [_scene(scene) for scene in plan.scenes],
        "radar": [_scene(scene) for scene in plan.radar],
        "passed_over": [_scene(scene) for scene in plan.passed_over],
        "clear_looks": None,
        "grid": _grid(plan),
        "source": plan.source,
        "notes": list(plan.notes),
        "model": _model(result.card, plan.model_sha256),
        "truth": None,
        "files": {},
        "attributions": attributions(result),
        "provenance": dict(result.provenance),
    }


def is_synthetic(plan: Plan) -> bool:
    """Tell whether any input was simulated."""
    return plan.city.synthetic or any(scene.synthetic for scene in (*plan.scenes, *plan.radar))


def attributions(result: Result) -> list[str]:
    """List everything that requires attribution."""
    scenes = (*result.plan.scenes, *result.plan.radar)
    years = sorted({scene.time.year for scene in scenes if scene.sensor.startswith("sentinel")})
    named = credits_of(
        result.plan, sentinel=", ".join(map(str, years)), landsat=any(scene.sensor == "landsat" for scene in scenes)
    )
    return [*named, f"Model {result.card.name} {result.card.version}: {result.card.licence}"]


def credits_of(plan: Plan, *, sentinel: str, landsat: bool) -> list[str]:
    """List the attributions required by the providers of limits and images.

    Parameters
    ----------
    sentinel
        Years of Sentinel images; empty if there are none.
    landsat
        Whether there are Landsat images.
    """
    named = [plan.city.licence, plan.city.land_source]
    if is_synthetic(plan):
        named.append("Simulated images and limits: no real place, no satellite data")
    else:
        named += [f"Contains modified Copernicus Sentinel data {sentinel}"] if sentinel else []
        named += ["Landsat imagery courtesy of the U.S. Geological Survey"] if landsat else []
    return [text for text in named if text]


def _figures(values: Mapping[Hashable, Any]) -> dict[str, float | None]:
    return {name: _number(values[name]) for name in FIGURES}


def _denominators(stats: GreenStats) -> dict[str, Any]:
    def over(whole_m2: float) -> float | None:
        return stats.green_area_m2 / whole_m2 if whole_m2 > 0 and stats.green_ratio is not None else None

    return {
        "headline": "observed",
        "total": over(stats.zone_area_m2),
        "land": over(stats.land_area_m2),
        "observed": stats.green_ratio,
        "populated": None,
    }


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def city_values(city: City) -> dict[str, Any]:
    """Gather the figures of a place as JSON values."""
    from howgreen.core.geometry import bounds_of

    return {
        "name": city.name,
        "label": city.label,
        "id": city.id,
        "kind": city.kind,
        "crs": city.crs,
        "bounds": list(bounds_of(city.boundary)),
        "population": _population(city.population),
        "licence": city.licence,
        "note": city.note,
        "land_source": city.land_source,
    }


def _population(population: Population | None) -> dict[str, Any] | None:
    return None if population is None else asdict(population)


def _districts(result: Result) -> list[dict[str, Any]]:
    level = result.stats.interval.level if result.stats.interval else None
    method = result.stats.interval.method if result.stats.interval else None
    known = {district.id: district for district in result.plan.city.districts}
    found = []
    for row in result.zones.to_dict("records"):
        if row["kind"] != "district":
            continue
        ends = {end: _number(row[f"interval_{end}"]) for end in INTERVAL_ENDS}
        interval = None if ends["low"] is None else {**ends, "level": level, "method": method}
        found.append(
            {
                "name": str(row["name"]),
                "id": str(row["id"]),
                "level": known[row["id"]].level if row["id"] in known else None,
                "population": _population(known[row["id"]].population if row["id"] in known else None),
                **_figures(row),
                "interval": interval,
            }
        )
    return found


def _scene(scene: Scene) -> dict[str, Any]:
    return {
        "id": scene.id,
        "date": scene.time.date().isoformat(),
        "time": scene.time.isoformat(),
        "sensor": SENSORS[scene.sensor].label,
        "platform": scene.platform,
        "clear_pct": scene.clear_pct,
        "covered_pct": scene.covered_pct,
        "cloud_cover_pct": scene.cloud_cover_pct,
        "synthetic": scene.synthetic,
    }


def _grid(plan: Plan) -> dict[str, Any]:
    return {
        "crs": str(plan.grid.crs),
        "shape": [int(size) for size in plan.grid.shape],
        "transform": [float(value) for value in plan.grid.transform[:6]],
    }


def _model(card: ModelCard, sha256: str) -> dict[str, Any]:
    return {
        "name": card.name,
        "version": card.version,
        "sha256": sha256,
        "description": card.description,
        "bands": list(card.bands),
        "classes": [asdict(item) for item in card.classes],
        "scores": {name: float(value) for name, value in card.scores.items()},
        "reference_error": None if card.reference_error is None else asdict(card.reference_error),
        "training_data": card.training_data,
        "licence": card.licence,
    }
