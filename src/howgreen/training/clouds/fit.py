"""The detector network: single cells, two hidden layers, seeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from howgreen.training import network
from howgreen.training.clouds.simulate import CLASSES, Sky
from howgreen.training.spectra import Array

FloatArray = npt.NDArray[np.float32]
FLOORS = ("blue", "green", "red")
"""Bands in which some ground is usually dark: if none is, something lies above it."""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """A trained network as plain arrays: ReLU between layers, softmax at the end."""

    bands: tuple[str, ...]
    floors: tuple[str, ...]
    """Bands whose local minimum is an input as well, after the bands themselves."""
    weights: tuple[FloatArray, ...]
    """Each (out, in)."""
    biases: tuple[FloatArray, ...]


@network.one_thread()
def train(sky: Sky, *, bands: Sequence[str], hidden: Sequence[int], epochs: int, seed: int) -> Layers:
    """Train on the pixels with a definite class; seeded, one thread, hence reproducible."""
    torch.manual_seed(seed)
    told = sky.label >= 0
    floors = tuple(band for band in FLOORS if band in bands)
    own, dark = (list(map(sky.bands.index, names)) for names in (bands, floors))
    features = network.logged(np.concatenate([sky.reflectance[:, own], sky.floor[:, dark]], axis=1)[told])
    mean, spread = features.mean(axis=0), features.std(axis=0)
    inputs = torch.tensor((features - mean) / spread, dtype=torch.float32)
    labels = torch.tensor(sky.label[told])
    widths = [len(bands) + len(floors), *hidden]
    parts: list[nn.Module] = []
    for left, right in pairwise(widths):
        parts += [nn.Linear(left, right), nn.ReLU()]
    model = nn.Sequential(*parts, nn.Linear(widths[-1], len(CLASSES)))

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(model(inputs[rows]), labels[rows])

    network.descend(model, loss, count=len(inputs), epochs=epochs)
    weights, biases = network.folded((part for part in model if isinstance(part, nn.Linear)), mean, spread)
    return Layers(bands=tuple(bands), floors=floors, weights=weights, biases=biases)


def predict(layers: Layers, reflectance: Array, floor: Array) -> Array:
    """Predict class probabilities (n, class) from reflectance (n, band) and its local minimum (n, floor)."""
    features = network.logged(np.concatenate([reflectance, floor], axis=1))
    return network.passed(layers.weights, layers.biases, features)[0]
