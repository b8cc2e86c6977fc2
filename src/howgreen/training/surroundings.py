"""The shipped U-Net, ``unet-10``: a pixel and its surroundings, up to 240 m.

It learns from neighbourhoods of any greenness (:mod:`howgreen.training.neighbourhoods`), from towns of the sample
city's builder, and from mixtures of single pixels, each shown as a uniform field, so that it also works without
context. It learns from no real pixels, so that every real place can measure its error in a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch

from howgreen.core.models import ZONE_SCORES_M2, ModelCard
from howgreen.core.types import Progress
from howgreen.landcover.model import Model, load_model
from howgreen.training import evaluate, export
from howgreen.training.contest import descent, graphs, judge, unet
from howgreen.training.contest.cards import card_of
from howgreen.training.contest.classes import GREEN
from howgreen.training.contest.effort import SEED
from howgreen.training.contest.effort import Effort as ContestEffort
from howgreen.training.contest.learners import Job
from howgreen.training.contest.run import REAL, World
from howgreen.training.contest.samples import Place
from howgreen.training.judges import Ground, place_errors
from howgreen.training.neighbourhoods import Neighbourhoods, neighbourhoods
from howgreen.training.spectra import read_responses

NAME, BAND_SET, VERSION = "unet-10", "sentinel-2", "2.1.0"
WIDTHS, STRIDES = (12, 24, 32, 48, 48), (1, 2, 2, 2)
"""One level more than the contest's: it sees 24 pixels around, at the same cost."""
HALO_PX = 32
"""More than its receptive field, and a multiple of its downsampling."""
_NEIGHBOURHOODS, _TOWNS, _PATCHWORKS = 4, 1, 3
"""Numbers in a batch."""
_EVEN_PX = (8, 16, 32)
"""Sides of the uniform fields that show pixels without neighbours."""
_RATE = 3e-3
_AREA_WEIGHT = 20.0
"""Weight of the squared error of a piece's total green share, beside that of each pixel: cities are judged by their
sums."""
_LEVEL = 0.95
_MIXTURES = 3000
"""Mixtures per real place, each shown as a uniform field."""


def make_unet(
    data: Path,
    *,
    out: Path,
    cities: Mapping[str, Sequence[Place]],
    effort: ContestEffort,
    pieces: int,
    progress: Progress,
) -> Path:
    """Write ``unet-10.onnx`` to ``out``.

    Parameters
    ----------
    cities
        Judging simulated cities, by the prefix of their scores' names.
    pieces
        Number of neighbourhoods to learn from.
    """
    world, path = World(data=data, band_set=BAND_SET, effort=effort), out / f"{NAME}.onnx"
    plain = replace(card_of("unet", {}, band_set=BAND_SET, effort=effort), name=NAME, version=VERSION, halo_px=HALO_PX,
                    tile_px=unet.TILE_PX, stride_px=unet.TILE_PX - 2 * HALO_PX)  # fmt: skip
    ground = neighbourhoods(pieces, library=world.library, seed=SEED + 10, progress=progress)
    checkpoint = path.with_suffix(".checkpoint")
    job = Job(training=world.training(without=REAL), setting={}, effort=effort, seed=SEED, card=plain, progress=progress,
              checkpoint=checkpoint)  # fmt: skip
    # Not under its final name until judged: a file of that name is finished.
    graph, trained = _trained(job, ground), path.with_suffix(".trained")
    export.save(graph, trained)
    judged = _judged(plain, load_model(trained), world=world, data=data, cities=cities)
    export.save(export.with_card(graph, judged), path)
    trained.unlink()
    checkpoint.unlink(missing_ok=True)
    return path


@dataclass(frozen=True, kw_only=True)
class _Lessons:
    """Training data of the network."""

    samples: unet.Samples
    ground: Neighbourhoods

    def batch(self, rng: np.random.Generator) -> descent.Batch:
        """Draw features (batch, feature, y, x) and shares (batch, class, y, x) of one step."""
        towns = self.samples.job.training.towns
        pairs = [self.ground.draw(rng, side=unet.CROP_PX) for _ in range(_NEIGHBOURHOODS)]
        pairs += [self.samples.crop(int(rng.integers(len(towns))), rng) for _ in range(_TOWNS)]
        pairs += [self.samples.patchwork(rng, even_px=int(rng.choice(_EVEN_PX))) for _ in range(_PATCHWORKS)]
        reflectance, shares = (np.stack(side).astype(np.float32) for side in zip(*pairs, strict=True))
        return self.samples.seen(reflectance), shares


def area_loss(logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Add the squared error of each piece's mean green share to the loss of known pixels.

    The latter is :func:`howgreen.training.contest.descent.known_loss`.
    """
    green = torch.tensor(GREEN)
    known = torch.isfinite(shares[:, 0])
    missed = torch.softmax(logits, dim=1)[:, green].sum(dim=1) - shares[:, green].nan_to_num().sum(dim=1)
    mean = (missed * known).sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)
    return descent.known_loss(logits, shares) + _AREA_WEIGHT * mean.square().mean()


def _trained(job: Job, ground: Neighbourhoods) -> onnx.ModelProto:
    features, parts = graphs.features_of(job.training.reflectance), graphs.Parts()
    torch.manual_seed(job.seed)
    net = unet.levels(len(features.weights), WIDTHS, STRIDES)
    lessons = _Lessons(samples=unet.Samples(job=job, features=features), ground=ground)
    descent.descend(net, descent.Descent(
        draw=lessons.batch, steps=job.effort.unet_steps, rate=_RATE, seed=job.seed, loss=area_loss, name=NAME, progress=job.progress,
        key=descent.key_of(job.training.key(), repr(net), len(ground.grounds)), checkpoint=job.checkpoint,
    ))  # fmt: skip
    unet.write(parts, net, features)
    return graphs.finished(parts, job.card)


def _judged(
    card: ModelCard, model: Model, *, world: World, data: Path, cities: Mapping[str, Sequence[Place]]
) -> ModelCard:
    reference = evaluate.read_potsdam(data, read_responses(data))

    known = place_errors(judge.predict_of(model), card.bands, ground=Ground(data), count=_MIXTURES)
    error = evaluate.judge_potsdam(judge.answer(model, world.potsdam).green.astype(float), reference, known=known)
    error = replace(error, source=f"{error.source}, each shown as an even field")
    scores = {"potsdam_rmse": error.rmse, "potsdam_mae": error.mae, "potsdam_bias": error.bias, "potsdam_r2": error.r2}
    scores |= _of_cities(model, cities)
    return replace(
        card,
        scores={name: round(value, 5) for name, value in scores.items()},
        reference_error=error,
        description="U-Net: shares of six covers from a pixel and what is around it. Real references are tables of pixels without "
        "neighbours, so that what it gains by looking around is known for simulated cities alone. It was trained on towns of the "
        "simulator that built some of the cities whose figures stand here. Tree, low vegetation and cropland are easily confused.",
        training_data="Simulated mixtures (PROSPECT-D + 4SAIL, dry plants, soils, snow, water, SLUM materials: Kotthaus et al. 2014, "
        "doi:10.5281/zenodo.4263842, and those of Karlsruhe (KLUM), Gulfport (MUUFL) and Pasadena), simulated neighbourhoods of any "
        "greenness, and simulated towns with shadows",
    )


def _of_cities(model: Model, cities: Mapping[str, Sequence[Place]]) -> dict[str, float]:
    figures = {name: [judge.city_figures(model, city) for city in places] for name, places in cities.items()}
    found = {}
    for (name, _), side in zip(ZONE_SCORES_M2.items(), judge.ZONES_PX, strict=True):
        misses = [
            miss - each["ratio_points"]
            for part in figures.values()
            for each in part
            for miss in each["zones"].get(str(side), ())
        ]
        if misses:
            found[name] = float(np.quantile(np.abs(misses), _LEVEL)) / 100
    for name, part in figures.items():
        points = np.array([each["ratio_points"] for each in part])
        found[f"{name}_ratio_rms"] = float(np.sqrt(np.mean(points**2))) / 100
        found[f"{name}_ratio_worst"] = float(np.abs(points).max()) / 100
    return found
