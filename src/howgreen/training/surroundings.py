"""The shipped U-Net, ``unet-10``: the contest's, trained on all that the contest has, and judged on what remains.

It looks around a pixel, which helps where one cannot decide. It has learned from towns of the builder of some of the cities that judge
it, and from no real pixel, so that every real place may say how far off it is in a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from howgreen.core.types import ZONE_SCORES_M2, ModelCard, Progress
from howgreen.landcover.model import Model, load_model
from howgreen.training import evaluate, export
from howgreen.training.contest import judge, unet
from howgreen.training.contest.cards import card_of
from howgreen.training.contest.classes import CLASSES
from howgreen.training.contest.effort import SEED
from howgreen.training.contest.effort import Effort as ContestEffort
from howgreen.training.contest.learners import Job
from howgreen.training.contest.run import REAL, World
from howgreen.training.contest.samples import Place, as_place
from howgreen.training.judges import Ground, place_errors
from howgreen.training.spectra import Array, read_responses

NAME, BAND_SET = "unet-10", "sentinel-2"
SETTING = {"width": 1.0}
"""The contest's choice, on towns that do not judge."""
_LEVEL = 0.95
_MIXTURES = 3000
"""Of each real place: an even field is shown for each."""


def make_unet(
    data: Path, *, out: Path, version: str, cities: Sequence[Place], effort: ContestEffort, progress: Progress
) -> Path:
    """Write ``unet-10.onnx`` to ``out``.

    Parameters
    ----------
    cities
        Simulated cities that judge.
    """
    world, path = World(data=data, band_set=BAND_SET, effort=effort), out / f"{NAME}.onnx"
    plain = replace(card_of("unet", SETTING, band_set=BAND_SET, effort=effort), name=NAME, version=version)
    job = Job(
        training=world.training(without=REAL),
        setting=SETTING,
        effort=effort,
        seed=SEED,
        card=plain,
        progress=progress,
        checkpoint=path.with_suffix(".checkpoint"),
    )
    # Not under its own name until it is judged: what bears it is finished.
    graph, trained = unet.unet(job), path.with_suffix(".trained")
    export.save(graph, trained)
    judged = _judged(plain, load_model(trained), world=world, data=data, cities=cities)
    export.save(export.with_card(graph, judged), path)
    trained.unlink()
    path.with_suffix(".checkpoint").unlink(missing_ok=True)
    return path


def _judged(card: ModelCard, model: Model, *, world: World, data: Path, cities: Sequence[Place]) -> ModelCard:
    reference = evaluate.read_potsdam(data, read_responses(data))

    def green(rows: Array) -> Array:
        place = as_place("rows", rows, np.zeros((len(rows), len(CLASSES))), card.bands)
        return judge.answer(model, place).green.astype(float)

    known = place_errors(green, card.bands, ground=Ground(data), count=_MIXTURES)
    error = evaluate.judge_potsdam(judge.answer(model, world.potsdam).green.astype(float), reference, known=known)
    error = replace(error, source=f"{error.source}, each shown as an even field")
    scores = {"potsdam_rmse": error.rmse, "potsdam_mae": error.mae, "potsdam_bias": error.bias, "potsdam_r2": error.r2}
    scores |= _of_cities(model, cities)
    return replace(
        card,
        scores={name: round(value, 5) for name, value in scores.items()},
        reference_error=error,
        description="U-Net: shares of six covers from a pixel and what is around it. It learned from towns of the simulator that built "
        "some of the cities whose figures stand here. Tree, low vegetation and cropland are easily confused.",
        training_data="Simulated mixtures (PROSPECT-D + 4SAIL, dry plants, soils, snow, water, SLUM materials: Kotthaus et al. 2014, "
        "doi:10.5281/zenodo.4263842, and those of Karlsruhe (KLUM), Gulfport (MUUFL) and Pasadena), and simulated towns with shadows",
    )


def _of_cities(model: Model, cities: Sequence[Place]) -> dict[str, float]:
    figures = [judge.city_figures(model, city) for city in cities]
    points = [each["ratio_points"] for each in figures]
    widths = {}
    for (name, _), side in zip(ZONE_SCORES_M2.items(), judge.ZONES_PX, strict=True):
        misses = [miss - each["ratio_points"] for each in figures for miss in each["zones"].get(str(side), ())]
        if misses:
            widths[name] = float(np.quantile(np.abs(misses), _LEVEL)) / 100
    return {
        **widths,
        "simulated_cities_ratio_rms": float(np.sqrt(np.mean(np.square(points)))) / 100,
        "simulated_cities_ratio_worst": float(np.max(np.abs(points))) / 100,
    }
