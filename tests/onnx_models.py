"""ONNX files as other people make them: any classes, bands, tiles and axes, and every way to be wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT

CLASSES = (("built", False), ("green", True))
SHARPNESS = 4.0


def card(bands: Sequence[str], classes: Sequence[tuple[str, bool]] = CLASSES, **changes) -> dict:
    """A card as its JSON says it, written without any of howgreen's own code."""
    return {
        "name": "theirs", "version": "3", "description": "made elsewhere", "bands": list(bands), "resolution_m": 10,
        "normalisation": "none", "tile_px": 16, "halo_px": 0, "stride_px": 16, "scores": {}, "reference_error": None,
        "classes": [
            {"code": code, "name": name, "green": green, "colour": f"#{40 * code % 256:02x}8040"}
            for code, (name, green) in enumerate(classes)
        ],
        "training_data": "none", "licence": "CC0-1.0",
    } | changes  # fmt: skip


def weights(bands: int, classes: int, *, size: int = 1, seed: int = 0) -> np.ndarray:
    """(class, band, y, x) of a linear classifier."""
    return np.random.default_rng(seed).normal(0, SHARPNESS, (classes, bands, size, size)).astype(np.float32)


def classifier(weight: np.ndarray, green: Sequence[bool]) -> tuple[list, list]:
    """Softmax of a convolution; the green fraction is the sum of the green classes."""
    node, pad = helper.make_node, weight.shape[2] // 2
    mask = np.array(green, np.float32)[None, :, None, None]
    nodes = [
        node("Conv", ["reflectance", "weight"], ["logits"], pads=[pad] * 4),
        node("Softmax", ["logits"], ["probability"], axis=1),
        node("Conv", ["probability", "mask"], ["green_fraction"]),
    ]
    return nodes, [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(mask, "mask")]


def proto(nodes, tensors, card, *, size=("y", "x"), count="n", opset=17, domains=(), text=None, functions=()):
    """A model with a card inside."""
    bands, classes = len(card.get("bands", ["red"])), len(card.get("classes", [0, 0]))

    def value(name, channels):
        return helper.make_tensor_value_info(name, FLOAT, [count, channels, *size])

    graph = helper.make_graph(
        nodes,
        "theirs",
        [value("reflectance", bands)],
        [value("probability", classes), value("green_fraction", 1)],
        tensors,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8, functions=functions)
    helper.set_model_props(model, {"howgreen": json.dumps(card) if text is None else text})
    return model


def write(path: Path, nodes, tensors, card, **options) -> Path:
    path.write_bytes(proto(nodes, tensors, card, **options).SerializeToString())
    return path


def linear(path: Path, bands: Sequence[str], classes=CLASSES, *, size: int = 1, axes=("y", "x"), count="n", **changes):
    """A linear classifier of windows of ``size`` pixels as a file; its weight."""
    weight = weights(len(bands), len(classes), size=size)
    write(
        path,
        *classifier(weight, [green for _, green in classes]),
        card(bands, classes, **changes),
        size=axes,
        count=count,
    )
    return weight


def expected(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Probability (class, y, x) of reflectance (band, y, x), outside of which all is 0, by plain sums."""
    size = weight.shape[2]
    padded = np.pad(values.astype(np.float64), ((0, 0), (size // 2,) * 2, (size // 2,) * 2))
    height, width = values.shape[1:]
    logits = sum(
        np.einsum("kb,byx->kyx", weight[:, :, y, x], padded[:, y : y + height, x : x + width])
        for y in range(size)
        for x in range(size)
    )
    shares = np.exp(logits - logits.max(axis=0))
    return shares / shares.sum(axis=0)


def outside(name: str, dims: Sequence[int], location: str):
    """A tensor whose numbers lie in another file."""
    tensor = onnx.TensorProto(name=name, data_type=FLOAT, dims=dims, data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def endless(path: Path) -> Path:
    """A network with a loop of 2^62 rounds."""
    node, value, kinds = helper.make_node, helper.make_tensor_value_info, onnx.TensorProto
    body = helper.make_graph(
        [node("Identity", ["go"], ["go_on"]), node("Neg", ["held"], ["next"])],
        "body",
        [value("i", kinds.INT64, []), value("go", kinds.BOOL, []), value("held", FLOAT, None)],
        [value("go_on", kinds.BOOL, []), value("next", FLOAT, None)],
    )
    nodes = [
        node("Loop", ["rounds", "yes", "reflectance"], ["looped"], body=body),
        node("Softmax", ["looped"], ["probability"], axis=1),
        node("Split", ["probability"], ["rest", "green_fraction"], axis=1),
    ]
    numbers = {"rounds": np.int64(2**62), "yes": np.bool_(True)}
    tensors = [numpy_helper.from_array(np.array(number), name) for name, number in numbers.items()]
    return write(path, nodes, tensors, card(["red", "nir"]))
