"""The shipped U-Net, ``unet-10``: the contest's, trained on all that the contest has, and judged on what remains.

It looks around a pixel, which helps where one cannot decide. It has learned from towns of the builder whose cities judge it, and
from the pixels of Freiburg, Münster and Aberystwyth: how it does in cities that taught it nothing is in ``docs/benchmark.md``.
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
from howgreen.training.contest.effort import SEED
from howgreen.training.contest.effort import Effort as ContestEffort
from howgreen.training.contest.learners import Job
from howgreen.training.contest.run import EVERYTHING, World
from howgreen.training.contest.samples import Place
from howgreen.training.spectra import read_responses

NAME, BAND_SET = "unet-10", "sentinel-2"
SETTING = {"width": 1.0}
"""The contest's choice, on towns that do not judge."""
_LEVEL = 0.95


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
        training=world.training(without=EVERYTHING),
        setting=SETTING,
        effort=effort,
        seed=SEED,
        card=plain,
        progress=progress,
    )
    graph = unet.unet(job)
    export.save(graph, path)
    model = load_model(path)
    export.save(export.with_card(graph, _judged(plain, model, world=world, data=data, cities=cities)), path)
    return path


def _judged(card: ModelCard, model: Model, *, world: World, data: Path, cities: Sequence[Place]) -> ModelCard:
    reference = evaluate.read_potsdam(data, read_responses(data))
    error = evaluate.judge_potsdam(judge.answer(model, world.potsdam).green.astype(float), reference)
    error = replace(error, source=f"{error.source}, each shown as an even field")
    scores = {"potsdam_rmse": error.rmse, "potsdam_mae": error.mae, "potsdam_bias": error.bias, "potsdam_r2": error.r2}
    scores |= _of_cities(model, cities)
    return replace(
        card,
        scores={name: round(value, 5) for name, value in scores.items()},
        reference_error=error,
        description="U-Net: shares of six covers from a pixel and what is around it. It learned from towns of the simulator whose "
        "cities gave the figures here, and from real pixels; how it does in cities that taught it nothing is in docs/benchmark.md. "
        "Tree, low vegetation and cropland are easily confused.",
        training_data=card.training_data.removesuffix(". The contest says which city was left out"),
    )


def _of_cities(model: Model, cities: Sequence[Place]) -> dict[str, float]:
    figures = [judge.city_figures(model, city) for city in cities]
    points = [each["ratio_points"] for each in figures]
    widths = {}
    for (name, _), side in zip(ZONE_SCORES_M2.items(), judge.ZONES_PX, strict=True):
        misses = [miss for each in figures for miss in each["zones"].get(str(side), ())]
        if misses:
            widths[name] = float(np.quantile(np.abs(misses), _LEVEL)) / 100
    return {
        **widths,
        "simulated_cities_ratio_rms": float(np.sqrt(np.mean(np.square(points)))) / 100,
        "simulated_cities_ratio_worst": float(np.max(np.abs(points))) / 100,
    }
