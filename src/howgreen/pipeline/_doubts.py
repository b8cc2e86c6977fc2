"""Warnings about a plan or an answer as a whole, from values alone; no pixel is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from howgreen import imagery
from howgreen.core.acquisitions import acquisitions
from howgreen.core.models import water_codes
from howgreen.core.sensors import SENSORS
from howgreen.core.types import Period
from howgreen.core.warnings import Caution
from howgreen.core.words import IMAGE_FOOTPRINT, area, count, days, percent, plain

if TYPE_CHECKING:
    from datetime import date

    from howgreen.core.models import ModelCard
    from howgreen.core.types import City, GreenStats, MeasuredSeason, Plan, Scene

FEWEST_DATES = 3
"""With fewer dates, the median cannot outvote one undetected cloud or one mown meadow."""
FAR_APART = timedelta(days=366)
"""If first and last image are further apart, the city may have changed between them."""
FEWEST_MONTHS = 6
"""With fewer months compared, the greenest of the year is uncertain."""
EQUATOR, TROPIC = 5.0, 23.4
DRY_NORTH, DRY_SOUTH = (12, 1, 2, 3, 4), (6, 7, 8, 9, 10)
"""Months of little rain in most of the tropics north and south of the equator, and the latitudes this holds for."""
THIN_VEIL = "thin-veil"
"""Warn only if every image is veiled: with one clear image, a stack of dates separates veil from ground."""
CLEAR_DATE_PCT = 80
"""If no date without a mask shows at least this share clearly, thin haze cannot be told from ground."""
MOST_NAMED = 3
"""Number of scenes named if more share the same warning."""
MOSTLY_WATER = 0.5
"""Share of water in the limits above which the images are said to show mostly water."""
LEAST_SEEN = 0.9
"""Below this share of land seen, the unseen part can move the ratio by more than its usual error."""


def of_plan(plan: Plan) -> Iterator[Caution]:
    """Yield what can bias the answer of a plan, before any reflectance is read."""
    yield from of_limits(plan.city)
    yield from _of_masks(plan)
    yield from _of_dates(plan)


def of_answer(
    stats: GreenStats, card: ModelCard, provenance: Mapping[str, Any], city: City | None = None
) -> Iterator[Caution]:
    """Yield warnings that only the pixels reveal."""
    if city is not None:
        yield from _of_sea(stats, card, city)
    for scene in provenance["radiometry"]["scenes"]:
        if scene["offset_check"] == "doubtful":
            yield Caution("offset-doubtful", f"image {scene['id']}: {scene['offset_check_why']}; check its --offset")
    for answer in provenance["radiometry"].get("mask_files", ()):
        yield Caution(
            "mask-file-unread",
            f"{answer} where the mask file of an image (FILE.tif.msk) would be: none is taken to be there, and no pixel to be hidden by one",
        )
    if stats.observed_ratio is not None and stats.observed_ratio < LEAST_SEEN:
        unseen = area(stats.land_area_m2 - stats.observed_area_m2)
        yield Caution(
            "low-share-seen",
            plain(
                f"{percent(1 - stats.observed_ratio)} of the land ({unseen}) was never seen clearly, and may be more or "
                "less green than the rest; a longer --period may show it"
            ),
        )
    if card.reference_error is None:
        yield Caution(
            "model-unscored",
            f"model {card.name} was not compared with reference data: how far it is off is not known, and there is no interval"
            if not card.learned_from
            else f"model {card.name} has no interval here: too few labelled places judged it, or it is used away from them",
        )


def _of_sea(stats: GreenStats, card: ModelCard, city: City) -> Iterator[Caution]:
    """If a coastline was rejected, say how much water the pixels show: only that water is left out."""
    doubted = any(one.code == "coast-unclear" for one in city.warnings)
    if not doubted or city.land is not None or not water_codes(card.classes) or stats.zone_area_m2 <= 0:
        return
    water = 1 - stats.land_area_m2 / stats.zone_area_m2
    told = "the place is mostly water" if water >= MOSTLY_WATER else "it lies on land for the most part"
    yield Caution(
        "coast-unclear",
        plain(
            f"{city.label}: the images show water on {percent(water)} of the limits, so that {told}; that water alone is left out"
        ),
    )


def of_limits(city: City) -> Iterator[Caution]:
    """Yield a doubt where nobody gave the limits."""
    if city.kind == IMAGE_FOOTPRINT:
        yield Caution(
            "limits-are-image",
            f"the area is the image's own footprint, not the limits of {city.label}; give them with --area FILE",
        )


def _of_masks(plan: Plan) -> Iterator[Caution]:
    optical = [scene for scene in plan.scenes if not SENSORS[scene.sensor].is_radar]
    without = [scene for scene in optical if scene.asset(SENSORS[scene.sensor].mask) is None]
    told = [scene.id for scene in without if imagery.detector_of([scene])]
    blind = [scene.id for scene in without if scene.id not in told]
    if blind:
        yield Caution(
            "no-cloud-mask",
            f"{_have(blind, plan)} no cloud mask, and too few bands to find clouds by: all pixels count as clear, clouds and their "
            "shadows too",
        )
    if told:
        yield Caution(
            "own-cloud-mask",
            f"{_have(told, plan)} no cloud mask: clouds were found by howgreen's own detector, which may miss thin ones, and take "
            "large white roofs and pale sand for clouds; give a mask with `howgreen store add --mask`",
        )
        if len(told) == len(optical) and max(scene.clear_pct or 0.0 for scene in optical) < CLEAR_DATE_PCT:
            yield Caution(
                "no-clear-date",
                f"no image is clear over {CLEAR_DATE_PCT:.0f} % of the place by howgreen's own detector: what counts as clear may lie "
                "under a thin veil, and the ratio be far off; add images of clear days",
            )


def _is_clear(scene: Scene) -> bool:
    """Tell whether an optical image shows most of the place without a veil."""
    if SENSORS[scene.sensor].is_radar:
        return False
    return (scene.clear_pct or 0.0) >= CLEAR_DATE_PCT and not any(one.code == THIN_VEIL for one in scene.warnings)


def _have(ids: Sequence[str], plan: Plan) -> str:
    """Say how many of a plan's images share a property."""
    if len(ids) < len(plan.scenes):
        return f"{len(ids)} of {len(plan.scenes)} images have"
    return "the images have" if len(ids) > 1 else f"image {ids[0]} has"


def _of_dates(plan: Plan) -> Iterator[Caution]:
    """Warn of few days, days years apart and days outside the growing season: of optical images, or of radar alone."""
    seen = [group[0].time.date() for group in acquisitions(plan.scenes)]
    if not seen:
        return
    if len(seen) < FEWEST_DATES:
        why = (
            "the radar's grain is not averaged over time, and fields are not told from woods by how they change"
            if SENSORS[plan.sensor].is_radar
            else "what was bare, mown or under an undetected cloud then counts as not green"
        )
        told = f"only {count(len(seen), 'date')} ({days(seen)}): {why}; add images of other dates"
        yield Caution("few-dates", plain(told))
    if max(seen) - min(seen) > FAR_APART:
        yield Caution("dates-far-apart", plain(f"the images span {days(seen)}: the city may have changed in between"))
    if plan.season is not None:
        yield from _of_season(plan.season)
        return
    if _all_dry(seen, plan.city):
        yield Caution(
            "dry-season",
            plain(
                f"all images are of the months that are dry in most of the tropics on this side of the equator ({days(seen)}): what is "
                "leafless or withered then counts as not green; add images of the wet season, or use --season peak"
            ),
        )
    outside = [scene for scene in plan.scenes if not _in_season(scene, plan.city)]
    if outside:
        yield Caution(
            "out-of-season",
            plain(
                f"{_how_many(len(outside), len(plan.scenes))} outside of the growing season here: what is bare or leafless then "
                "counts as not green"
            ),
        )


def _of_season(season: MeasuredSeason) -> Iterator[Caution]:
    """Warn if too few months were compared."""
    compared = [one for one in season.months if one.greenness is not None]
    if len(compared) < FEWEST_MONTHS:
        which = ", ".join(f"{one.month:%Y-%m}" for one in compared) or "none"
        yield Caution(
            "season-unmeasured",
            f"only {count(len(compared), 'month')} with clear images ({which}) in {season.searched}: whether others are greener is not known; "
            "add images of other months",
        )


def _all_dry(seen: Sequence[date], city: City) -> bool:
    """Tell whether all days lie in a hemisphere's tropical dry months; near the equator there are none."""
    latitude = city.boundary.representative_point().y
    if not EQUATOR <= abs(latitude) <= TROPIC:
        return False
    return all(day.month in (DRY_NORTH if latitude > 0 else DRY_SOUTH) for day in seen)


def _how_many(some: int, total: int) -> str:
    if some == total:
        return "the only image lies" if total == 1 else f"all {total} images lie"
    return f"{some} of {total} images {'lies' if some == 1 else 'lie'}"


def _in_season(scene: Scene, city: City) -> bool:
    latitude, day = city.boundary.representative_point().y, scene.time.date()
    return any(day in Period.growing_season(latitude, year) for year in (day.year, day.year + 1))


def gather(plan: Plan, *more: Iterable[Caution]) -> tuple[Caution, ...]:
    """Merge the warnings of a plan, its city and the scenes it uses with more, each once."""
    of_scenes = _of_scenes((*plan.scenes, *plan.radar))
    listed = (*plan.city.warnings, *of_scenes, *plan.warnings, *(one for group in more for one in group))
    return tuple(dict.fromkeys(listed))


def _of_scenes(scenes: Sequence[Scene]) -> list[Caution]:
    """List the scenes' warnings, with the names of the scenes that share each."""
    shared: dict[Caution, list[str]] = {}
    clear = any(map(_is_clear, scenes))
    for scene in scenes:
        for caution in scene.warnings:
            if caution.code != THIN_VEIL or not clear:
                shared.setdefault(caution, []).append(scene.id)
    return [
        Caution(caution.code, f"{_named(ids, len(scenes))}: {caution.text}") for caution, ids in shared.items()
    ]  # fmt: skip


def _named(ids: Sequence[str], total: int) -> str:
    if len(ids) == total > MOST_NAMED:
        return f"all {total} images"
    rest = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    return f"{'image' if len(ids) == 1 else 'images'} {', '.join(ids[:MOST_NAMED])}{rest}"
