"""Export of trained weights to ONNX files that contain their card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from howgreen.core.files import write_atomic
from howgreen.core.models import ModelCard
from howgreen.landcover.card import METADATA_KEY, card_to_json
from howgreen.landcover.contract import INPUT, OUTPUTS, UNCERTAINTY
from howgreen.training.mixtures import COVER_OF, COVERS
from howgreen.training.network import CLIP, DARK, LOG_ERROR, Layers

OPSET = 17
IR_VERSION = 8

LOGIT_LIMIT = 30.0
"""Logits beyond this mean certainty; the limit keeps their exponentials finite without a search for the maximum."""


def network_graph(layers: Layers, card: ModelCard) -> onnx.ModelProto:
    """Build the graph of :func:`howgreen.training.network.predict`: shares of covers, green fraction, its error."""
    numbers = {"low": CLIP[0], "high": CLIP[1], "dark": DARK}
    tensors = [tensor(name, value) for name, value in numbers.items()]
    nodes = [
        helper.make_node("Clip", [INPUT, "low", "high"], ["clipped"]),
        helper.make_node("Add", ["clipped", "dark"], ["raised"]),
        helper.make_node("Log", ["raised"], ["layer0"]),
    ]
    last = len(layers.weights) - 1
    for step, (weight, bias) in enumerate(zip(layers.weights, layers.biases, strict=True)):
        tensors += [tensor(f"weight{step}", weight[:, :, None, None]), tensor(f"bias{step}", bias)]
        out = "logits" if step == last else f"sum{step}"
        nodes.append(helper.make_node("Conv", [f"layer{step}", f"weight{step}", f"bias{step}"], [out]))
        if step != last:
            nodes.append(helper.make_node("Relu", [out], [f"layer{step + 1}"]))
    # Softmax written out: ONNX Runtime's own moves the channel axis to the end and back, and takes twice as long.
    tensors += [tensor("least", -LOGIT_LIMIT), tensor("most", LOGIT_LIMIT)]
    tensors.append(tensor("gather", np.eye(len(COVERS))[COVER_OF].T[:, :, None, None]))
    tensors.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "channel"))
    nodes += [
        helper.make_node("Clip", ["logits", "least", "most"], ["tame"]),
        helper.make_node("Exp", ["tame"], ["weights_of_classes"]),
        helper.make_node("Conv", ["weights_of_classes", "gather"], ["weights_of_covers"]),
        helper.make_node("ReduceSum", ["weights_of_covers", "channel"], ["weight_of_all"], keepdims=1),
        helper.make_node("Div", ["weights_of_covers", "weight_of_all"], [OUTPUTS[0]]),
    ]
    green = np.array([[cls.green for cls in card.classes]], dtype=np.float32)[:, :, None, None]
    tensors += [tensor("green", green), tensor("none", 0.0), tensor("all", 1.0)]
    nodes += [
        helper.make_node("Conv", [OUTPUTS[0], "green"], ["total"]),
        helper.make_node("Clip", ["total", "none", "all"], [OUTPUTS[1]]),
    ]
    tensors += [tensor("least_error", LOG_ERROR[0]), tensor("most_error", LOG_ERROR[1])]
    tensors += [
        tensor("error_weight", layers.error_weight[:, :, None, None]),
        tensor("error_bias", [layers.error_bias]),
    ]
    nodes += [
        helper.make_node("Conv", [f"layer{last}", "error_weight", "error_bias"], ["any_log_error"]),
        helper.make_node("Clip", ["any_log_error", "least_error", "most_error"], ["log_error"]),
        helper.make_node("Exp", ["log_error"], [UNCERTAINTY]),
    ]
    return model_of(nodes, tensors, card, uncertain=True)


def ndvi_graph(card: ModelCard, *, bare: float, full: float) -> onnx.ModelProto:
    """Build the NDVI rule on bands (green, red, nir): see :func:`howgreen.training.ndvi.fraction_and_water`."""
    from howgreen.training.ndvi import TINY, WATER_NIR

    tensors = [tensor(name, value) for name, value in {
        "low": 0.0, "high": 2.0, "tiny": TINY, "bare": bare, "span": full - bare, "none": 0.0, "all": 1.0,
        "water_nir": WATER_NIR,
    }.items()]  # fmt: skip
    tensors.append(numpy_helper.from_array(np.array([1, 1, 1], dtype=np.int64), "parts"))
    node = helper.make_node
    nodes = [
        node("Clip", [INPUT, "low", "high"], ["clipped"]),
        node("Split", ["clipped", "parts"], ["green_band", "red", "nir"], axis=1),
        node("Sub", ["nir", "red"], ["difference"]),
        node("Add", ["nir", "red"], ["sum"]),
        node("Max", ["sum", "tiny"], ["safe_sum"]),
        node("Div", ["difference", "safe_sum"], ["ndvi"]),
        node("Sub", ["ndvi", "bare"], ["above_bare"]),
        node("Div", ["above_bare", "span"], ["linear"]),
        node("Clip", ["linear", "none", "all"], ["dry_fraction"]),
        node("Greater", ["green_band", "nir"], ["wetter"]),
        node("Less", ["nir", "water_nir"], ["dark"]),
        node("And", ["wetter", "dark"], ["is_water"]),
        node("Cast", ["is_water"], ["water"], to=TensorProto.FLOAT),
        node("Sub", ["all", "water"], ["land"]),
        node("Mul", ["dry_fraction", "land"], [OUTPUTS[1]]),
        node("Sub", ["land", OUTPUTS[1]], ["rest"]),
        node("Concat", ["rest", OUTPUTS[1], "water"], [OUTPUTS[0]], axis=1),
    ]
    return model_of(nodes, tensors, card)


def tensor(name: str, values: Any) -> onnx.TensorProto:
    """Name constants (float32) of a graph."""
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def image(name: str, channels: int) -> onnx.ValueInfoProto:
    """Name an input or output (n, channels, y, x) of a graph."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "y", "x"])


def model_of(
    nodes: Sequence[onnx.NodeProto], tensors: Sequence[onnx.TensorProto], card: ModelCard, *, uncertain: bool = False
) -> onnx.ModelProto:
    """Assemble nodes and tensors into a model that contains its card."""
    graph = helper.make_graph(
        nodes,
        card.name,
        [image(INPUT, len(card.bands))],
        [image(OUTPUTS[0], len(card.classes)), image(OUTPUTS[1], 1), *([image(UNCERTAINTY, 1)] if uncertain else [])],
        list(tensors),
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="howgreen"
    )
    helper.set_model_props(model, {METADATA_KEY: card_to_json(card)})
    onnx.checker.check_model(model, full_check=True)
    return model


def with_card(model: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """Return the same network with another card."""
    again = onnx.ModelProto()
    again.CopyFrom(model)
    del again.metadata_props[:]
    helper.set_model_props(again, {METADATA_KEY: card_to_json(card)})
    return again


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write atomically: a model file is complete or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, model.SerializeToString(deterministic=True))
