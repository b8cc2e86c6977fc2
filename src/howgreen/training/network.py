"""The pixel network: 1x1 convolutions, so that a table row, a tile and a city go through the same arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from howgreen.core.types import Progress
from howgreen.training.mixtures import GREEN, Mixtures
from howgreen.training.spectra import Array

FloatArray = npt.NDArray[np.float32]

CLIP = (0.0, 2.0)
"""Reflectance outside is clipped: over-corrected shade is dark, not negative."""
DARK = 0.01
"""Added before the logarithm, about the noise of a dark pixel: below it, band ratios are meaningless."""
GREEN_WEIGHT = 5.0
"""Weight of the green share's squared error against the cross-entropy of all shares."""
LOG_ERROR = (-6.0, 0.0)
"""Bounds on the logarithm of a predicted standard error."""
MOST_STUCK = 0.05
"""Largest share of training pixels with an error predicted as the full range from bare to green: beyond, it was not
learned."""
BATCH = 1024
NORMALISATION = (
    f"clip to {CLIP[0]:g}..{CLIP[1]:g}, then log(reflectance + {DARK:g}); standardised inside the first layer's weights"
)


@dataclass(frozen=True, kw_only=True)
class Layers:
    """A trained network as plain arrays: ReLU between layers, softmax at the end."""

    bands: tuple[str, ...]
    weights: tuple[FloatArray, ...]
    """Each (out, in)."""
    biases: tuple[FloatArray, ...]
    error_weight: FloatArray
    """(1, hidden): from the last hidden layer to the log standard error of the green share."""
    error_bias: float


def logged(reflectance: npt.ArrayLike) -> Array:
    """Compute the first layer's input from reflectance: see :data:`NORMALISATION`."""
    return np.asarray(np.log(np.clip(np.asarray(reflectance, dtype=np.float64), *CLIP) + DARK))


def build(bands: int, classes: int, hidden: Sequence[int]) -> nn.Sequential:
    """Build untrained 1x1 convolutions; logits out."""
    widths = [bands, *hidden]
    parts: list[nn.Module] = []
    for left, right in pairwise(widths):
        parts += [nn.Conv2d(left, right, 1), nn.ReLU()]
    return nn.Sequential(*parts, nn.Conv2d(widths[-1], classes, 1))


def loss_of(logits: torch.Tensor, shares: torch.Tensor, green: torch.Tensor) -> torch.Tensor:
    """Compute the cross-entropy against the true shares, plus the squared error of the reported green share."""
    probability = torch.softmax(logits, dim=1)
    entropy = -(shares * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    missed = (probability[:, green].sum(dim=1) - shares[:, green].sum(dim=1)).square().mean()
    return entropy + GREEN_WEIGHT * missed


def train(
    pixels: Mixtures,
    *,
    bands: Sequence[str],
    hidden: Sequence[int],
    epochs: int,
    seed: int,
    progress: Progress | None = None,
) -> Layers:
    """Train a network on some of the mixtures' bands: seeded, one thread, hence reproducible."""
    features = logged(pixels.reflectance[:, [pixels.bands.index(band) for band in bands]])
    lessons = Lessons(names=tuple(bands), features=features, shares=pixels.shares, green=GREEN)
    return fit(lessons, hidden=hidden, epochs=epochs, seed=seed, progress=progress)


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Training data of a single-pixel network."""

    names: tuple[str, ...]
    """Names of the features: bands, or derived values."""
    features: Array
    """(n, feature)."""
    shares: Array
    """(n, class), each row sums to 1."""
    green: npt.NDArray[np.bool_]
    """(class,)."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread, so that sums have one order and results are reproducible."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def fit(lessons: Lessons, *, hidden: Sequence[int], epochs: int, seed: int, progress: Progress | None) -> Layers:
    """Train on features as they are: seeded, one thread, hence reproducible."""
    torch.manual_seed(seed)
    mean, spread = lessons.features.mean(axis=0), lessons.features.std(axis=0)
    inputs = torch.tensor((lessons.features - mean) / spread, dtype=torch.float32)[:, :, None, None]
    shares = torch.tensor(lessons.shares, dtype=torch.float32)[:, :, None, None]
    green = torch.tensor(lessons.green)
    network = build(len(lessons.names), shares.shape[1], hidden)

    def told(done: int) -> None:
        if progress:
            progress(f"train {len(lessons.names)} bands", done, epochs)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return loss_of(network(inputs[rows]), shares[rows], green)

    descend(network, loss, count=len(inputs), epochs=epochs, told=told)
    error = _learn_error(network, inputs, shares, green, epochs=max(epochs // 2, 1))
    return _folded(network, error, lessons.names, mean, spread)


def descend(
    module: nn.Module,
    loss: Callable[[torch.Tensor], torch.Tensor],
    *,
    count: int,
    epochs: int,
    batch: int = BATCH,
    told: Callable[[int], None] = lambda _: None,
) -> None:
    """Train a module in place: ``loss`` of batches out of ``count`` rows, reshuffled each epoch."""
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-2, weight_decay=1e-4)
    steps = epochs * (count // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-2, total_steps=steps)
    for epoch in range(epochs):
        order = torch.randperm(count)
        for start in range(0, count - batch + 1, batch):
            optimiser.zero_grad()
            loss(order[start : start + batch]).backward()
            optimiser.step()
            schedule.step()
        told(epoch + 1)


def _learn_error(
    network: nn.Sequential,
    inputs: torch.Tensor,
    shares: torch.Tensor,
    green: torch.Tensor,
    *,
    epochs: int,
    batch: int = BATCH,
) -> nn.Conv2d:
    """Train a layer that predicts the finished network's error, by likelihood (Nix & Weigend 1994)."""
    last = network[-1]
    with torch.no_grad():
        hidden = network[:-1](inputs)
        missed = (torch.softmax(last(hidden), dim=1)[:, green] - shares[:, green]).sum(dim=1).square()
    error = nn.Conv2d(hidden.shape[1], 1, 1)
    least, most = LOG_ERROR

    def loss(rows: torch.Tensor, most: float | None = most) -> torch.Tensor:
        log_error: torch.Tensor = error(hidden[rows])[:, 0].clamp(least, most)
        return (log_error + missed[rows] * torch.exp(-2 * log_error) / 2).mean()

    descend(error, loss, count=len(inputs), epochs=epochs, batch=batch)
    with torch.no_grad():
        stuck = (error(hidden)[:, 0] >= most).float().mean() > MOST_STUCK
    if stuck:  # above the bound there is no gradient back: restart, and descend from there
        error = nn.Conv2d(hidden.shape[1], 1, 1)
        descend(error, partial(loss, most=None), count=len(inputs), epochs=epochs, batch=batch)
    return error


def _folded(network: nn.Sequential, error: nn.Conv2d, bands: tuple[str, ...], mean: Array, spread: Array) -> Layers:
    weights, biases = folded((part for part in network if isinstance(part, nn.Conv2d)), mean, spread)
    return Layers(
        bands=bands,
        weights=weights,
        biases=biases,
        error_weight=error.weight.detach().numpy()[:, :, 0, 0],
        error_bias=0.0 if error.bias is None else float(error.bias.detach()),
    )


def folded(
    trained: Iterable[nn.Conv2d | nn.Linear], mean: Array, spread: Array
) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]:
    """Return weights (out, in) and biases, with the standardisation folded into the first layer.

    No standardisation is left to do at run time.
    """
    parts = list(trained)
    weights = [part.weight.detach().numpy().astype(np.float64).reshape(part.weight.shape[:2]) for part in parts]
    biases = [part.bias.detach().numpy().astype(np.float64) for part in parts if part.bias is not None]
    weights[0] = weights[0] / spread
    biases[0] = biases[0] - weights[0] @ mean
    return tuple(weight.astype(np.float32) for weight in weights), tuple(bias.astype(np.float32) for bias in biases)


def predict(layers: Layers, reflectance: npt.ArrayLike) -> tuple[Array, Array]:
    """Predict, by the trainer's own arithmetic, for reflectance (n, band) in the order of ``layers.bands``.

    Returns
    -------
    class shares (n, class), and the standard error (n,) of the green share.
    """
    return predict_features(layers, logged(reflectance))


def predict_features(layers: Layers, features: Array) -> tuple[Array, Array]:
    """Predict for features (n, feature) as the network learned them; returns the same as :func:`predict`."""
    shares, hidden = passed(layers.weights, layers.biases, features)
    log_error = hidden @ layers.error_weight[0].astype(np.float64) + layers.error_bias
    return shares, np.asarray(np.exp(np.clip(log_error, *LOG_ERROR)))


def passed(weights: Sequence[FloatArray], biases: Sequence[FloatArray], features: Array) -> tuple[Array, Array]:
    """Evaluate the layers on features (n, feature): class probabilities (n, class), and the last hidden layer."""
    hidden = features
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        hidden = np.maximum(hidden @ weight.T.astype(np.float64) + bias, 0)
    logits = hidden @ weights[-1].T.astype(np.float64) + biases[-1]
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True)), hidden
