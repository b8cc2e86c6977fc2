"""The shipped detectors: one recipe, one seed, a file for each set of bands."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import helper, numpy_helper

from howgreen.clouds.card import AROUND_PX, CELL_M, METADATA_KEY, OUTPUT, CloudCard, CloudClass
from howgreen.core.sensors import LANDSAT, SENTINEL2, Sensor
from howgreen.core.types import Progress
from howgreen.landcover.contract import INPUT
from howgreen.training import export, network, references
from howgreen.training.clouds import fit, simulate
from howgreen.training.clouds.simulate import CLASSES, Sky
from howgreen.training.spectra import read_materials, read_responses

VERSION = "1.0.0"
SEED = 31
PIXELS, PER_KIND, EPOCHS = 150_000, 300, 10
"""For each sensor."""
HIDDEN = (24, 16)
NAMES = {
    "clouds-10": (SENTINEL2.band_names, (SENTINEL2,)),
    "clouds-6": (LANDSAT.band_names, (SENTINEL2, LANDSAT)),
    "clouds-4": (("blue", "green", "red", "nir"), (SENTINEL2, LANDSAT)),
    "clouds-3": (("green", "red", "nir"), (SENTINEL2, LANDSAT)),
}
"""Bands of each detector, and the sensors whose simulation it learns from."""
COLOURS = ("#4c9a3f", "#f0c850", "#ffffff", "#3c3ca0", "#78dcff")
TRAINING_DATA = (
    "Simulated: the surfaces that the green models are made from (PROSAIL canopies, dry plants, soils, water, SLUM and KLUM materials), "
    "bright roofs, sand and plastic among them, below aerosol of any depth, clouds of droplets and of ice by two streams, and in their "
    "shadow; snow by the levels of Wiscombe & Warren 1980. No image trained it"
)


def make(data: Path, *, out: Path, pixels: int = PIXELS, progress: Progress | None = None) -> list[Path]:
    """Write the detectors (.onnx) to ``out``; byte-identical on one machine."""
    told = progress or (lambda *_: None)
    learnt, judged = {}, {}
    for number, sensor in enumerate((SENTINEL2, LANDSAT)):
        told("simulate skies", number, 2)
        learnt[sensor.name] = skies(data, sensor, pixels, seed=SEED)
        judged[sensor.name] = skies(data, sensor, max(pixels // 5, 1000), seed=SEED + 1)
    written = []
    for number, (name, (bands, sensors)) in enumerate(NAMES.items()):
        told("train cloud detectors", number, len(NAMES))
        layers = fit.train(together(learnt, bands, sensors), bands=bands, hidden=HIDDEN, epochs=EPOCHS, seed=SEED)
        card = _card(name, layers, together(judged, bands, sensors))
        export.save(graph(layers, card), out / f"{name}.onnx")
        written.append(out / f"{name}.onnx")
    told("train cloud detectors", len(NAMES), len(NAMES))
    return written


def skies(data: Path, sensor: Sensor, count: int, *, seed: int) -> Sky:
    """Simulate skies seen by a sensor, from the spectra in a data folder."""
    responses = read_responses(data, sensor)
    measured = references.end_members(data, bands=responses.bands)
    rng = np.random.default_rng(seed)
    return simulate.simulate(read_materials(data), responses, count, per_kind=PER_KIND, rng=rng, measured=measured)


def together(skies: dict[str, Sky], bands: tuple[str, ...], sensors: tuple[Sensor, ...]) -> Sky:
    """Merge the skies of several sensors, with a subset of their bands."""
    chosen = [skies[sensor.name] for sensor in sensors]
    columns = [[sky.bands.index(band) for band in bands] for sky in chosen]
    return Sky(
        reflectance=np.concatenate([sky.reflectance[:, own] for sky, own in zip(chosen, columns, strict=True)]),
        floor=np.concatenate([sky.floor[:, own] for sky, own in zip(chosen, columns, strict=True)]),
        label=np.concatenate([sky.label for sky in chosen]),
        bands=bands,
    )


def _card(name: str, layers: fit.Layers, judged: Sky) -> CloudCard:
    floor = judged.floor[:, [judged.bands.index(band) for band in layers.floors]]
    found = fit.predict(layers, judged.reflectance, floor).argmax(axis=1)
    scores = {
        f"simulated_{word}_recall": round(float((found[judged.label == code] == code).mean()), 4)
        for code, word in enumerate(CLASSES)
    }
    return CloudCard(
        name=name,
        version=VERSION,
        description="What lies between ground and satellite: nothing, haze, cloud, a cloud's shadow, or snow on the ground, for each cell "
        "of about 40 m, by its own colour and by the darkest around it. It does not know that a cloud moves or how large it is: the "
        "steps beside it do. Without short-wave infrared, snow and cloud are easily confused, and white roofs look like small clouds.",
        bands=layers.bands,
        floors=layers.floors,
        resolution_m=CELL_M,
        halo_px=AROUND_PX // 2,
        normalisation=network.NORMALISATION,
        classes=tuple(
            CloudClass(code=code, name=word, colour=colour)
            for code, (word, colour) in enumerate(zip(CLASSES, COLOURS, strict=True))
        ),
        scores=scores,
        training_data=TRAINING_DATA,
        licence="Apache-2.0",
    )


def graph(layers: fit.Layers, card: CloudCard) -> onnx.ModelProto:
    """Build the graph of :func:`howgreen.training.clouds.fit.predict`, including the local minimum around a cell."""
    places = [layers.bands.index(band) for band in layers.floors]
    tensors = [
        export.tensor("low", network.CLIP[0]),
        export.tensor("high", network.CLIP[1]),
        export.tensor("dark", network.DARK),
    ]
    tensors.append(numpy_helper.from_array(np.array(places, np.int64), "visible"))
    node = helper.make_node
    half = AROUND_PX // 2
    nodes = [
        node("Clip", [INPUT, "low", "high"], ["clipped"]),
        node("Gather", ["clipped", "visible"], ["seen"], axis=1),
        node("Neg", ["seen"], ["darkness"]),
        node("MaxPool", ["darkness"], ["darkest"], kernel_shape=[AROUND_PX] * 2, pads=[half] * 4),
        node("Neg", ["darkest"], ["floor"]),
        node("Concat", ["clipped", "floor"], ["all"], axis=1),
        node("Add", ["all", "dark"], ["raised"]),
        node("Log", ["raised"], ["layer0"]),
    ]
    last = len(layers.weights) - 1
    for step, (weight, bias) in enumerate(zip(layers.weights, layers.biases, strict=True)):
        tensors += [export.tensor(f"weight{step}", weight[:, :, None, None]), export.tensor(f"bias{step}", bias)]
        nodes.append(node("Conv", [f"layer{step}", f"weight{step}", f"bias{step}"], [f"sum{step}"]))
        if step != last:
            nodes.append(node("Relu", [f"sum{step}"], [f"layer{step + 1}"]))
    nodes.append(node("Softmax", [f"sum{last}"], [OUTPUT], axis=1))

    built = helper.make_graph(
        nodes, card.name, [export.image(INPUT, len(layers.bands))], [export.image(OUTPUT, len(CLASSES))], tensors
    )
    model = helper.make_model(
        built,
        opset_imports=[helper.make_opsetid("", export.OPSET)],
        ir_version=export.IR_VERSION,
        producer_name="howgreen",
    )
    helper.set_model_props(model, {METADATA_KEY: msgspec.json.encode(card).decode()})
    onnx.checker.check_model(model, full_check=True)
    return model
