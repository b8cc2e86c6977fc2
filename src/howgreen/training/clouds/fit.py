"""The network: single cells, two hidden layers, seeded."""

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
"""Bands in which dark ground is dark wherever there is any: where none is seen, something lies above it."""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """A trained network as plain numbers: ReLU between layers, softmax at the end."""

    bands: tuple[str, ...]
    floors: tuple[str, ...]
    """Bands of which the darkest around is an input as well, after the bands themselves."""
    weights: tuple[FloatArray, ...]
    """Each (out, in)."""
    biases: tuple[FloatArray, ...]


def train(
    sky: Sky, *, bands: Sequence[str], hidden: Sequence[int], epochs: int, seed: int, batch: int = 1024
) -> Layers:
    """Train on the pixels that are one thing or the other; seeded, one thread, hence the same numbers every time."""
    torch.manual_seed(seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _fit(sky, tuple(bands), hidden=hidden, epochs=epochs, batch=batch)
    finally:
        torch.set_num_threads(threads)


def _fit(sky: Sky, bands: tuple[str, ...], *, hidden: Sequence[int], epochs: int, batch: int) -> Layers:
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
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-4)
    steps = epochs * (len(inputs) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-2, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs) - batch + 1, batch):
            rows = order[start : start + batch]
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
            optimiser.step()
            schedule.step()
    linear = [part for part in model if isinstance(part, nn.Linear)]
    weights = [part.weight.detach().numpy().astype(np.float64) for part in linear]
    biases = [part.bias.detach().numpy().astype(np.float64) for part in linear]
    weights[0] = weights[0] / spread
    biases[0] = biases[0] - weights[0] @ mean
    return Layers(
        bands=bands,
        floors=floors,
        weights=tuple(weight.astype(np.float32) for weight in weights),
        biases=tuple(bias.astype(np.float32) for bias in biases),
    )


def predict(layers: Layers, reflectance: Array, floor: Array) -> Array:
    """Class probabilities (n, class) of reflectance (n, band) and the darkest around it (n, floor), by the trainer's own arithmetic."""
    hidden = network.logged(np.concatenate([reflectance, floor], axis=1))
    for weight, bias in zip(layers.weights[:-1], layers.biases[:-1], strict=True):
        hidden = np.maximum(hidden @ weight.T.astype(np.float64) + bias, 0)
    logits = hidden @ layers.weights[-1].T.astype(np.float64) + layers.biases[-1]
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
