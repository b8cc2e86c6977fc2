"""Building blocks of ONNX graphs: the common beginning and end of all contestants, and the parts between.

Every graph takes ``reflectance`` (N, C, H, W). Distances, kernels and networks are 1x1 convolutions; forests need rows,
so theirs is wrapped in Transpose and Reshape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from howgreen.core.models import ModelCard
from howgreen.landcover.card import METADATA_KEY, card_to_json
from howgreen.landcover.contract import INPUT, OUTPUTS
from howgreen.training.export import IR_VERSION, LOGIT_LIMIT, OPSET, image
from howgreen.training.network import CLIP, DARK, logged
from howgreen.training.spectra import Array

ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 3
LOGS, FEATURES, PROBABILITY = "logs", "features", OUTPUTS[0]
NORMALISATION = f"clip to {CLIP[0]:g}..{CLIP[1]:g}, log(reflectance + {DARK:g}), log ratios of bands; all in the graph"


@dataclass(kw_only=True)
class Parts:
    """A graph under construction."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        """Add one node with one output."""
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))

    def number(self, name: str, values: npt.ArrayLike, dtype: Any = np.float32) -> str:
        """Add a constant."""
        self.tensors.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def conv(self, source: str, weights: Array, biases: npt.ArrayLike, output: str) -> None:
        """Add a 1x1 convolution with ``weights`` (out, in)."""
        weight = self.number(f"{output}_weight", np.asarray(weights)[:, :, None, None])
        self.add("Conv", [source, weight, self.number(f"{output}_bias", biases)], output)


def ratios(bands: int) -> Array:
    """Make features (feature, band): each logged band, and log ratios of all pairs of few bands, else of neighbours."""
    pairs = list(combinations(range(bands), 2)) if bands <= 6 else [(i, j) for i, j in combinations(range(bands), 2)
                                                                    if j - i == 1 or (i, j) in _TELLING]  # fmt: skip
    rows = [np.eye(bands)[j] - np.eye(bands)[i] for i, j in pairs]
    return np.concatenate([np.eye(bands), np.array(rows)])


_TELLING = ((1, 6), (2, 6), (6, 8), (1, 8), (2, 3), (3, 5))
"""Band pairs of Sentinel-2's ten: green and red against near-infrared, near- against short-wave infrared, the red
edge."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Logged bands and log ratios, standardised on the training pixels: the input of all pixel learners."""

    weights: Array
    """(feature, band), on logged reflectance."""
    biases: Array

    def of(self, reflectance: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Compute features (n, feature) of reflectance (n, band)."""
        values = logged(reflectance) @ self.weights.T + self.biases
        return np.asarray(values, dtype=np.float32)


def features_of(reflectance: npt.ArrayLike) -> Features:
    """Fit the standardisation to the given pixels."""
    logs = logged(reflectance)
    weights = ratios(logs.shape[1])
    values = logs @ weights.T
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-6
    return Features(weights=weights / spread[:, None], biases=-mean / spread)


def opening(parts: Parts, features: Features) -> None:
    """Convert ``reflectance`` to ``features``."""
    logs(parts)
    parts.conv(LOGS, features.weights, features.biases, FEATURES)


def logs(parts: Parts) -> None:
    """Convert ``reflectance`` to ``logs``."""
    for name, value in (("low", CLIP[0]), ("high", CLIP[1]), ("darkest", DARK)):
        parts.number(name, value)
    parts.add("Clip", [INPUT, "low", "high"], "clipped")
    parts.add("Add", ["clipped", "darkest"], "raised")
    parts.add("Log", ["raised"], LOGS)


def to_rows(parts: Parts, channels: int) -> str:
    """Reshape ``features`` (N, F, H, W) to rows (N*H*W, F)."""
    parts.number("row_shape", [-1, channels], np.int64)
    parts.add("Transpose", [FEATURES], "features_last", perm=[0, 2, 3, 1])
    parts.add("Reshape", ["features_last", "row_shape"], "rows")
    return "rows"


def from_rows(parts: Parts, rows: str, classes: int) -> None:
    """Reshape rows (N*H*W, K) back to ``probability`` (N, K, H, W)."""
    parts.add("Shape", [FEATURES], "feature_shape")
    for name, value in (("first", [0]), ("second", [1]), ("fourth", [4]), ("depth", [classes])):
        parts.number(name, value, np.int64)
    parts.add("Slice", ["feature_shape", "first", "second", "first"], "shape_n")
    parts.number("row_axis", [2], np.int64)
    parts.add("Slice", ["feature_shape", "row_axis", "fourth", "first"], "shape_yx")
    parts.add("Concat", ["shape_n", "shape_yx", "depth"], "out_shape", axis=0)
    parts.add("Reshape", [rows, "out_shape"], "classes_last")
    parts.add("Transpose", ["classes_last"], PROBABILITY, perm=[0, 3, 1, 2])


def softmax(parts: Parts, logits: str) -> None:
    """Convert ``logits`` to ``probability``, written out.

    ONNX Runtime's own softmax moves the channel axis to the end and back, which takes longer.
    """
    parts.number("least", -LOGIT_LIMIT)
    parts.number("most", LOGIT_LIMIT)
    parts.add("Clip", [logits, "least", "most"], "tame")
    parts.add("Exp", ["tame"], "weights_of_classes")
    parts.add("ReduceSum", ["weights_of_classes", parts.number("channel", [1], np.int64)], "weight_of_all", keepdims=1)
    parts.add("Div", ["weights_of_classes", "weight_of_all"], PROBABILITY)


def finished(parts: Parts, card: ModelCard) -> onnx.ModelProto:
    """Finish the model: add ``green_fraction``, the sum of the green classes' probabilities, and the card."""
    green = np.array([[cls.green for cls in card.classes]], dtype=float)
    parts.conv(PROBABILITY, green, [0.0], "green_total")
    parts.add("Clip", ["green_total", parts.number("none", 0.0), parts.number("all", 1.0)], OUTPUTS[1])
    graph = helper.make_graph(parts.nodes, card.name, [image(INPUT, len(card.bands))],
                              [image(PROBABILITY, len(card.classes)), image(OUTPUTS[1], 1)], parts.tensors)  # fmt: skip
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="howgreen")
    helper.set_model_props(model, {METADATA_KEY: card_to_json(card)})
    onnx.checker.check_model(model)
    return model


def averaged(models: Sequence[onnx.ModelProto], card: ModelCard) -> onnx.ModelProto:
    """Build one graph that runs several models on the same reflectance and averages their probabilities."""
    parts = Parts()
    for number, model in enumerate(models):
        prefixed = onnx.compose.add_prefix_graph(model.graph, f"m{number}_")
        for node in prefixed.node:
            node.input[:] = [INPUT if name == f"m{number}_{INPUT}" else name for name in node.input]
        parts.nodes += list(prefixed.node)
        parts.tensors += list(prefixed.initializer)
    parts.add("Sum", [f"m{number}_{PROBABILITY}" for number in range(len(models))], "together")
    parts.add("Div", ["together", parts.number("members", float(len(models)))], PROBABILITY)
    return finished(parts, card)
