"""U-Net (MONAI's, Ronneberger et al. 2015): a pixel and what is around it.

Small on purpose: three levels of 16, 24 and 32 channels. Batch normalisation, because instance normalisation would let a
tile's content change its labels. What one pixel can reach is less than the halo of the card, so tiles need no blending: the
tests compare bit by bit.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import onnx

from howgreen.training.contest import graphs
from howgreen.training.contest.classes import CLASSES, GREEN
from howgreen.training.contest.learners import Job
from howgreen.training.network import loss_of

WIDTHS = (16, 24, 32)
HALO_PX = 16
"""More than the 8 pixels that the network reaches, and a multiple of its two halvings."""
CROP_PX = 32
BATCH = 12
_EVEN_PX = 8
"""Side of the even fields in which pixels without neighbours are shown."""


def unet(job: Job) -> onnx.ModelProto:
    """Learns from crops of the towns and from patchworks of the training pixels, half and half."""
    import torch

    features, parts = graphs.features_of(job.training.reflectance), graphs.Parts()
    graphs.opening(parts, features)
    torch.manual_seed(job.seed)
    net = build(len(features.weights), job.setting["width"])
    _descend(net, job, features)
    inner = exported(net, len(features.weights))
    prefixed = onnx.compose.add_prefix_graph(inner.graph, "unet_")
    for node in prefixed.node:
        node.input[:] = [graphs.FEATURES if name == "unet_features" else name for name in node.input]
    parts.nodes += list(prefixed.node)
    parts.tensors += list(prefixed.initializer)
    graphs.softmax(parts, "unet_logits")
    return graphs.finished(parts, job.card)


def build(channels: int, width: float) -> Any:
    """An untrained network; ``width`` scales its channels."""
    from monai.networks.nets.unet import UNet

    widths = tuple(int(size * width) for size in WIDTHS)
    return UNet(spatial_dims=2, in_channels=channels, out_channels=len(CLASSES), channels=widths, strides=(2, 2),
                num_res_units=0, norm="batch", act="relu")  # fmt: skip


def exported(net: Any, channels: int) -> onnx.ModelProto:
    """``features`` (N, F, H, W) to ``logits``; torch's own exporter."""
    import torch

    out: Any = io.BytesIO()  # torch takes one, and does not say so
    axes = {name: {0: "n", 2: "y", 3: "x"} for name in ("features", "logits")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without further packages is called legacy by torch itself
        torch.onnx.export(net.eval(), (torch.zeros(1, channels, CROP_PX, CROP_PX),), out, dynamo=False, opset_version=17,
                          input_names=["features"], output_names=["logits"], dynamic_axes=axes)  # fmt: skip
    return onnx.load_from_string(out.getvalue())


def _descend(net: Any, job: Job, features: graphs.Features) -> None:
    import torch

    rng, green = job.rng(), torch.tensor(GREEN)
    steps = job.effort.unet_steps
    optimiser = torch.optim.AdamW(net.parameters(), lr=6e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=6e-3, total_steps=steps)
    net.train()
    for step in range(steps):
        reflectance, shares = _batch(job, rng)
        rows = np.moveaxis(reflectance, 1, -1)
        values = np.moveaxis(features.of(rows.reshape(-1, rows.shape[-1])).reshape(*rows.shape[:-1], -1), -1, 1)
        optimiser.zero_grad()
        logits = net(torch.tensor(np.ascontiguousarray(values)))
        loss_of(logits, torch.tensor(shares), green).backward()
        optimiser.step()
        schedule.step()
        if step % 20 == 19:
            job.progress("U-Net", step + 1, steps)


def _batch(job: Job, rng: np.random.Generator) -> tuple[Any, Any]:
    """(batch, band, y, x) and (batch, class, y, x)."""
    pairs = [_crop(job, rng) if job.training.towns and number % 2 else _patchwork(job, rng) for number in range(BATCH)]
    reflectance, shares = (np.stack(side).astype(np.float32) for side in zip(*pairs, strict=True))
    return reflectance, shares


def _crop(job: Job, rng: np.random.Generator) -> tuple[Any, Any]:
    town = job.training.towns[int(rng.integers(len(job.training.towns)))]
    top, left = (int(rng.integers(0, size - CROP_PX + 1)) for size in town.shares.shape[1:])
    window = (slice(None), slice(top, top + CROP_PX), slice(left, left + CROP_PX))
    turn, flip = int(rng.integers(4)), bool(rng.integers(2))

    def turned(values: Any) -> Any:
        # Shadows fall north or south of their houses, by hemisphere: turning shows nothing impossible.
        values = np.rot90(values[window], turn, (1, 2))
        return values[:, :, ::-1] if flip else values

    return turned(town.reflectance), turned(town.shares)


def _patchwork(job: Job, rng: np.random.Generator) -> tuple[Any, Any]:
    side = CROP_PX // _EVEN_PX
    chosen = rng.integers(0, len(job.training.shares), side * side)

    def laid(values: Any) -> Any:
        tiles = values[chosen].T.reshape(-1, side, side)
        return tiles.repeat(_EVEN_PX, 1).repeat(_EVEN_PX, 2)

    return laid(job.training.reflectance), laid(job.training.shares)
