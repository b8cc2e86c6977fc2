"""Plans as JSON, both ways, and in words: a :class:`Plan` can save, load and describe itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import shapely.geometry
from shapely.errors import ShapelyError

from howgreen import imagery
from howgreen.core import notebook, types, words
from howgreen.core.errors import OutputError, PeriodError, PlanError, StoreError
from howgreen.core.files import write_atomic
from howgreen.core.geometry import project
from howgreen.core.known_types import known
from howgreen.core.sensors import SENSORS
from howgreen.core.text import one_line
from howgreen.core.types import Asset, Encoding, MeasuredSeason, MonthGreenness, Period, Scene
from howgreen.core.warnings import Caution
from howgreen.pipeline._plan_file import GridFile, PlanFile, SceneFile, SeasonFile
from howgreen.pipeline._rebase import rebased
from howgreen.store import city_from_feature, city_to_feature

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

_LONGEST_FAULT = 300
_ASSET_KEYS = ("band", "href", "index", "size_bytes", "sha256", "signer")
VERSION = 1
"""Version of the JSON layout; a reader refuses others."""
MAX_BYTES = 64 * 2**20
"""A plan file larger than this is not a plan."""
COMMON_MBIT_S = 50
"""Connection speed for estimating waiting times."""


@dataclass(frozen=True, kw_only=True)
class Plan(types.Plan):
    """Everything that decides an answer, before any reflectance is read: same plan, same answer."""

    @classmethod
    def load(cls, path: str | Path, *, store: str | Path | None = None) -> Plan:
        """Read a plan saved on this or another computer.

        Parameters
        ----------
        store
            Current location of the store that the plan was made with: images are found by their checksums.

        Raises
        ------
        PlanError
            The file cannot be read, or is not a plan of this version, or the store lacks one of the images.
        """
        plan = load(Path(path))
        return plan if store is None else rebased(plan, Path(store))

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON, whole or not at all; ``howgreen city --plan FILE`` runs it as well."""
        save(self, Path(path))

    def describe(self) -> str:
        """Say what the plan will do: the place, scenes with their dates and clear cover, bytes to read, warnings."""
        return describe(self)

    def __repr__(self) -> str:
        """Show in one line what distinguishes this plan."""
        images = words.count(len(self.scenes), "scene")
        told = f", {words.count(len(self.warnings), 'warning')}" if self.warnings else ""
        return words.plain(f"<Plan {self.city.label}: {self.period}, {self.sensor}, {images}, {self.model}{told}>")

    def _repr_html_(self) -> str:
        rows = [
            ("Period", str(self.period)),
            ("Images", f"{len(self.scenes)} of {SENSORS[self.sensor].label}, {_days(self)}"),
            ("Source", self.source),
            ("Model", self.model),
            *(
                (f"{scene.time:%Y-%m-%d}", f"{_share(scene.clear_pct)} % clear, {scene.id}")
                for scene in self.scenes[:12]
            ),
            ("", "…" if len(self.scenes) > 12 else ""),
        ]
        return notebook.panel(f"Plan for {self.city.label}", rows, warnings=map(str, self.warnings))


def _days(plan: types.Plan) -> str:
    return words.days([scene.time.date() for scene in plan.scenes])


def to_json(plan: types.Plan) -> str:
    """Write a plan as JSON text; :func:`from_json` gives the same plan back."""
    return json.dumps(
        {
            "howgreen_plan": VERSION,
            "howgreen": plan.howgreen,
            "city": city_to_feature(plan.city),
            "period": {
                "start": plan.period.start.isoformat(),
                "end": plan.period.end.isoformat(),
                "months": list(plan.period.months),
            },
            "sensor": plan.sensor,
            "grid": _grid_to_json(plan.grid),
            "bands": list(plan.bands),
            "source": _without_home(plan.source),
            "model": _without_home(plan.model),
            "model_sha256": plan.model_sha256,
            "scenes": [_scene_to_json(scene) for scene in plan.scenes],
            "passed_over": [_scene_to_json(scene) for scene in plan.passed_over],
        }
        | ({"radar": [_scene_to_json(scene) for scene in plan.radar]} if plan.radar else {})
        | ({"season": season_values(plan.season)} if plan.season else {})
        | ({"notes": list(plan.notes)} if plan.notes else {})
        | _warnings_to_json(plan.warnings),
        indent=1,
        ensure_ascii=False,
    )


def sha256_of(plan: types.Plan) -> str:
    """Hash a plan, which decides the answer: it ties samples drawn from a map to that map."""
    return hashlib.sha256(to_json(plan).encode()).hexdigest()


def for_strangers(plan: types.Plan) -> str:
    """Write a plan as JSON text that names no local folder; its local images are found again by their checksums."""
    from howgreen.report.private import roots_of, without_paths

    value = without_paths(json.loads(to_json(plan)), roots_of(plan))
    return json.dumps(value, indent=1, ensure_ascii=False)


def from_json(text: str) -> Plan:
    """Read what :func:`to_json` wrote.

    Raises
    ------
    PlanError
        The text is not a plan of this version; the message names what is wrong.
    """
    try:
        version = msgspec.json.decode(text, type=known(_Version)).howgreen_plan
        if version != VERSION:
            raise PlanError(f"plan of layout {version}: this howgreen reads {VERSION}; make a new plan")
        return _plan(msgspec.json.decode(text, type=known(PlanFile)))
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError, StoreError, ShapelyError) as error:
        if isinstance(error, PlanError):
            raise
        what = one_line(str(error))[:_LONGEST_FAULT]
        raise PlanError(f"this is not a howgreen plan ({what}); make one with `plan --out`") from error


class _Version(msgspec.Struct):
    howgreen_plan: int


def _plan(data: PlanFile) -> Plan:
    """Build a plan from its file; ValueError if a value is not valid for its key."""
    plan = Plan(
        city=city_from_feature(data.city),
        period=Period(start=data.period.start, end=data.period.end, months=data.period.months),
        sensor=data.sensor,
        grid=_grid(data.grid),
        scenes=tuple(map(_scene, data.scenes)),
        passed_over=tuple(map(_scene, data.passed_over)),
        bands=data.bands,
        source=_at_home(data.source),
        model=_at_home(data.model),
        model_sha256=data.model_sha256,
        howgreen=data.howgreen,
        radar=tuple(map(_scene, data.radar)),
        season=_season(data.season),
        notes=data.notes,
        warnings=tuple(Caution(one.code, one.text) for one in data.warnings),
    )
    _check(plan)
    return plan


def season_values(season: MeasuredSeason) -> dict[str, Any]:
    """Return a measured season as JSON values."""
    return {
        "searched": [season.searched.start.isoformat(), season.searched.end.isoformat()],
        "read_bytes": season.read_bytes,
        "months": [asdict(one) | {"month": f"{one.month:%Y-%m}"} for one in season.months],
    }


def _season(data: SeasonFile | None) -> MeasuredSeason | None:
    if data is None:
        return None
    start, end = data.searched
    months = (MonthGreenness(**_values(one) | {"month": Period.parse(one.month).start}) for one in data.months)
    return MeasuredSeason(searched=Period(start=start, end=end), months=tuple(months), read_bytes=data.read_bytes)


def _grid(data: GridFile) -> GeoBox:
    from affine import Affine
    from odc.geo.geobox import GeoBox
    from pyproj.exceptions import ProjError

    try:
        return GeoBox(data.shape, Affine(*data.transform), data.crs)
    except ProjError as error:
        raise ValueError(f"grid: {error}") from error


def _scene(data: SceneFile) -> Scene:
    assets = (
        Asset(
            **{key: getattr(one, key) for key in _ASSET_KEYS} | {"href": _at_home(one.href)},
            encoding=None if one.encoding is None else Encoding(**_values(one.encoding)),
        )
        for one in data.assets
    )
    return Scene(
        **_values(data)
        | {
            "footprint": shapely.geometry.shape(data.footprint),
            "assets": tuple(assets),
            "warnings": tuple(Caution(one.code, one.text) for one in data.warnings),
        }
    )


LEAST_PIXEL = 1.0
"""Smallest pixel of a plan's grid, in metres: at a hundredth of it, a hectare would have a hundred million pixels."""
MOST_AROUND, ROOM_PX = 4.0, 1000.0
"""A plan's grid may have at most MOST_AROUND times the pixels of the limits' own box, widened by ROOM_PX along each
side."""


def _values(part: msgspec.Struct) -> dict[str, Any]:
    return {key: getattr(part, key) for key in part.__struct_fields__}


def _check(plan: types.Plan) -> None:
    """Raise ValueError if values contradict each other: a plan may have been edited by hand."""
    if len(set(plan.bands)) < len(plan.bands):
        raise ValueError("bands: one of them is named twice")
    if plan.sensor not in SENSORS or any(scene.sensor != plan.sensor for scene in (*plan.scenes, *plan.passed_over)):
        raise ValueError(f"sensor: one of {', '.join(SENSORS)}, and all scenes are of it")
    if any(scene.sensor not in SENSORS or not SENSORS[scene.sensor].is_radar for scene in plan.radar) or (
        plan.radar and SENSORS[plan.sensor].is_radar
    ):
        raise ValueError("radar: scenes of sentinel-1, beside those of another sensor")
    if len({scene.id for scene in (*plan.scenes, *plan.radar)}) < len(plan.scenes) + len(plan.radar):
        raise ValueError("scenes: one of them is there twice")
    affine = plan.grid.affine
    if not (affine.a > 0 > affine.e and affine.b == affine.d == 0 and plan.grid.crs and plan.grid.crs.projected):
        raise ValueError("grid: north up, in metres of a projected CRS")
    if not plan.city.boundary.is_valid:
        raise ValueError("city: its boundary crosses itself")
    _check_place(plan)


def _check_place(plan: types.Plan) -> None:
    """Raise ValueError if the grid does not match the limits, or the land lies elsewhere.

    Ground would be missing, or there without end.
    """
    city, pixel = plan.city, abs(plan.grid.affine.a)
    if not pixel >= LEAST_PIXEL:
        raise ValueError(f"grid: pixels of {pixel:g}, at least {LEAST_PIXEL:g} m")
    west, south, east, north = project(city.boundary, str(plan.grid.crs)).bounds
    box = plan.grid.boundingbox
    if west < box.left - pixel or south < box.bottom - pixel or east > box.right + pixel or north > box.top + pixel:
        raise ValueError("grid: it does not hold the limits")
    height, width = plan.grid.shape
    if height * width > MOST_AROUND * ((east - west) / pixel + ROOM_PX) * ((north - south) / pixel + ROOM_PX):
        raise ValueError("grid: far larger than the limits")
    if city.land is not None and not city.land.intersects(city.boundary):
        raise ValueError("city: its land lies elsewhere")


def load(path: Path) -> Plan:
    """Read a plan file, as :func:`from_json`."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_BYTES)
        return from_json(text)
    except OSError as error:
        raise PlanError(f"{path}: {error.strerror}; make a plan with `howgreen plan --out`") from error
    except (UnicodeDecodeError, PlanError, PeriodError) as error:
        raise PlanError(f"{path}: {error}") from error


def save(plan: types.Plan, path: Path) -> None:
    """Write a plan file, whole or not at all."""
    try:
        write_atomic(path, to_json(plan))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}; choose another file for the plan") from error


def describe(plan: types.Plan) -> str:
    """Describe what a plan will do: the city, the scenes with their clear cover, the bytes to read."""
    city, sensor = plan.city, SENSORS[plan.sensor]
    height, width = plan.grid.shape
    lines = [
        f"{city.label} ({city.kind}, {city.area_m2 / 1e6:.1f} km², {city.id})",
        *([f"note: {city.note}"] if city.note else []),
        *(f"warning: {caution.text}" for caution in plan.warnings),
        *(f"note: {note}" for note in plan.notes),
        f"period {plan.period}, {sensor.label}, model {plan.model} ({len(plan.bands)} bands)",
        *(
            [f"season: {plan.season.read_bytes / 2**20:.1f} MiB of overviews were read to measure it"]
            if plan.season and plan.season.read_bytes
            else []
        ),
        f"grid {width} x {height} pixels of {abs(plan.grid.resolution.x):g} m, {plan.grid.crs}",
        f"scenes used: {len(plan.scenes)}, {_bytes(plan)}",
        *(_line(scene) for scene in plan.scenes),
    ]
    if plan.radar:
        lines += [f"radar beside them: {len(plan.radar)}", *(_line(scene) for scene in plan.radar)]
    if plan.passed_over:
        lines += [f"found and not used: {len(plan.passed_over)}", *(_line(scene) for scene in plan.passed_over)]
    return "\n".join(lines)


def reading(plan: types.Plan) -> str:
    """Say in one line how much a run will read, and from where."""
    return f"{words.count(len(plan.scenes) + len(plan.radar), 'image')} of {plan.city.label}: {_bytes(plan)}"


def bytes_to_read(plan: types.Plan, scenes: Sequence[Scene] | None = None) -> int:
    """Estimate how many bytes a run will read of a plan's images, or of some of them."""
    return imagery.estimate_bytes((*plan.scenes, *plan.radar) if scenes is None else scenes, plan.bands, grid=plan.grid)


def _bytes(plan: types.Plan) -> str:
    size = bytes_to_read(plan)
    return f"about {size / 2**20:.0f} MiB to read from {plan.source}{_wait(plan, size)}"


def _wait(plan: types.Plan, size_bytes: int) -> str:
    """Estimate how long remote images take to arrive."""
    if "://" not in plan.source:
        return ""
    seconds = size_bytes * 8 / (COMMON_MBIT_S * 1e6)
    time = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return f": {time} at {COMMON_MBIT_S} Mbit/s"


def _line(scene: Scene) -> str:
    clear, covered = _share(scene.clear_pct), _share(scene.covered_pct)
    return f"  {scene.time:%Y-%m-%d}  clear {clear:>3s} % of the city, covers {covered:>3s} %  {scene.id}"


def _share(percent: float | None) -> str:
    return "?" if percent is None else f"{percent:.0f}"


def _without_home(path: str) -> str:
    """Write a path under the home folder with ``~``: a plan that is passed on does not name its author."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if len(home) > 1 and path.startswith((f"{home}/", f"{home}\\")) else path


def _at_home(path: str) -> str:
    """Expand a path written by :func:`_without_home`, on any computer."""
    return f"{Path.home()}{path[1:]}" if path.startswith(("~/", "~\\")) else path


def _grid_to_json(grid: GeoBox) -> dict[str, Any]:
    return {"crs": str(grid.crs), "shape": list(grid.shape), "transform": list(grid.transform)[:6]}


def _scene_to_json(scene: Scene) -> dict[str, Any]:
    return {
        "id": scene.id,
        "sensor": scene.sensor,
        "time": scene.time.isoformat(),
        "footprint": shapely.geometry.mapping(scene.footprint),
        "assets": [
            {key: value for key, value in asdict(asset).items() if key != "encoding" or value}
            | {"href": _without_home(asset.href)}
            for asset in scene.assets
        ],
        "scale": scene.scale,
        "offset": scene.offset,
        "nodata": scene.nodata,
        "cloud_cover_pct": scene.cloud_cover_pct,
        "clear_pct": scene.clear_pct,
        "covered_pct": scene.covered_pct,
        "platform": scene.platform,
        "power": scene.power,
        "synthetic": scene.synthetic,
        "radiometry": scene.radiometry,
        **_warnings_to_json(scene.warnings),
    }


def _warnings_to_json(cautions: Sequence[Caution]) -> dict[str, Any]:
    return {"warnings": [asdict(caution) for caution in cautions]} if cautions else {}
