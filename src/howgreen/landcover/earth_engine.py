"""A model as an Earth Engine image: the same arithmetic on Google's machines (extra ``[ee]``).

Pixel models are stacks of a dozen simple operations, each with a counterpart in Earth Engine, so the ONNX graph is
translated operation by operation. Models that use neighbouring pixels are refused, and so are forests: Earth Engine
limits the expression of an image to ten megabytes, and a forest would have to be written out branch by branch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from howgreen.core.errors import MissingExtraError, ModelError
from howgreen.core.models import water_codes
from howgreen.core.types import HALF_GREEN
from howgreen.landcover.contract import INPUT, OUTPUTS
from howgreen.landcover.model import Model

Tensor = Any
"""An ``ee.Image`` with one band per channel, or a constant: a float or an array."""


def cover(model: Model, reflectance: Any) -> tuple[Any, Any]:
    """Compute the probability of each class and the green fraction, as two ``ee.Image``; bands in the card's order.

    Parameters
    ----------
    model
        A pixel model.
    reflectance
        ``ee.Image`` with the bands of the model's card in their order, 0-1.

    Raises
    ------
    MissingExtraError
        The extra is not installed.
    ModelError
        The model uses neighbouring pixels, or has an unsupported operation.
    """
    graph = graph_of(model)
    import onnx

    values: dict[str, Tensor] = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    values[INPUT] = reflectance
    for node in graph.node:
        options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        inputs = [values[name] for name in node.input if name]
        results = _OPERATIONS[node.op_type](inputs, options)
        values.update(zip(node.output, results if isinstance(results, list) else [results], strict=True))
    return values[OUTPUTS[0]], values[OUTPUTS[1]].rename("green_fraction")


def graph_of(model: Model) -> Any:
    """Read the graph of a model that Earth Engine can compute.

    Raises
    ------
    MissingExtraError, ModelError
        As :func:`cover`, before anybody has to log in.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("exporting a model to Earth Engine", "ee") from error
    if model.card.looks_around:
        raise ModelError(
            f"model {model.card.name}: looks at neighbours (tiles of {model.card.tile_px} pixels with {model.card.halo_px} around them), "
            "and an expression of Earth Engine has no tiles; use a pixel model such as mixture-10, or `howgreen city`, which runs it here"
        )
    graph = onnx.load_model_from_string(model.content).graph
    _refuse_forest(model, graph)
    unknown = sorted({node.op_type for node in graph.node} - set(_OPERATIONS))
    if unknown:
        raise ModelError(
            f"model {model.card.name}: its operation {', '.join(unknown)} is not known in Earth Engine; use a pixel model such as "
            "mixture-10, or `howgreen city`, which runs it here"
        )
    return graph


def _refuse_forest(model: Model, graph: Any) -> None:
    """Raise ModelError if the network is, or contains, a tree ensemble."""
    branches, trees = 0, set[int]()
    for node in graph.node:
        if node.op_type.startswith("TreeEnsemble"):
            columns = {one.name: one for one in node.attribute}
            branches += (
                sum(mode != b"LEAF" for mode in columns["nodes_modes"].strings) if "nodes_modes" in columns else 0
            )
            trees |= set(columns["nodes_treeids"].ints) if "nodes_treeids" in columns else set[int]()
    if branches or trees:
        raise ModelError(
            f"model {model.card.name}: is a forest of {len(trees)} trees with {branches:,} branches, which would have to be written out "
            "branch by branch in an expression of Earth Engine; use a pixel network such as mixture-10, or `howgreen city`, which runs it "
            "here"
        )


def green_mask(model: Model, reflectance: Any) -> Any:
    """Make an ``ee.Image`` of one band: 1 at least half green, 0 not; masked where unseen or classified as water.

    Parameters and errors as for :func:`cover`.
    """
    probability, fraction = cover(model, reflectance)
    mask = fraction.gte(HALF_GREEN).rename("green_mask")
    for water in water_codes(model.card.classes):
        # The label is the first class of highest probability.
        others = [item.code for item in model.card.classes if item.code != water]
        lost = [
            probability.select([other]).gte(probability.select([water]))
            if other < water
            else probability.select([other]).gt(probability.select([water]))
            for other in others
        ]
        mask = mask.updateMask(_stacked(lost).reduce(_sum()).gt(0))
    return mask


def _sum() -> Any:
    import ee

    return ee.Reducer.sum()


def _number(value: Tensor) -> Tensor:
    """Convert a single-element constant to a float; leave anything else as it is."""
    return float(value) if isinstance(value, np.ndarray) and value.size == 1 else value


def _image(value: Tensor) -> Any:
    import ee

    return value if isinstance(value, ee.Image) else ee.Image.constant(_number(value))


def _both(name: str) -> Callable[[list[Tensor], Mapping[str, Any]], Any]:
    """Make a binary operation on tensors; a single-band image is combined with each band of the other."""

    def operation(inputs: list[Tensor], _: Mapping[str, Any]) -> Any:
        return getattr(_image(inputs[0]), name)(_image(inputs[1]))

    return operation


def _one(name: str) -> Callable[[list[Tensor], Mapping[str, Any]], Any]:
    def operation(inputs: list[Tensor], _: Mapping[str, Any]) -> Any:
        return getattr(_image(inputs[0]), name)()

    return operation


def _clip(inputs: list[Tensor], _: Mapping[str, Any]) -> Any:
    low, high = (_number(one) for one in inputs[1:3])
    return _image(inputs[0]).max(low).min(high)


def _convolution(inputs: list[Tensor], _: Mapping[str, Any]) -> Any:
    """1 x 1: each output band is a weighted sum of the input bands."""
    import ee

    image, weights = inputs[0], np.asarray(inputs[1])
    if weights.shape[2:] != (1, 1):
        raise ModelError(f"a convolution of {weights.shape[2:]} pixels looks at neighbours; use a pixel model")
    bias = np.asarray(inputs[2]) if len(inputs) > 2 else np.zeros(len(weights))
    bands = [
        image.multiply(ee.Image.constant([float(w) for w in row[:, 0, 0]])).reduce(_sum()).add(float(b))
        for row, b in zip(weights, bias, strict=True)
    ]
    return _stacked(bands)


def _stacked(bands: list[Any]) -> Any:
    import ee

    return ee.Image.cat(bands).rename([f"c{number}" for number in range(len(bands))])


def _split(inputs: list[Tensor], _: Mapping[str, Any]) -> list[Any]:
    ends = np.cumsum(inputs[1]).tolist()
    return [inputs[0].slice(end - size, end) for end, size in zip(ends, np.asarray(inputs[1]).tolist(), strict=True)]


def _concatenated(inputs: list[Tensor], _: Mapping[str, Any]) -> Any:
    return _stacked([_image(one) for one in inputs])


def _summed(inputs: list[Tensor], _: Mapping[str, Any]) -> Any:
    return inputs[0].reduce(_sum())


def _cast(inputs: list[Tensor], _: Mapping[str, Any]) -> Any:
    return inputs[0].toFloat()


_OPERATIONS: Mapping[str, Callable[[list[Tensor], Mapping[str, Any]], Any]] = {
    "Add": _both("add"),
    "And": _both("And"),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concatenated,
    "Conv": _convolution,
    "Div": _both("divide"),
    "Exp": _one("exp"),
    "Greater": _both("gt"),
    "Less": _both("lt"),
    "Log": _one("log"),
    "Max": _both("max"),
    "Mul": _both("multiply"),
    "ReduceSum": _summed,
    "Relu": lambda inputs, _: inputs[0].max(0),
    "Split": _split,
    "Sub": _both("subtract"),
}
"""Earth Engine equivalent of each ONNX operation: a function of (inputs, attributes)."""
