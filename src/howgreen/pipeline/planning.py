"""From a place and an image source to a plan: the scenes, bands and model to use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import howgreen
from howgreen import imagery, landcover
from howgreen.core import bandpass, types
from howgreen.core.acquisitions import acquisitions
from howgreen.core.errors import (
    ContradictionError,
    HowgreenError,
    ImageError,
    MissingBandsError,
    NoImageError,
    PlanError,
)
from howgreen.core.sensors import RADAR_BANDS, SENSORS, SENTINEL1, VARIATION_OF, bands_in_files
from howgreen.core.text import closest
from howgreen.core.types import Period, Season
from howgreen.core.warnings import Caution
from howgreen.net.http import redact_url
from howgreen.net.network import Network
from howgreen.pipeline import _doubts, image_sources
from howgreen.pipeline._doubts import gather
from howgreen.pipeline.inputs import Catalogs, Store, to_city
from howgreen.pipeline.plan_json import Plan

if TYPE_CHECKING:
    from howgreen.core.models import ModelCard
    from howgreen.core.types import City, Progress, Scene
    from howgreen.net.endpoints import Catalog
    from howgreen.pipeline.inputs import Area


T = TypeVar("T")

FEWEST_FOR_VARIATION = 4
"""With fewer acquisitions, a field that is sown and mown cannot be told from unchanging ground."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The user's choice of images and model."""

    sensor: str = "sentinel-2"
    """Key of :data:`howgreen.core.sensors.SENSORS`."""
    model: str | Path | None = None
    """Name of a model or path of an ONNX file; None for the best that the images' bands allow."""
    period: Season | Period | str | int | date | None = None
    """See :func:`howgreen.pipeline.image_sources.asked_period`; a date means that one day."""
    bandpass: str = ""
    """Key of :data:`howgreen.core.bandpass.BANDPASSES`: the published regression to apply; empty for none."""
    platforms: tuple[str, ...] = ()
    """Use only scenes of these satellites (``landsat-5``); empty for all of the sensor's."""

    def __post_init__(self) -> None:
        if self.sensor not in SENSORS:
            near = closest(str(self.sensor), SENSORS)
            meant = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(SENSORS)}"
            raise PlanError(f"sensor {self.sensor!r} is unknown: {meant}")
        if self.model is not None and not isinstance(self.model, str | Path):
            raise PlanError(f"model={self.model!r}: write the name of a model, or the path of an ONNX file")
        if self.season.kind == "peak" and SENSORS[self.sensor].is_radar:
            raise PlanError(f"season 'peak' is measured by optical images: not by --sensor {self.sensor}")

    @property
    def season(self) -> Season:
        """The part of a year to use."""
        return self.period if isinstance(self.period, Season) else Season("calendar", self.period)

    def of(self, city: City) -> tuple[Period | None, tuple[str, ...]]:
        """Return the period to use, and notes."""
        given = self.season.period
        asked = given if given is None or isinstance(given, Period) else period_text(given)
        return image_sources.asked_period(asked, city, self.season.kind)


def period_text(given: object) -> str:
    """Return a period as text: a year, or one or two days or timestamps of any library."""
    if isinstance(given, tuple | list) and len(given) == 2:
        return f"{period_text(given[0])}/{period_text(given[1])}"
    if isinstance(given, datetime):  # this covers pandas timestamps
        return given.date().isoformat()
    whole = isinstance(given, float) and given.is_integer()
    return str(int(given) if whole else given)  # type: ignore[call-overload]


def look_up(
    place: Area | None,
    images: Store | Catalogs | None,
    *,
    store: str | Path | None,
    network: Network | None,
    progress: Progress | None,
) -> tuple[City, Store | Catalogs | None, Network]:
    """Find the place, and resolve the image source and the network settings.

    Raises
    ------
    HowgreenError
        Misspelt names are reported before any service is queried.
    """
    check_network(network)
    images, network = images_from(images, store), network or Network()
    catalogs_of(images, network)
    city = to_city(place, store=images if isinstance(images, Store) else None, network=network, progress=progress)
    return city, images, network


def check_network(network: object) -> None:
    """Refuse anything that is not a Network: False would pass for one without restrictions."""
    if network is not None and not isinstance(network, Network):
        raise PlanError(f"network={network!r}: write howgreen.Network(offline=True), or leave it out")


def images_from(images: Store | Catalogs | None, store: str | Path | None) -> Store | Catalogs | None:
    """Return the image source; a store may be given by its folder alone.

    Raises
    ------
    PlanError
        Both are given, or an object that is neither.
    """
    if store is not None and images is not None:
        raise PlanError("images and store are both given: leave one out")
    if store is not None:
        return Store(store)
    if images is not None and not isinstance(images, Store | Catalogs):
        raise PlanError(f"images={images!r}: write howgreen.Store(folder) or howgreen.Catalogs(name)")
    return images


def catalogs_of(images: Store | Catalogs | None, network: Network) -> tuple[Catalog, ...]:
    """Return the catalogues to query, in order; none if a store is named or the network is off."""
    if isinstance(images, Store):
        return ()
    names = images.listed if images is not None else ()
    return image_sources.catalogs_to_ask(names, network=network)


def make(
    city: City,
    images: Store | Catalogs | None,
    choice: Choice,
    *,
    network: Network,
    progress: Progress | None,
    then: Callable[[Plan], T],
) -> T:
    """Plan with the first source that has clear images of a city, and return the result of ``then``.

    Parameters
    ----------
    then
        Called with the plan; if its images turn out to be unreadable, the next source is tried.

    If no optical image is clear, or only radar exists, radar answers, with a warning, unless a model was named.

    Raises
    ------
    NoImageError, NetworkError
        No source has clear images, or none responds.
    """
    root = None
    if not isinstance(images, Catalogs):
        root = image_sources.find_store(city.name, images.path if images else None, progress=progress)
    period, notes = choice.of(city)

    def first(choice: Choice, failed: image_sources.Failures, *doubts: Caution) -> tuple[T] | None:
        for source in image_sources.image_sources(
            city,
            root=root,
            named=isinstance(images, Store) or city.synthetic,  # no catalogue shows a simulated place
            catalogs=catalogs_of(images, network),
            period=period or Season(choice.season.kind),
            sensor=choice.sensor,
            network=network,
        ):
            if failed.rules_out(source):
                continue
            with failed.recorded(source):
                made = _planned(city, source, choice, (*notes, *failed.notes()), progress=progress)
                return (then(_with_warnings(replace(made, warnings=(*doubts, *made.warnings)))),)
        return None

    failed = image_sources.Failures(city.label)
    done = first(choice, failed)
    if done is None and _may_be_radar(choice) and isinstance(failed.error(), NoImageError):
        doubt = Caution("radar-instead", f"no clear optical image ({failed.error()}): {_INSTEAD}")
        with suppress(MissingBandsError):  # no radar model can use these images
            # The greenest months are measured on optical images; radar uses the whole period searched.
            when = Season("year", choice.season.period) if choice.season.kind == "peak" else choice.period
            done = first(replace(choice, sensor=SENTINEL1.name, period=when), failed.of_servers(), doubt)
    if done is None:
        raise failed.error()
    return done[0]


_INSTEAD = (
    "answered with radar, which sees through cloud, and structure instead of leaves; a far wider interval says so. "
    "For an optical answer ask for another --period"
)


def _may_be_radar(choice: Choice) -> bool:
    return choice.model is None and not SENSORS[choice.sensor].is_radar


def _with_warnings(plan: Plan) -> Plan:
    return replace(plan, warnings=gather(plan, _doubts.of_plan(plan)))


def _planned(
    city: City, source: image_sources.ImageSource, choice: Choice, notes: tuple[str, ...], *, progress: Progress | None
) -> Plan:
    """Plan with the images of one store or catalogue."""
    sensor, model = choice.sensor, choice.model
    found = source.scenes(city, sensor=sensor, progress=progress)
    if choice.platforms:
        found = replace(found, scenes=[scene for scene in found.scenes if scene.platform in choice.platforms])
    if choice.bandpass:
        found = _adjusted(found, choice.bandpass)
    found, source, season, others = _in_season(found, city, source, choice, progress=progress)
    shared = _shared_bands(found.scenes, sensor, model)
    radar, beside = _radar(city, source, choice, progress=progress)
    there = (*shared, *_variation(shared, found.scenes), *_shown_by(radar))
    green = landcover.load_model(model or landcover.default_model(there if SENSORS[sensor].is_radar else shared))
    landcover.require_bands(green.card, there, what="the images")
    # A user's model file was never tried: a graph that does not terminate, or predicts nonsense, fails here and not an
    # hour later.
    tried = landcover.try_model(green, source=str(model)) if model and not landcover.is_known(str(model)) else ()
    bands = (*green.card.bands, *_for_the_pictures(green.card.bands, there))
    used, passed_over, lost = _chosen(found.scenes, city, source, _own_bands(sensor, bands), sensor=sensor)
    resolution_m = SENSORS[sensor].resolution_m
    return Plan(
        city=city,
        period=source.period,
        sensor=sensor,
        grid=imagery.grid(city, resolution_m=resolution_m),
        scenes=tuple(used),
        passed_over=(*passed_over, *others),
        bands=bands,
        source=source.source,
        model=green.card.name if model is None else _model_name(model),
        model_sha256=green.sha256,
        howgreen=howgreen.__version__,
        radar=radar,
        season=season,
        notes=(*notes, *([season.in_words()] if season else []), *found.notes, *beside.notes),
        warnings=(
            *found.warnings,
            *beside.warnings,
            *lost,
            *(Caution("mixed-satellites", text) for text in imagery.mixed_platforms(used)),
            *(Caution("mixed-looks", text) for text in imagery.look_directions(_that_decide(used, radar, green.card))),
            *(Caution("model-doubtful", text) for text in tried),
            *landcover.model_warnings(green.card, resolution_m=resolution_m, city=city, scenes=used),
        ),
    )


def _adjusted(found: image_sources.Found, name: str) -> image_sources.Found:
    """Convert scenes to another satellite's reflectance by a published regression, and record that."""
    scenes = [bandpass.adjusted(scene, name) for scene in found.scenes]
    moved = sum(one is not other for one, other in zip(scenes, found.scenes, strict=True))
    note = f"{moved} of {len(scenes)} images were brought to Landsat 8's bands by {bandpass.BANDPASSES[name].title}"
    return replace(found, scenes=scenes, notes=(*found.notes, *([note] if moved else [])))


def _in_season(
    found: image_sources.Found,
    city: City,
    source: image_sources.ImageSource,
    choice: Choice,
    *,
    progress: Progress | None,
) -> tuple[image_sources.Found, image_sources.ImageSource, types.MeasuredSeason | None, tuple[Scene, ...]]:
    """Keep only scenes of the greenest months, if these are asked for.

    Returns them, the source in that period, the measurement and the other scenes.
    """
    if choice.season.kind != "peak" or not found.scenes or SENSORS[choice.sensor].is_radar:
        return found, source, None, ()
    period, season = imagery.measure_season(found.scenes, city=city, searched=source.period, progress=progress)
    kept = tuple(scene for scene in found.scenes if scene.time in period)
    others = tuple(scene for scene in found.scenes if scene.time not in period)
    return replace(found, scenes=kept), replace(source, period=period), season, others


def without(plan: types.Plan, error: ImageError) -> types.Plan:
    """Plan again without the scene that an error names, with a warning; a scene passed over before may replace it.

    Raises
    ------
    ImageError
        The error itself, if it names no scene of the plan or no other scene shows the city clearly.
    """
    bad = next((scene for scene in (*plan.scenes, *plan.radar) if _is_about(error, scene)), None)
    if bad is None:
        raise error
    if isinstance(error, ContradictionError) and error.offset is not None:
        return replace(plan, scenes=tuple(_read_with(one, error) if one is bad else one for one in plan.scenes))
    told = (*plan.warnings, *image_sources.left_out({bad.id: error}))
    if bad in plan.radar:
        others = tuple(scene for scene in plan.radar if scene is not bad)
        if not others and set(landcover.planned_model(plan.model, sha256=plan.model_sha256).card.bands) & set(
            RADAR_BANDS
        ):
            raise error
        shown = plan.bands if others else tuple(band for band in plan.bands if band not in RADAR_BANDS)
        return replace(plan, radar=others, bands=shown, warnings=told)
    again = (scene for scene in plan.passed_over if plan.season is None or scene.time in plan.period)
    there = [scene for scene in (*plan.scenes, *again) if scene.id != bad.id]
    bands = _own_bands(plan.sensor, plan.bands)
    try:
        used, passed_over = imagery.choose(there, city=plan.city, period=plan.period, bands=bands, sensor=plan.sensor)
    except HowgreenError:
        raise error from None
    return replace(plan, scenes=tuple(used), passed_over=tuple(passed_over), warnings=told)


def _read_with(scene: Scene, error: ContradictionError) -> Scene:
    """Give a scene the offset that fits its pixels, with a warning."""
    shift = (error.offset or 0.0) - scene.offset
    text = f"its metadata says offset {scene.offset:g}, its pixels fit {error.offset:g}: read with that"
    assets = tuple(
        replace(one, encoding=replace(one.encoding, offset=one.encoding.offset + shift)) if one.encoding else one
        for one in scene.assets
    )
    caution = Caution("offset-doubtful", text)
    return replace(scene, offset=error.offset or 0.0, assets=assets, warnings=(*scene.warnings, caution))


def _is_about(error: ImageError, scene: Scene) -> bool:
    """Tell whether an error names a scene, or one of its files."""
    text = str(error)
    hrefs = (redact_url(asset.href) if "://" in asset.href else asset.href for asset in scene.assets)
    return text.startswith(f"scene {scene.id}:") or any(text.startswith(f"{href}:") for href in hrefs)


def _radar(
    city: City, source: image_sources.ImageSource, choice: Choice, *, progress: Progress | None
) -> tuple[tuple[Scene, ...], image_sources.Found]:
    """Choose radar scenes to complement another sensor's, and describe what was available.

    A catalogue is searched for them only if the model takes radar; a store's are at hand, and are shown in the report
    anyway.
    """
    model, nothing = choice.model, image_sources.Found(scenes=())
    if SENSORS[choice.sensor].is_radar:
        return (), nothing
    bands = landcover.load_model(model).card.bands if model else ()
    wanted = [band for band in bands if band in RADAR_BANDS]
    if wanted and len(wanted) == len(bands):
        raise PlanError(f"model {model}: takes radar alone ({', '.join(wanted)}); use --sensor {SENTINEL1.name}")
    if not wanted:
        return _to_show(city, source, progress=progress), nothing
    found = source.scenes(city, sensor=SENTINEL1.name, progress=progress)
    used, _, lost = _chosen(found.scenes, city, source, bands_in_files(wanted), sensor=SENTINEL1.name)
    return tuple(used), replace(found, warnings=(*found.warnings, *lost))


def _to_show(city: City, source: image_sources.ImageSource, *, progress: Progress | None) -> tuple[Scene, ...]:
    """Choose a store's radar scenes of the period for display only; none if none can be read."""
    if source.root is None:
        return ()
    try:
        found = source.scenes(city, sensor=SENTINEL1.name, progress=progress)
        if not found.scenes:
            return ()
        used, _, _ = _chosen(found.scenes, city, source, SENTINEL1.band_names, sensor=SENTINEL1.name)
    except (NoImageError, ImageError):
        return ()
    return tuple(used)


def _shown_by(radar: Sequence[Scene]) -> tuple[str, ...]:
    """List the radar bands available beside another sensor's."""
    shared = tuple(band for band in SENTINEL1.band_names if radar and all(band in scene.bands for scene in radar))
    return (*shared, *_variation(shared, radar))


def _variation(bands: Collection[str], scenes: Sequence[Scene]) -> tuple[str, ...]:
    """List the bands of change between acquisitions that a composite can have, if there are enough acquisitions."""
    enough = any(band in SENTINEL1.band_names for band in bands) and len(acquisitions(scenes)) >= FEWEST_FOR_VARIATION
    return tuple(made for made, of in VARIATION_OF.items() if enough and of in bands)


def _that_decide(used: Sequence[Scene], radar: Sequence[Scene], card: ModelCard) -> tuple[Scene, ...]:
    """Drop radar scenes that are only for display."""
    return (*used, *radar) if set(card.bands) & set(RADAR_BANDS) else tuple(used)


def _chosen(
    found: Sequence[Scene], city: City, source: image_sources.ImageSource, bands: Sequence[str], *, sensor: str
) -> tuple[Sequence[Scene], Sequence[Scene], tuple[Caution, ...]]:
    """Choose scenes whose files all exist: those used, those passed over, and those left out for a missing file.

    Raises
    ------
    NetworkError, ImageError
        No scene has all its files; the first reason is raised.
    """
    lost: dict[str, HowgreenError] = {}
    while True:
        there = [scene for scene in found if scene.id not in lost]
        if lost and not there:
            raise next(iter(lost.values()))
        used, passed_over = imagery.choose(
            there, city=city, period=source.period, bands=bands, root=source.root, sensor=sensor
        )
        missing = imagery.missing_files(used, bands)
        if not missing:
            return used, passed_over, image_sources.left_out(lost)
        lost |= missing


def _own_bands(sensor: str, bands: Sequence[str]) -> tuple[str, ...]:
    """Return the bands that a sensor's own scenes must have."""
    if SENSORS[sensor].is_radar:
        return bands_in_files(bands)
    return tuple(band for band in bands if band not in RADAR_BANDS)


def _shared_bands(found: Sequence[Scene], sensor: str, model: str | Path | None) -> tuple[str, ...]:
    """Return the bands that all usable scenes share, in the sensor's order; a scene is usable if a model can use it."""
    known = (*SENSORS[sensor].band_names, SENSORS[sensor].mask)
    kinds = {frozenset(scene.bands) for scene in found} or {frozenset(known)}
    shipped = landcover.radar_models if SENSORS[sensor].is_radar else landcover.models
    cards = [one.card for one in ([landcover.load_model(model)] if model else shipped())]
    usable = {kind for kind in kinds if any(kind.issuperset(_own_bands(sensor, card.bands)) for card in cards)}
    shared = frozenset.intersection(*(usable or kinds))
    return tuple(band for band in known if band in shared)


def _model_name(given: str | Path) -> str:
    """Return a model's name as stored in a plan: its name if shipped or added, else its absolute path."""
    return str(given) if landcover.is_known(str(given)) else str(Path(given).absolute())


def _for_the_pictures(needed: tuple[str, ...], there: Collection[str]) -> list[str]:
    """List bands that only the report's pictures need: the photo's, and radar's if the model takes no radar."""
    radar = () if set(needed) & set(RADAR_BANDS) else SENTINEL1.band_names
    return [band for band in ("red", "green", "blue", *radar) if band in there and band not in needed]
