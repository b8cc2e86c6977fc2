"""Earth Engine through Google's own client library, against a server on the loopback: same pixels, one line a fault."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

import asking
import earth_server
import onnx_models
from howgreen import cli, landcover, place
from howgreen.core.errors import MissingExtraError, ModelError, NetworkError, PlanError
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.imagery.read import earthengine
from howgreen.landcover import load_model
from howgreen.landcover.earth_engine import cover, graph_of
from howgreen.pipeline import city, drive_export
from howgreen.store import put_place, put_scene

FINE = GeoBox((120, 160), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")
COARSE = GeoBox((60, 80), Affine(20, 0, 680_000, 0, -20, 5_150_000), "EPSG:32632")
NATIVE = {"blue": "B2", "green": "B3", "red": "B4", "nir": "B8", "rededge1": "B5", "rededge2": "B6", "rededge3": "B7",
          "nir08": "B8A", "swir16": "B11", "swir22": "B12", "scl": "SCL"}  # fmt: skip
LEAF = {"blue": 400, "green": 700, "red": 450, "nir": 3200, "rededge1": 1000, "rededge2": 2300, "rededge3": 2900, "nir08": 3300,
        "swir16": 1800, "swir22": 900, "scl": 0}  # fmt: skip
SOIL = {"blue": 600, "green": 800, "red": 1000, "nir": 1500, "rededge1": 1150, "rededge2": 1300, "rededge3": 1400, "nir08": 1550,
        "swir16": 2300, "swir22": 2000, "scl": 0}  # fmt: skip
TENS = ("blue", "green", "red", "nir")
WATER_NIR = 0.1
"""Below it the rule may call a pixel water."""
COLLECTION = "COPERNICUS/S2_SR_HARMONIZED"


def rasters(day: int) -> dict[str, tuple[np.ndarray, GeoBox]]:
    rng = np.random.default_rng(day)
    made = {}
    for band in NATIVE:
        frame = FINE if band in TENS else COARSE
        # Plants, soil and water, pixel by pixel: what nobody takes for haze, however its means are made.
        kind = np.random.default_rng(day + 50).random(frame.shape)
        level = np.select([kind < 0.3, kind < 0.5], [0.15 * LEAF[band], SOIL[band]], LEAF[band])
        made[band] = ((level * rng.uniform(0.7, 1.3, frame.shape)).astype(np.uint16), frame)
    scl = np.full(COARSE.shape, 4, np.uint8)
    scl[:, : 10 * day] = 9
    return made | {"scl": (scl, COARSE)}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    for day in (1, 2, 3):
        put_scene(root, Header(id=f"s{day}", sensor=SENSORS["sentinel-2"], time=datetime(2024, 6, day, 10, tzinfo=UTC), scale=1e-4, offset=0.0, nodata=0), rasters(day))  # fmt: skip
    area = FINE.extent.to_crs("EPSG:4326").geom.buffer(-0.0003)
    put_place(root, place.from_shape(area, name="Small"))
    return root


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[earth_server.World]:
    monkeypatch.setenv("EARTHENGINE_PROJECT", "p")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    outline = FINE.extent.to_crs("EPSG:4326").geom
    images = [
        earth_server.Image(
            id=f"{COLLECTION}/s{day}",
            start=f"2024-06-0{day}T10:00:00Z",
            footprint=shapely.Polygon(outline.exterior.coords),
            bands={NATIVE[band]: (values, frame.affine) for band, (values, frame) in rasters(day).items()},
            crs="EPSG:32632",
            properties={"MGRS_TILE": f"32TP{day}", "PROCESSING_BASELINE": "05.10", "CLOUDY_PIXEL_PERCENTAGE": 12.5},
        )
        for day in (1, 2, 3)
    ]
    earthengine._grid.cache_clear()
    with earth_server.served(images) as found:
        yield found
    earthengine._connected.clear()


def plan(world: earth_server.World, store: Path, **options: Any):
    return asking.plan(
        "Small", store=store, catalogs=[f"earth-engine={world.url}"], period="2024-05/2024-09", **options
    )


def test_the_same_answer_as_from_files(world: earth_server.World, store: Path, tmp_path: Path):
    near, far = city.plan("Small", store=store), plan(world, store)
    assert [(s.id, s.clear_pct, s.scale, s.offset) for s in far.scenes] == [
        (s.id, s.clear_pct, s.scale, s.offset) for s in near.scenes
    ]
    assert (far.scenes[0].cloud_cover_pct, far.bands) == (12.5, near.bands)
    here, there = (city.run(one, work=tmp_path / name) for one, name in ((near, "near"), (far, "far")))
    np.testing.assert_array_equal(there.composite.data["reflectance"].values, here.composite.data["reflectance"].values)
    assert there.stats == here.stats


def test_what_is_asked_of_the_catalogue(world: earth_server.World, store: Path):
    plan(world, store)
    (wanted,) = set(world.filters)
    assert 'startTime >= "2024-05-01T00:00:00Z" AND startTime < "2024-10-01T00:00:00Z" AND intersects("' in wanted
    region = json.loads(wanted.partition('intersects("')[2].rstrip('")').replace("'", '"'))
    assert shapely.geometry.shape(region).covers(place.find("Small", stores=[store]).boundary)


def test_a_busy_service_is_asked_again(world: earth_server.World, store: Path):
    world.refusals += [(503, "try later"), (429, "Too many concurrent aggregations.")]
    assert len(plan(world, store).scenes) == 3


@pytest.mark.parametrize(
    ("refusal", "cure"),
    [
        ((401, "the account is refused"), "earthengine authenticate"),
        ((403, "Caller does not have required permission to use project p"), "EARTHENGINE_PROJECT"),
        ((404, "Asset not found"), "try again"),
    ],
)
def test_a_refusal_is_one_line_with_the_cure(
    world: earth_server.World, store: Path, refusal: tuple[int, str], cure: str
):
    world.refusals += [refusal] * 50
    with pytest.raises(NetworkError, match=refusal[1]) as caught:
        plan(world, store)
    assert cure in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_account_is_shown_to_google_only(store: Path):
    with pytest.raises(NetworkError, match=r"example\.org: not Earth Engine's address"):
        earthengine.connect("https://earthengine.example.org")


def test_without_the_extra_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ee", None)
    with pytest.raises(MissingExtraError, match=r'pip install "howgreen\[ee\]"'):
        earthengine.connect()


def median(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Along the first axis; 0 where none is valid."""
    return np.ma.median(np.ma.array(values, mask=~valid), axis=0).filled(0)


class Interpreter:
    """Works out the few operations of Earth Engine that an export holds, on small arrays: an oracle of our own."""

    def __init__(self, expression: dict, images: dict[str, dict[str, np.ndarray]]) -> None:
        self.values, self.images, self.known = expression["values"], images, {}
        self.result = self.of({"valueReference": expression["result"]})

    def of(self, node: dict) -> Any:
        if "valueReference" in node:
            key = node["valueReference"]
            if key not in self.known:
                self.known[key] = self.of(self.values[key])
            return self.known[key]
        if "constantValue" in node:
            return node["constantValue"]
        if "arrayValue" in node:
            return [self.of(one) for one in node["arrayValue"]["values"]]
        call = node["functionInvocationValue"]
        arguments = {name: self.of(value) for name, value in call["arguments"].items()}
        return getattr(self, call["functionName"].replace(".", "_"))(**arguments)

    # An image: names in order -> (values, valid).
    def Image_load(self, id):
        return {name: (values.astype(float), np.ones(values.shape, bool)) for name, values in self.images[id].items()}

    def Image_constant(self, value):
        numbers = value if isinstance(value, list) else [value]
        names = [f"constant_{i}" for i in range(len(numbers))] if isinstance(value, list) else ["constant"]
        return {name: (np.float64(number), np.True_) for name, number in zip(names, numbers, strict=True)}

    def Image_select(self, input, bandSelectors, newNames=None):
        chosen = [list(input)[s] if isinstance(s, int) else s for s in bandSelectors]
        return {new: input[old] for new, old in zip(newNames or chosen, chosen, strict=True)}

    def Image_slice(self, image, start, end):
        return dict(list(image.items())[int(start) : int(end)])

    def Image_rename(self, input, names):
        return dict(zip(names, input.values(), strict=True))

    def Image_addBands(self, dstImg, srcImg, **_):
        out = dict(dstImg)
        for name, band in srcImg.items():
            out[name if name not in out else f"{name}_{len(out)}"] = band
        return out

    def Image_reduce(self, image, reducer):
        assert reducer == "sum"
        return {"sum": (sum(v for v, _ in image.values()), np.logical_and.reduce([m for _, m in image.values()]))}

    def Reducer_sum(self):
        return "sum"

    def Image_updateMask(self, image, mask):
        ((there, valid),) = mask.values()
        return {name: (v, m & valid & (there != 0)) for name, (v, m) in image.items()}

    def Image_unmask(self, input, value, sameFootprint):
        assert sameFootprint is False
        ((fill, _),) = value.values() if isinstance(value, dict) else ((value, True),)
        return {name: (np.where(m, v, fill), np.ones_like(m)) for name, (v, m) in input.items()}

    def Image_clip(self, input, **_):
        return input

    def Image_reproject(self, image, crs, crsTransform):
        self.grid = crs, crsTransform
        return image

    def Image_clipToBoundsAndScale(self, input, **_):
        return input

    def Projection(self, crs):
        return crs

    def ImageCollection_fromImages(self, images):
        return images

    def reduce_median(self, collection):
        found = {}
        for name in collection[0]:
            values, valid = (np.array([image[name][part] for image in collection]) for part in (0, 1))
            found[name] = median(values, valid), valid.any(axis=0)
        return found

    def GeometryConstructors_MultiPolygon(self, **_):
        return None

    GeometryConstructors_Polygon = GeometryConstructors_Rectangle = GeometryConstructors_MultiPolygon

    def __getattr__(self, name: str) -> Any:
        two = {"multiply": np.multiply, "add": np.add, "subtract": np.subtract, "divide": np.divide, "max": np.maximum,
               "min": np.minimum, "and": np.logical_and, "gt": np.greater, "gte": np.greater_equal, "lt": np.less,
               "eq": np.equal, "neq": np.not_equal, "bitwiseAnd": lambda a, b: a.astype(int) & int(b)}  # fmt: skip
        one = {"log": np.log, "exp": np.exp, "toFloat": np.float64, "toUint8": np.uint8}
        kind = name.removeprefix("Image_")
        if kind in one:
            return lambda value: {n: (one[kind](v), m) for n, (v, m) in value.items()}
        if kind not in two:
            raise AttributeError(name)

        def both(image1, image2):
            right = list(image2.values()) * (len(image1) if len(image2) == 1 else 1)
            left = list(image1.items()) * (len(right) if len(image1) == 1 else 1)
            names = [n for n, _ in left] if len(image1) > 1 else [f"{n}_{i}" for i, (n, _) in enumerate(left)]
            names = list(image1) if len(right) == 1 else names
            pairs = zip(names, left, right, strict=True)
            return {n: (two[kind](a, b).astype(float), p & q) for n, (_, (a, p)), (b, q) in pairs}

        return both


@pytest.mark.parametrize("name", ["mixture-10", "mixture-4", "ndvi"])
def test_the_exported_mask_is_the_models_own(world: earth_server.World, store: Path, name: str):
    planned = plan(world, store, model=name)
    assert drive_export.export(planned, folder="maps", name="small") == "TASK1"
    (body,) = world.exports
    assert body["fileExportOptions"]["driveDestination"] == {"folder": "maps", "filenamePrefix": "small"}
    given = {
        i.id: {b: np.kron(v, np.ones((120 // len(v),) * 2, v.dtype)) for b, (v, _) in i.bands.items()}
        for i in world.images
    }
    oracle = Interpreter(body["expression"], given)
    ((found, _),) = oracle.result.values()
    assert oracle.grid == ("EPSG:32632", list(planned.grid.transform)[:6])
    model = landcover.load_model(name)
    clear = np.array([image["SCL"] == 4 for image in given.values()])
    seen = clear.any(axis=0)
    bands = [np.array([image[NATIVE[band]] * 1e-4 for image in given.values()]) for band in model.card.bands]
    pixels = np.array([median(values, clear) for values in bands], np.float32)
    probability, fraction, _ = model.run(pixels[None])
    water = [item.code for item in model.card.classes if item.name == "water"]
    expected = np.where(seen & ~np.isin(probability[0].argmax(axis=0), water), fraction[0, 0] >= 0.5, 255)
    # Single precision here, double there: what lies on a threshold may fall to either side of it.
    green, nir = (pixels[model.card.bands.index(band)] for band in ("green", "nir"))
    unsure = (np.abs(fraction[0, 0] - 0.5) < 1e-4) | (np.abs(green - nir) < 1e-6) | (np.abs(nir - WATER_NIR) < 1e-6)
    np.testing.assert_array_equal(found[~unsure], expected[~unsure])
    assert set(np.unique(expected)) == {0, 1, 255}


def test_the_exported_mask_is_green_from_one_half_on(world: earth_server.World, store: Path, tmp_path: Path):
    """A network whose green share is one half, to the last bit, wherever near-infrared exceeds 0.2, and else nothing."""
    onnx, helper = onnx_models.onnx, onnx_models.helper
    values = {
        "steep": np.array([0, 1000.0]).reshape(1, 2, 1, 1),
        "start": [-200.0],
        "nothing": 0,
        "half": 0.5,
        "one": 1,
    }
    tensors = [onnx.numpy_helper.from_array(np.asarray(one, np.float32), name) for name, one in values.items()]
    nodes = [
        helper.make_node("Conv", ["reflectance", "steep", "start"], ["slope"]),
        helper.make_node("Clip", ["slope", "nothing", "half"], ["green_fraction"]),
        helper.make_node("Sub", ["one", "green_fraction"], ["rest"]),
        helper.make_node("Concat", ["rest", "green_fraction"], ["probability"], axis=1),
    ]
    path = onnx_models.write(tmp_path / "half.onnx", nodes, tensors, onnx_models.card(("red", "nir")))
    drive_export.export(plan(world, store, model=str(path)), folder="maps", name="small")
    given = {
        i.id: {b: np.kron(v, np.ones((120 // len(v),) * 2, v.dtype)) for b, (v, _) in i.bands.items()}
        for i in world.images
    }
    ((found, _),) = Interpreter(world.exports[0]["expression"], given).result.values()
    assert set(np.unique(found)) == {0, 1, 255}


def test_only_plans_of_earth_engine_are_exported(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(PlanError, match="plan with --catalog earth-engine"):
        drive_export.export(city.plan("Small", store=store))


def test_the_command_says_where_the_file_will_be(
    world: earth_server.World, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    asked = ["plan", "Small", "--store", store, "--catalog", f"earth-engine={world.url}", "--period", "2024"]
    for arguments in ([*asked, "--out", tmp_path / "plan.json"], ["ee-export", tmp_path / "plan.json"]):
        with pytest.raises(SystemExit) as done:
            cli.main([str(argument) for argument in arguments])
        assert not done.value.code
    assert "task TASK1 is under way" in capsys.readouterr().out


def test_what_cannot_be_exported_says_why():
    for name in ("unet-10", "radar-4"):
        with pytest.raises(ModelError, match=r"looks at neighbours \(tiles of 256 pixels"):
            cover(load_model(name), None)
    import onnx

    node = onnx.helper.make_node(
        "TreeEnsembleRegressor", ["reflectance"], ["green_fraction"], domain="ai.onnx.ml", n_targets=1,
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"], nodes_treeids=[0, 0, 0, 1],
    )  # fmt: skip
    graph = onnx.helper.make_graph([node], "forest", [], [])
    pixel = load_model("ndvi")
    forest = replace(pixel, content=onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(ModelError, match="a forest of 2 trees with 1 branches"):
        cover(forest, None)
    strange = onnx.helper.make_graph([onnx.helper.make_node("Sin", ["reflectance"], ["x"])], "strange", [], [])
    with pytest.raises(ModelError, match="its operation Sin is not known"):
        graph_of(replace(pixel, content=onnx.helper.make_model(strange).SerializeToString()))


def test_a_server_without_a_browser_logs_in_by_a_service_account(tmp_path, monkeypatch):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = tmp_path / "key.json"
    key.write_text(json.dumps({
        "type": "service_account", "project_id": "green", "private_key": private.decode(), "private_key_id": "1",
        "client_email": "me@green.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
    }))  # fmt: skip
    monkeypatch.delenv(earthengine.KEY_FILE, raising=False)
    assert earthengine._credentials(earthengine.URL) == "persistent"
    monkeypatch.setenv(earthengine.KEY_FILE, str(key))
    account = earthengine._credentials(earthengine.URL)
    assert (account.service_account_email, account.project_id) == ("me@green.iam.gserviceaccount.com", "green")
    assert type(earthengine._credentials("http://127.0.0.1:8000")).__name__ == "AnonymousCredentials"
    key.write_text("{}")
    with pytest.raises(NetworkError, match="no key file of a service account"):
        earthengine._credentials(earthengine.URL)
