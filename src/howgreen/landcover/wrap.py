"""Adapter for third-party ONNX classifiers to :mod:`howgreen.landcover.contract`, with their graph unchanged inside.

Models are exported in many forms: row-based (scikit-learn, LightGBM, XGBoost), images with channels first (torch) or
last (TensorFlow), with logits, probabilities or labels as output. Wrapping adds the few operations before and after
that convert reflectance to the model's input and its output to class probabilities. Needs the package onnx.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from howgreen.core.errors import MissingExtraError, ModelError
from howgreen.core.models import ModelCard, ModelClass
from howgreen.landcover.card import METADATA_KEY, card_to_json
from howgreen.landcover.contract import INPUT, OUTPUTS

if TYPE_CHECKING:
    import onnx

Kind = Literal["table", "nchw", "nhwc"]
"""Input layout of the model: rows of bands, or images with the band axis second or last."""
Answers = Literal["logits", "probability", "labels", "fraction"]
"""Output of the model: one number per class before or after softmax, the class itself, or only the green fraction."""

OPSET = 13
"""From this opset on, Softmax works on one axis and axes are inputs; older graphs are converted."""
TILE_PX, HALO_PX = 128, 16
GREEN, GREY, BLUE = "#4c9a3f", "#b0a8a0", "#466fbe"
_OWN = "howgreen_"


@dataclass(frozen=True, kw_only=True)
class WrappedClass:
    """One class of a foreign model."""

    name: str
    green: bool
    value: int
    """Its index on the probability axis, or its label if the model predicts labels."""


@dataclass(frozen=True, kw_only=True)
class Wrapping:
    """Inputs and outputs of a foreign model."""

    bands: tuple[str, ...]
    """Common names in the order of the model's input."""
    classes: tuple[WrappedClass, ...]
    """In the order of the model's output."""
    kind: Kind
    answers: Answers
    scale: float = 1.0
    """Training input = reflectance (0-1) * scale: 10000 for the usual digital numbers."""
    mean: tuple[float, ...] = ()
    """Subtracted from each band after scaling; empty for none."""
    std: tuple[float, ...] = ()
    """Each band is then divided by this; empty for none."""
    resolution_m: float = 10.0
    tile_px: int | None = None
    """None for the graph's fixed size, else 128."""
    halo_px: int | None = None
    """Pixels around a tile that matter; None for 0 with rows and 16 with images."""


def parse_classes(text: str) -> tuple[WrappedClass, ...]:
    """Read ``tree:green,grass:green,built,bare,water``, or ``1=tree:green,2=water`` for explicit label numbers.

    Raises
    ------
    ModelError
        No class, a duplicate class, or a value that is not a number.
    """
    classes = []
    for place, entry in enumerate(part.strip() for part in text.split(",")):
        head, _, colour = entry.partition(":")
        number, equals, name = head.rpartition("=")
        name, value = name.strip(), number.strip() if equals else str(place)
        if not name or not value.isdecimal() or colour.strip() not in ("", "green"):
            raise ModelError(f"--classes {entry!r}: write NAME or NAME:green, or NUMBER=NAME:green, parted by commas")
        classes.append(WrappedClass(name=name, green=bool(colour.strip()), value=int(value)))
    if len({one.value for one in classes}) < len(classes) or len({one.name for one in classes}) < len(classes):
        raise ModelError(f"--classes {text!r}: a class is there twice; give each its own name and number")
    return tuple(classes)


def wrap_model(source: Path, out: Path, *, name: str, wrapping: Wrapping) -> ModelCard:
    """Write a foreign ONNX file to ``out`` as a howgreen model; return its card.

    Parameters
    ----------
    source
        The file as exported. External weight files are embedded.
    name
        The model's name.

    Raises
    ------
    ModelError
        Not an ONNX file, or a graph not of the stated kind.
    MissingExtraError
        The package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("wrapping a model", "train") from error
    _check(wrapping)
    try:
        model = onnx.load(str(source))
    except (OSError, onnx.checker.ValidationError) as error:
        raise ModelError(f"model {source}: cannot be read ({error}); give an ONNX file") from error
    except Exception as error:
        if type(error).__name__ != "DecodeError":  # protobuf's own, which moves between versions
            raise
        raise ModelError(f"model {source}: not an ONNX file; export it again") from error
    model = _converted(model, source)
    card = _card(model.graph, name, wrapping, source)
    graph = _Graph(model.graph, wrapping, str(source))
    graph.build(len(card.bands), card)
    onnx.helper.set_model_props(model, {METADATA_KEY: card_to_json(card)})
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = " ".join(str(error).split())[:160]
        raise ModelError(
            f"model {source}: the wrapped graph is not valid ({reason}); check --kind and --answers"
        ) from error
    out.write_bytes(model.SerializeToString())
    return card


def _check(wrapping: Wrapping) -> None:
    """Check everything that does not need the graph."""
    if wrapping.kind not in get_args(Kind) or wrapping.answers not in get_args(Answers):
        raise ModelError(
            f"--kind is one of {', '.join(get_args(Kind))}, --answers one of {', '.join(get_args(Answers))}"
        )
    for option, values in (("mean", wrapping.mean), ("std", wrapping.std)):
        if values and len(values) != len(wrapping.bands):
            raise ModelError(f"--{option}: {len(values)} numbers for {len(wrapping.bands)} bands; give one a band")
    if any(value == 0 for value in (wrapping.scale, *wrapping.std)):
        raise ModelError("--scale and --std: a band cannot be divided by 0 or multiplied with it")
    if wrapping.answers == "fraction" and len(wrapping.classes) != 2:
        raise ModelError(
            "--answers fraction: give two classes, the one that is not green first: other,vegetation:green"
        )
    if not any(one.green for one in wrapping.classes):
        raise ModelError("--classes: none of them is green; mark those that are: tree:green")
    if wrapping.answers != "labels" and [one.value for one in wrapping.classes] != list(range(len(wrapping.classes))):
        raise ModelError(
            "--classes: numbers are for --answers labels; give the classes in the order of the probabilities"
        )


def _converted(model: onnx.ModelProto, source: Path) -> onnx.ModelProto:
    """Raise the standard opset to one in which the added operations have the intended meaning."""
    import onnx

    opset = next((one for one in model.opset_import if one.domain in ("", "ai.onnx")), None)
    if opset is None:
        model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    elif opset.version < OPSET:
        if all(node.domain not in ("", "ai.onnx") or node.op_type in _UNCHANGED for node in model.graph.node):
            opset.version = OPSET
            return model
        try:
            return onnx.version_converter.convert_version(model, OPSET)
        except Exception as error:
            raise ModelError(
                f"model {source}: is written in opset {opset.version} and cannot be converted; export it with opset {OPSET} or later"
            ) from error
    return model


_UNCHANGED = ("Cast", "Identity", "Reshape", "Concat", "Transpose", "ZipMap", "ArgMax", "Shape", "Gather")
"""Standard operations around a tree ensemble with the same meaning in opsets 9 to 13."""


def _fixed_side(graph: onnx.GraphProto, kind: Kind, source: Path) -> int | None:
    """Return the fixed height and width of an image model; None for any."""
    sizes = [dimension.dim_value for dimension in graph.input[0].type.tensor_type.shape.dim]
    if len(sizes) != 4 and kind != "table":
        raise ModelError(f"model {source}: takes {len(sizes)} axes, an image has four; is it --kind table?")
    if kind == "table":
        if len(sizes) not in (0, 2):
            raise ModelError(f"model {source}: takes {len(sizes)} axes, a table has two; is it --kind nchw or nhwc?")
        return None
    height, width = sizes[2:] if kind == "nchw" else sizes[1:3]
    if height != width:
        raise ModelError(
            f"model {source}: takes images of {height} x {width} pixels; export it for squares, or for any size"
        )
    return height or None


def _card(graph: onnx.GraphProto, name: str, wrapping: Wrapping, source: Path) -> ModelCard:
    inputs = [one for one in graph.input if one.name not in {tensor.name for tensor in graph.initializer}]
    if len(inputs) != 1:
        raise ModelError(f"model {source}: takes {len(inputs)} inputs; only those of one can be wrapped")
    side = _fixed_side(graph, wrapping.kind, source)
    if side and wrapping.tile_px not in (None, side):
        raise ModelError(f"model {source}: is fixed at {side} x {side} pixels; leave --tile out")
    tile = side or wrapping.tile_px or TILE_PX
    halo = (
        wrapping.halo_px if wrapping.halo_px is not None else 0 if wrapping.kind == "table" else min(HALO_PX, tile // 8)
    )
    classes = tuple(
        ModelClass(code=code, name=one.name, green=one.green, colour=_colour(one))
        for code, one in enumerate(wrapping.classes)
    )
    normalisation = f"reflectance * {wrapping.scale:g}" + (
        ", less mean, over std" if wrapping.mean or wrapping.std else ""
    )
    return ModelCard(
        name=name,
        version="1",
        description=f"A foreign model ({wrapping.kind}, {wrapping.answers}), wrapped.",
        bands=wrapping.bands,
        resolution_m=wrapping.resolution_m,
        normalisation=normalisation,
        tile_px=tile,
        halo_px=halo,
        stride_px=max(tile - 2 * halo, 1),
        classes=classes,
        scores={},
        reference_error=None,
        training_data="not said by its maker",
        licence="as its maker says",
    )


def _colour(one: WrappedClass) -> str:
    return GREEN if one.green else BLUE if one.name.casefold() == "water" else GREY


@dataclass
class _Graph:
    """The foreign graph being wrapped: nodes before it, its own, nodes after it."""

    graph: onnx.GraphProto
    wrapping: Wrapping
    source: str
    before: list[Any] = field(default_factory=list)
    after: list[Any] = field(default_factory=list)

    def build(self, bands: int, card: ModelCard) -> None:
        """Wrap the graph in place."""
        from onnx import TensorProto, helper

        taken = self._input(bands)
        given = self._answer()
        foreign_input = self.graph.input[0].name
        for node in self.graph.node:
            node.input[:] = [taken if name == foreign_input else name for name in node.input]
        self._classes(given, card)
        nodes = [*self.before, *self.graph.node, *self.after]
        del self.graph.node[:], self.graph.input[:], self.graph.output[:], self.graph.value_info[:]
        self.graph.node.extend(nodes)
        for container, name, channels in (
            (self.graph.input, INPUT, bands),
            (self.graph.output, OUTPUTS[0], len(card.classes)),
            (self.graph.output, OUTPUTS[1], 1),
        ):
            container.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "y", "x"]))

    def _constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """Add a constant; return its name in the graph."""
        from onnx import numpy_helper

        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype), _OWN + name))
        return _OWN + name

    def _add(self, nodes: list[Any], operation: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add an operation to the nodes before or after the model's own; return its output's name."""
        from onnx import helper

        output = output if output in OUTPUTS else _OWN + output
        nodes.append(helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def _input(self, bands: int) -> str:
        """Convert reflectance (N, C, H, W) to the model's input; return the result's name."""
        from onnx import TensorProto

        wrapping, pre = self.wrapping, self.before
        current = INPUT
        if wrapping.scale != 1:
            current = self._add(pre, "Mul", [current, self._constant("scale", wrapping.scale)], "scaled")
        for operation, values, name in (("Sub", wrapping.mean, "centred"), ("Div", wrapping.std, "normalised")):
            if values:
                column = np.reshape(values, (1, -1, 1, 1))
                current = self._add(pre, operation, [current, self._constant(f"of_{name}", column)], name)
        if wrapping.kind in ("table", "nhwc"):
            current = self._add(pre, "Transpose", [current], "bands_last", perm=[0, 2, 3, 1])
        if wrapping.kind == "table":
            current = self._add(pre, "Reshape", [current, self._constant("rows", [-1, bands], np.int64)], "table")
        wanted = self.graph.input[0].type.tensor_type.elem_type
        if wanted not in (TensorProto.FLOAT, TensorProto.UNDEFINED):
            current = self._add(pre, "Cast", [current], "cast", to=wanted)
        return current

    def _answer(self) -> str:
        """Find the prediction among the outputs; a ZipMap, which makes dictionaries of probabilities, is bypassed."""
        from onnx import TensorProto

        maps = [node for node in self.graph.node if node.op_type == "ZipMap"]
        behind = {node.output[0]: node.input[0] for node in maps}
        for node in maps:
            self.graph.node.remove(node)
        numbers = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
        floats = [
            one.name for one in self.graph.output if one.name in behind or one.type.tensor_type.elem_type in numbers
        ]
        whole = [one for one in self.graph.output if one.name not in floats]
        if self.wrapping.answers != "labels":
            if len(floats) != 1:
                raise ModelError(
                    f"model {self.source}: has {len(floats)} outputs of numbers with a fraction, so which holds the "
                    f"{self.wrapping.answers} is not clear; export it with one"
                    + (" (or say --answers labels)" if not floats else "")
                )
            return str(behind.get(floats[0], floats[0]))
        if any(one.type.tensor_type.elem_type == TensorProto.STRING for one in whole):
            raise ModelError(
                f"model {self.source}: its labels are text; say --answers probability, or train it on numbers"
            )
        names = [one.name for one in whole] or floats
        if not names:
            raise ModelError(f"model {self.source}: has no output; export it again")
        return str(names[0])

    def _classes(self, given: str, card: ModelCard) -> None:
        """Convert the model's output to ``probability`` (N, K, H, W) and ``green_fraction`` (N, 1, H, W)."""
        from onnx import TensorProto

        post, count = self.after, len(card.classes)
        if self.wrapping.answers == "labels":
            given = self._one_hot(given)
        else:
            given = self._add(post, "Cast", [given], "float", to=TensorProto.FLOAT)
            channels = 1 if self.wrapping.answers == "fraction" else count
            given = self._channels_first(given, channels)
        if self.wrapping.answers == "fraction":
            rest = self._add(post, "Sub", [self._constant("whole", 1), given], "rest")
            given = self._add(post, "Concat", [rest, given], "both", axis=1)
        if self.wrapping.answers == "logits":
            given = self._add(post, "Softmax", [given], "softmax", axis=1)
        low, high = self._constant("none", 0), self._constant("all", 1)
        self._add(post, "Clip", [given, low, high], OUTPUTS[0])
        green = np.reshape([float(one.green) for one in card.classes], (1, count, 1, 1))
        total = self._add(post, "Conv", [OUTPUTS[0], self._constant("green", green)], "total")
        self._add(post, "Clip", [total, low, high], OUTPUTS[1])

    def _channels_first(self, given: str, channels: int) -> str:
        """Convert an output with classes last, or of rows, to (N, K, H, W)."""
        if self.wrapping.kind == "nchw":
            return given
        if self.wrapping.kind == "table":
            given = self._add(self.after, "Reshape", [given, self._grid_shape([channels])], "grid")
        return self._add(self.after, "Transpose", [given], "classes_second", perm=[0, 3, 1, 2])

    def _grid_shape(self, last: list[int]) -> str:
        """Name a tensor that holds N, H, W of the reflectance, followed by ``last``."""
        shape = self._add(self.after, "Shape", [INPUT], "shape")
        axes = self._constant("axes_of_grid", [0, 2, 3], np.int64)
        sides = self._add(self.after, "Gather", [shape, axes], "sides", axis=0)
        if not last:
            return sides
        return self._add(self.after, "Concat", [sides, self._constant("last", last, np.int64)], "grid_shape", axis=0)

    def _one_hot(self, given: str) -> str:
        """Convert labels, in any of the usual shapes, to probabilities of 0 and 1; an unknown label gets none."""
        from onnx import TensorProto

        post = self.after
        given = self._add(post, "Cast", [given], "whole_labels", to=TensorProto.INT64)
        given = self._add(post, "Reshape", [given, self._grid_shape([])], "labels")
        given = self._add(post, "Unsqueeze", [given, self._constant("second", [1], np.int64)], "labels_second")
        values = np.reshape([one.value for one in self.wrapping.classes], (1, -1, 1, 1))
        equal = self._add(post, "Equal", [given, self._constant("values", values, np.int64)], "equal")
        return self._add(post, "Cast", [equal], "hot", to=TensorProto.FLOAT)
