"""U-Net (MONAI's, Ronneberger et al. 2015): a pixel and its surroundings.

Batch normalisation, because instance normalisation would let a tile's content change its labels. The receptive field is
smaller than the card's halo, so tiles need no blending: the tests compare bit by bit.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from howgreen.training.contest import descent, graphs
from howgreen.training.contest.classes import CLASSES
from howgreen.training.contest.learners import Job
from howgreen.training.contest.samples import Floats, Place
from howgreen.training.network import CLIP, DARK

WIDTHS = (12, 24, 32, 48)
"""Channels per level; the first is the narrowest, because it is the most expensive."""
STRIDES = (1, 2, 2)
"""The first level keeps every pixel: halving at once would blur the result to 20 m."""
HALO_PX = 16
"""More than the network's receptive field, and a multiple of its downsampling."""
TILE_PX = 256
CROP_PX = 64
BATCH = 8
_CROPS = 6
"""Crops per batch; the rest are patchworks."""
EVEN_PX = 8
"""Side of the uniform fields that show pixels without neighbours."""
_RATE = 3e-3


def unet(job: Job) -> onnx.ModelProto:
    """Learn from crops of the towns, and from patchworks of the training pixels."""
    import torch

    features, parts = graphs.features_of(job.training.reflectance), graphs.Parts()
    torch.manual_seed(job.seed)
    net = build(len(features.weights), job.setting["width"])
    samples = Samples(job=job, features=features)
    job.descend(net, samples.batch, steps=job.effort.unet_steps, rate=_RATE, watch=samples.watch())
    write(parts, net, features)
    return graphs.finished(parts, job.card)


def write(parts: graphs.Parts, net: Any, features: graphs.Features) -> None:
    """Convert ``reflectance`` to ``probability``."""
    graphs.logs(parts)
    inner = exported(folded(net, features), features.weights.shape[1])
    prefixed = onnx.compose.add_prefix_graph(inner.graph, "unet_")
    for node in prefixed.node:
        node.input[:] = [graphs.LOGS if name == f"unet_{graphs.LOGS}" else name for name in node.input]
    parts.nodes += list(prefixed.node)
    parts.tensors += list(prefixed.initializer)
    graphs.softmax(parts, "unet_logits")


def build(channels: int, width: float) -> Any:
    """Return an untrained network of the contest; ``width`` scales its channels."""
    return levels(channels, tuple(int(size * width) for size in WIDTHS), STRIDES)


def levels(channels: int, widths: Sequence[int], strides: Sequence[int]) -> Any:
    """Return an untrained network with ``widths`` channels per level, and downsampling by ``strides`` between them."""
    from monai.networks.nets.unet import UNet

    return UNet(spatial_dims=2, in_channels=channels, out_channels=len(CLASSES), channels=widths, strides=strides,
                num_res_units=0, norm="batch", act="relu")  # fmt: skip


def folded(net: Any, features: graphs.Features) -> Any:
    """Return the same network on logged bands: features are linear in them, so its first layer can compute them itself.

    Only its padding differs, at the tile's outermost pixels, which do not affect a tile's middle.
    """
    import torch

    net = copy.deepcopy(net)
    first: Any = next(layer for layer in net.modules() if isinstance(layer, torch.nn.Conv2d))
    weight = first.weight.detach().double()
    of_bands = torch.einsum("ofyx,fb->obyx", weight, torch.tensor(features.weights))
    shift = (weight.sum(dim=(2, 3)) * torch.tensor(features.biases)).sum(dim=1)
    first.weight = torch.nn.Parameter(of_bands.float())
    first.bias = torch.nn.Parameter((first.bias.detach().double() + shift).float())
    return net


def exported(net: Any, channels: int) -> onnx.ModelProto:
    """Export the network from ``logs`` (N, C, H, W) to ``logits``, by torch's own exporter."""
    import torch

    out: Any = io.BytesIO()  # torch accepts one, but does not document it
    axes = {name: {0: "n", 2: "y", 3: "x"} for name in (graphs.LOGS, "logits")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without further packages is called legacy by torch itself
        torch.onnx.export(net.eval(), (torch.zeros(1, channels, CROP_PX, CROP_PX),), out, dynamo=False, opset_version=17,
                          input_names=[graphs.LOGS], output_names=["logits"], dynamic_axes=axes)  # fmt: skip
    return onnx.load_from_string(out.getvalue())


Corners = Callable[[np.random.Generator], tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Training data of a U-Net."""

    job: Job
    features: graphs.Features

    @cached_property
    def _corners(self) -> list[Corners]:
        return [_corners(town) for town in self.job.training.towns]

    @cached_property
    def _looks(self) -> list[list[int]]:
        """For each town, the indices of all looks at the same ground."""
        ground = [descent.key_of(town.shares) for town in self.job.training.towns]
        return [[number for number, same in enumerate(ground) if same == one] for one in ground]

    def batch(self, rng: np.random.Generator) -> descent.Batch:
        """Draw features (batch, feature, y, x) and shares (batch, class, y, x) of one step."""
        towns = self.job.training.towns
        crops = _CROPS if towns else 0
        pairs = [self.crop(int(rng.integers(len(towns))), rng) for _ in range(crops)]
        pairs += [self.patchwork(rng) for _ in range(BATCH - crops)]
        reflectance, shares = (np.stack(side).astype(np.float32) for side in zip(*pairs, strict=True))
        return self.seen(reflectance), shares

    def seen(self, reflectance: Floats) -> npt.NDArray[np.float32]:
        """Compute features as the graph does, in its own precision: a pixel without data is dark."""
        seen = np.where(np.isfinite(reflectance).all(axis=1, keepdims=True), reflectance, np.float32(0))
        logs = np.log(np.clip(seen, *CLIP) + np.float32(DARK))
        weights, biases = (np.asarray(part, np.float32) for part in (self.features.weights, self.features.biases))
        values = weights @ logs.reshape(len(logs), logs.shape[1], -1) + biases[:, None]
        return np.asarray(values.reshape(len(logs), len(weights), *logs.shape[2:]), dtype=np.float32)

    def crop(self, number: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Crop a piece of a town, rotated at random: (band, y, x) and (class, y, x), ``CROP_PX`` wide.

        If not all is known, it contains a known pixel of a randomly drawn class; outside the town it is NaN.
        Reflectance is linear in materials, so two looks at one town make a third, with materials of its own.
        """
        town, (top, left) = self.job.training.towns[number], self._corners[number](rng)
        other, share = self.job.training.towns[int(rng.choice(self._looks[number]))], np.float32(rng.random())
        turn, flip = int(rng.integers(4)), bool(rng.integers(2))

        def turned(values: Floats) -> Floats:
            # Shadows fall north or south of their houses, by hemisphere: rotation shows nothing impossible.
            piece = np.rot90(_cut(values, top, left), turn, (1, 2))
            return piece[:, :, ::-1] if flip else piece

        reflectance = turned(town.reflectance)
        if other is not town:
            reflectance = share * reflectance + (1 - share) * turned(other.reflectance)
        return reflectance, turned(town.shares)

    def patchwork(self, rng: np.random.Generator, *, even_px: int = EVEN_PX) -> tuple[Floats, Floats]:
        """Arrange training pixels without neighbours as uniform fields, ``even_px`` wide."""
        side = CROP_PX // even_px
        chosen = rng.integers(0, len(self.job.training.shares), side * side)

        def laid(values: Floats) -> Floats:
            tiles = values[chosen].T.reshape(-1, side, side)
            return tiles.repeat(even_px, 1).repeat(even_px, 2)

        return laid(self.job.training.reflectance), laid(self.job.training.shares)

    def watch(self) -> descent.Watch | None:
        """Evaluate the monitoring towns, each as one image."""
        import torch

        halvings = int(np.prod(STRIDES))
        images = []
        for town in self.job.training.watched:
            height, width = (size // halvings * halvings for size in town.shares.shape[1:])
            values = self.seen(town.reflectance[None, :, :height, :width])
            images.append((torch.tensor(values), torch.tensor(town.shares[None, :, :height, :width])))
        if not images:
            return None

        def look(answer: Any) -> dict[str, float]:
            found = [descent.figures(answer(values), shares) for values, shares in images]
            return {key: float(np.mean([one[key] for one in found])) for key in found[0]}

        return look


def _corners(place: Place) -> Corners:
    """Make a sampler of a piece's top left corner in a place."""
    if place.known.all():
        # Negative if the town is smaller: it then lies inside the piece.
        room = [size - CROP_PX for size in place.shares.shape[1:]]
        return lambda rng: tuple(int(rng.integers(min(most, 0), max(most, 0) + 1)) for most in room)
    code = np.where(place.known, np.nan_to_num(place.shares).argmax(axis=0), -1)
    spots = [np.argwhere(code == number) for number in np.unique(code[code >= 0])]

    def around_known(rng: np.random.Generator) -> tuple[int, ...]:
        # Classes are equally frequent, however large their polygons are.
        ours = spots[int(rng.integers(len(spots)))]
        return tuple(int(at) - int(rng.integers(CROP_PX)) for at in ours[int(rng.integers(len(ours)))])

    return around_known


def _cut(values: Floats, top: int, left: int) -> Floats:
    """Return a square of ``CROP_PX`` whose corner may lie outside."""
    piece = np.full((len(values), CROP_PX, CROP_PX), np.nan, np.float32)
    height, width = values.shape[1:]
    first_y, first_x = max(top, 0), max(left, 0)
    last_y, last_x = min(top + CROP_PX, height), min(left + CROP_PX, width)
    piece[:, first_y - top : last_y - top, first_x - left : last_x - left] = values[:, first_y:last_y, first_x:last_x]
    return piece
