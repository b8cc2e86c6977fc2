"""Tiny hand-made models whose answers anyone can compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.core.models import ModelCard, ModelClass
from howgreen.core.types import Composite
from howgreen.landcover import Model, card_to_json, load_model

onnx = pytest.importorskip("onnx")

TWO_CLASSES = (
    ModelClass(code=0, name="not green", green=False, colour="#aaaaaa"),
    ModelClass(code=1, name="green", green=True, colour="#00ff00"),
)


def _card(**changes: object) -> ModelCard:
    values: dict[str, object] = {
        "name": "tiny", "version": "0", "description": "green fraction is the near-infrared", "bands": ("red", "nir"),
        "resolution_m": 10.0, "normalisation": "none", "tile_px": 8, "halo_px": 0, "stride_px": 8, "classes": TWO_CLASSES,
        "scores": {"made_up": 0.5}, "reference_error": None, "training_data": "none", "licence": "none",
    }  # fmt: skip
    return ModelCard(**(values | changes))  # type: ignore[arg-type]


def _save(path: Path, nodes: Sequence, tensors: Sequence, metadata: dict[str, str], channels: int) -> Path:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info("reflectance", kind, ["n", channels, "y", "x"])],
        [
            helper.make_tensor_value_info("probability", kind, ["n", 2, "y", "x"]),
            helper.make_tensor_value_info("green_fraction", kind, ["n", 1, "y", "x"]),
        ],
        list(tensors),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    return path


def _convolution(weight: np.ndarray, pad: int) -> tuple[list, list]:
    """Green fraction = one convolution; probability = (1 - fraction, fraction)."""
    node, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes = [
        node("Conv", ["reflectance", "weight"], ["green_fraction"], pads=[pad] * 4),
        node("Sub", ["one", "green_fraction"], ["rest"]),
        node("Concat", ["rest", "green_fraction"], ["probability"], axis=1),
    ]
    return nodes, [tensor(weight.astype(np.float32), "weight"), tensor(np.float32(1), "one")]


@pytest.fixture(scope="session")
def make_card() -> Callable[..., ModelCard]:
    return _card


@pytest.fixture(scope="session")
def make_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a pixel model (fraction = last band) with any metadata."""

    def make(metadata: dict[str, str], *, channels: int = 2, name: str = "tiny.onnx") -> Path:
        weight = np.zeros((1, channels, 1, 1))
        weight[0, -1] = 1
        return _save(tmp_path_factory.mktemp("model") / name, *_convolution(weight, 0), metadata, channels)

    return make


@pytest.fixture(scope="session")
def pixel_model(make_file: Callable[..., Path]) -> Model:
    """Green fraction is the near-infrared; tiles of 8."""
    return load_model(make_file({"howgreen": card_to_json(_card())}))


@pytest.fixture(scope="session")
def box_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Green fraction is the mean near-infrared of 3 x 3 pixels: what lies outside or is unseen counts as 0."""
    weight = np.zeros((1, 2, 3, 3))
    weight[0, 1] = 1 / 9
    card = _card(tile_px=8, halo_px=1, stride_px=6)
    path = _save(
        tmp_path_factory.mktemp("box") / "b.onnx", *_convolution(weight, 1), {"howgreen": card_to_json(card)}, 2
    )
    return load_model(path)


def _composite(values: np.ndarray, bands: Sequence[str], chunks: object = None) -> Composite:
    import dask.array as da

    data = values.astype(np.float32)
    layers = data if chunks is None else da.from_array(data, chunks=chunks)
    y, x = np.arange(values.shape[1])[::-1] * 10.0, np.arange(values.shape[2]) * 10.0
    dataset = xr.Dataset(
        {"reflectance": (("band", "y", "x"), layers)},
        coords={"band": list(bands), "y": y, "x": x, "spatial_ref": 32632},
    )
    grid = GeoBox(values.shape[1:], Affine(10, 0, 0, 0, -10, 10 * values.shape[1]), "EPSG:32632")
    return Composite(data=dataset, grid=grid, scenes=())


@pytest.fixture(scope="session")
def make_composite() -> Callable[..., Composite]:
    return _composite


@pytest.fixture(scope="session")
def shrinking_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network without padding: its answer lacks the outermost pixels."""
    nodes, tensors = _convolution(np.ones((1, 2, 3, 3)), 0)
    metadata = {"howgreen": card_to_json(_card(halo_px=1, tile_px=10))}
    return _save(tmp_path_factory.mktemp("model") / "shrinking.onnx", nodes, tensors, metadata, 2)
