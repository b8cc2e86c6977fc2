"""A city under cloud: models that take the radar, alone or beside reflectance, from a store and over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from catalogue import natives, served
from command_line import call
from faults import Faults
from howgreen import place
from howgreen.core.errors import MissingBandsError, NoImageError, PlanError
from howgreen.core.models import ModelCard, ModelClass
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.core.types import Season
from howgreen.core.warnings import HowgreenWarning
from howgreen.landcover import card_to_json
from howgreen.pipeline import city, plan_json, sync
from howgreen.store import put_place, put_scene

onnx = pytest.importorskip("onnx")

GRID = GeoBox((40, 60), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")
LEVELS = {"vv": -8.0, "vh": -15.0}
MAPS = ("composite.tif", "green_fraction.tif", "green_mask.tif", "landcover.tif")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """A model whose green fraction is a weighted sum of its bands."""

    def make(**weights: float) -> str:
        helper, tensor, kind = onnx.helper, onnx.numpy_helper.from_array, onnx.TensorProto.FLOAT
        card = ModelCard(
            name="-".join(weights), version="0", description="a weighted sum", bands=tuple(weights), resolution_m=10.0,
            normalisation="none", tile_px=16, halo_px=0, stride_px=16, scores={"made_up": 0.5}, reference_error=None,
            classes=(
                ModelClass(code=0, name="not green", green=False, colour="#aaaaaa"),
                ModelClass(code=1, name="green", green=True, colour="#00aa00"),
            ),
            training_data="none", licence="none",
        )  # fmt: skip
        kernel = np.array(list(weights.values()), np.float32).reshape(1, -1, 1, 1)
        nodes = [
            helper.make_node("Conv", ["reflectance", "kernel"], ["sum"]),
            helper.make_node("Clip", ["sum", "zero", "one"], ["green_fraction"]),
            helper.make_node("Sub", ["one", "green_fraction"], ["rest"]),
            helper.make_node("Concat", ["rest", "green_fraction"], ["probability"], axis=1),
        ]
        shapes = {"reflectance": len(weights), "probability": 2, "green_fraction": 1}
        infos = {n: helper.make_tensor_value_info(n, kind, ["n", c, "y", "x"]) for n, c in shapes.items()}
        graph = helper.make_graph(
            nodes, "sum", [infos["reflectance"]], [infos["probability"], infos["green_fraction"]],
            [tensor(kernel, "kernel"), tensor(np.float32(0), "zero"), tensor(np.float32(1), "one")],
        )  # fmt: skip
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(made, {"howgreen": card_to_json(card)})
        path = tmp_path_factory.mktemp("model") / f"{card.name}.onnx"
        path.write_bytes(made.SerializeToString())
        return str(path)

    return make


def radar(root: Path, day: int, *, gone: slice | None = None, bands: tuple[str, ...] = ("vv", "vh")) -> None:
    """A pass over ground whose VH grows from west to east, in linear power; ``gone`` columns that it did not see."""
    rasters = {}
    for band in bands:
        level = LEVELS[band] + np.linspace(0, 6, GRID.shape[1])[None, :] * (band == "vh")
        values = (10 ** (np.broadcast_to(level, GRID.shape) / 10)).astype(np.float32)
        if gone:
            values[:, gone] = -32768
        rasters[band] = (values, GRID)
    put_scene(root, Header(id=f"wave-{day}", sensor=SENSORS["sentinel-1"], time=datetime(2024, 6, day, 5, tzinfo=UTC), scale=1.0, offset=0.0, nodata=-32768, unit="1", platform="sentinel-1a", synthetic=True), rasters)  # fmt: skip


def camera(root: Path, day: int, *, cloud: slice | None = None) -> None:
    """Reflectance that differs pixel by pixel."""
    rng = np.random.default_rng(day)
    scl = np.full(GRID.shape, 4, np.uint8)
    if cloud:
        scl[cloud] = 9
    rasters = {band: (rng.integers(200, 4000, GRID.shape).astype(np.uint16), GRID) for band in ("red", "nir", "green")}
    put_scene(root, Header(id=f"light-{day}", sensor=SENSORS["sentinel-2"], time=datetime(2024, 6, day, 10, tzinfo=UTC), scale=1e-4, offset=0.0, nodata=0, synthetic=True), {**rasters, "scl": (scl, GRID)})  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    put_place(root, place.from_shape(GRID.extent.to_crs("EPSG:4326").geom.buffer(0.001), name="Wet"))
    return root


def test_a_city_always_under_cloud(store: Path, model: Callable[..., str], tmp_path: Path):
    for day in (1, 7, 13):
        radar(store, day)
    out = tmp_path / "out"
    given = [
        "city",
        "Wet",
        "--store",
        store,
        "--sensor",
        "sentinel-1",
        "--model",
        model(vv=0.0, vh=-0.05),
        "--out",
        out,
    ]
    assert call(*given) == 0
    summary = json.loads((out / "summary.json").read_text())
    level = np.rint((LEVELS["vh"] + np.linspace(0, 6, 60)) * 100) / 100
    assert summary["green_ratio"] == pytest.approx(float((-0.05 * level).mean()), abs=2e-3)
    assert [scene["platform"] for scene in summary["scenes"]] == ["sentinel-1a"] * 3
    assert summary["clear_looks"]["max"] == 3
    assert summary["provenance"]["radiometry"]["radar"]["scenes"][0]["unit"] == "linear power"
    assert "radar in VV" in (out / "report.html").read_text()
    with rasterio.open(out / "composite.tif") as file:
        assert (file.descriptions, file.scales, file.units) == (("vv", "vh"), (0.01, 0.01), ("dB", "dB"))
        seen = file.read(2)[file.read(2) != file.nodata]
        assert seen.min() == -1500
        assert seen.max() == -900


def test_radar_beside_reflectance(store: Path, model: Callable[..., str], tmp_path: Path):
    camera(store, 3, cloud=np.s_[:10, :])
    radar(store, 1, gone=slice(0, 15))
    radar(store, 7, gone=slice(0, 15))
    plan = city.plan("Wet", store=store, model=model(red=1.0, vv=-0.01), period="2024-06")
    assert [scene.id for scene in plan.scenes] == ["light-3"]
    assert {scene.id for scene in plan.radar} == {"wave-1", "wave-7"}
    assert plan_json.from_json(plan_json.to_json(plan)) == replace(
        plan,
        scenes=tuple(replace(scene, native={}) for scene in plan.scenes),
        radar=tuple(replace(scene, native={}) for scene in plan.radar),
    )
    assert "radar beside them: 2" in plan_json.describe(plan)
    result = city.run(plan)
    pixels = result.composite.data["reflectance"].compute()
    unseen = np.isnan(result.landcover.data["green_fraction"].compute().values)
    np.testing.assert_array_equal(unseen, pixels.sel(band=["red", "vv"]).isnull().any("band").values)
    np.testing.assert_allclose(
        result.landcover.data["green_fraction"].values[~unseen],
        (pixels.sel(band="red") - 0.01 * pixels.sel(band="vv")).values[~unseen],
        rtol=1e-5,
    )
    summary = result.save(tmp_path / "out")
    assert {scene["id"] for scene in summary["radar"]} == {"wave-1", "wave-7"}
    assert summary["n_scenes"] == 1
    assert "wave" not in "".join(scene["id"] for scene in summary["scenes"])
    with rasterio.open(tmp_path / "out" / "composite.tif") as file:
        units = dict(zip(file.descriptions, zip(file.scales, file.units, strict=True), strict=True))
    assert units["vv"] == (0.01, "dB")
    assert units["red"] == (1e-4, "1")


def test_what_does_not_fit_is_told(store: Path, model: Callable[..., str]):
    camera(store, 3)
    both, alone = model(red=1.0, vv=-0.01), model(vv=0.0, vh=-0.05)
    with pytest.raises(PlanError, match="--sensor sentinel-1"):
        city.plan("Wet", store=store, model=alone)
    with pytest.raises(NoImageError, match="no Sentinel-1 RTC image"):
        city.plan("Wet", store=store, model=both, period="2024-06")
    radar(store, 1, bands=("vv",))
    with pytest.raises(NoImageError, match="vh"):
        city.plan("Wet", store=store, model=model(red=1.0, vh=-0.01), period="2024-06")
    with pytest.raises(MissingBandsError, match="lack vh"):
        city.plan("Wet", store=store, sensor="sentinel-1", model=alone, period="2024-06")
    with pytest.raises(MissingBandsError, match="no shipped model"):
        city.plan("Wet", store=store, sensor="sentinel-1", period="2024-06")
    assert city.plan("Wet", store=store, model=both, period="2024-06").radar


def test_a_plan_edited_by_hand(store: Path, model: Callable[..., str]):
    camera(store, 3)
    radar(store, 1)
    plan = json.loads(
        plan_json.to_json(city.plan("Wet", store=store, model=model(red=1.0, vv=-0.01), period="2024-06"))
    )
    for broken in (plan | {"radar": plan["scenes"]}, plan | {"radar": plan["radar"] * 2}):
        with pytest.raises(PlanError):
            plan_json.from_json(json.dumps(broken))


def test_over_http_the_same(store: Path, model: Callable[..., str], tmp_path: Path):
    camera(store, 3)
    camera(store, 8)
    radar(store, 1)
    radar(store, 7)
    both = model(red=0.5, vv=-0.01, nir=0.1)
    at_hand, far = tmp_path / "a", tmp_path / "b"
    assert call("city", "Wet", "--store", store, "--model", both, "--period", "2024-06", "--out", at_hand) == 0
    shape = place.from_shape(GRID.extent.to_crs("EPSG:4326").geom.buffer(0.001), name="Wet")
    put_place(tmp_path / "places", shape)
    with Faults(root=tmp_path) as files:
        found = natives(store, files=files.url, base=tmp_path)
        for native in found:  # as a stranger's catalogue would describe them
            native["properties"] = {k: v for k, v in native["properties"].items() if not k.startswith("howgreen:")}
        with served(found, tmp_path) as url:
            asked = ["--store", tmp_path / "places", "--catalog", url, "--model", both, "--period", "2024-06"]
            assert call("city", "Wet", *asked, "--out", far) == 0
    for name in MAPS:
        with rasterio.open(at_hand / name) as one, rasterio.open(far / name) as other:
            np.testing.assert_array_equal(one.read(), other.read())
    assert len(json.loads((far / "summary.json").read_text())["radar"]) == 2


def test_store_sync_keeps_the_radar_too(store: Path, model: Callable[..., str], tmp_path: Path):
    for day in (1, 7, 13):
        radar(store, day)
        camera(store, day)
    mixed = model(nir=0.5, vh=-0.02)
    far = city.plan("Wet", store=store, period="2024-06", model=mixed)
    kept = sync.sync(far, root=tmp_path / "kept")
    assert len(kept.fetched) == 6
    near = city.plan("Wet", store=tmp_path / "kept", period="2024-06", model=mixed)
    assert [(s.id, s.power, s.platform) for s in near.radar] == [(s.id, s.power, s.platform) for s in far.radar]
    one, two = (city.run(plan, work=tmp_path / name) for plan, name in ((far, "far"), (near, "near")))
    np.testing.assert_array_equal(one.composite.data["reflectance"].values, two.composite.data["reflectance"].values)
    assert one.stats == two.stats


def test_the_shipped_models_answer_by_radar_alone(store: Path):
    """One acquisition has no variation; four tell fields from what stays."""
    radar(store, 1)
    one = city.plan("Wet", store=store, sensor="sentinel-1", period="2024-06")
    assert (one.model, one.bands) == ("radar-2", ("vv", "vh"))
    for day in (7, 13):
        radar(store, day)
    assert city.plan("Wet", store=store, sensor="sentinel-1", period="2024-06").model == "radar-2"
    radar(store, 19)
    many = city.plan("Wet", store=store, sensor="sentinel-1", period="2024-06")
    assert (many.model, many.bands) == ("radar-4", ("vv", "vh", "vv_variation", "vh_variation"))
    result = city.run(many)
    assert result.stats.interval is not None
    assert result.stats.interval.model_high - result.stats.interval.model_low > 0.5
    spread = result.composite.data["reflectance"].sel(band="vv_variation").values
    assert np.nanmax(spread) < 0.02  # four times the same


def test_where_no_camera_sees_the_ground_radar_answers(store: Path, tmp_path: Path):
    """Under cloud, or without any optical image: with a warning, and not where a model was named."""
    camera(store, 3, cloud=np.s_[:, :])
    for day in (1, 7):
        radar(store, day)
    with pytest.warns(HowgreenWarning, match="answered with radar"):
        plan = city.plan("Wet", store=store, period="2024-06")
    assert (plan.sensor, plan.model) == ("sentinel-1", "radar-2")
    assert [one.code for one in plan.warnings if one.code.startswith("radar")] == ["radar-instead"]
    with pytest.raises(NoImageError, match="clear"):
        city.plan("Wet", store=store, period="2024-06", model="ndvi")
    assert call("city", "Wet", "--store", store, "--period", "2024-06", "--strict", "--out", tmp_path / "no") == 1
    peak = city.plan(
        "Wet", store=store, period=Season("peak", "2024")
    )  # radar measures no season, and answers all the same
    assert peak.sensor == "sentinel-1"
    camera(store, 9)
    assert city.plan("Wet", store=store, period="2024-06").sensor == "sentinel-2"


def test_a_catalogue_whose_images_are_all_cloudy_is_asked_for_radar(store: Path, tmp_path: Path):
    camera(store, 3, cloud=np.s_[:, :])
    for day in (1, 7, 13, 19):
        radar(store, day)
    shape = place.from_shape(GRID.extent.to_crs("EPSG:4326").geom.buffer(0.001), name="Wet")
    put_place(tmp_path / "places", shape)
    with Faults(root=tmp_path) as files, served(natives(store, files=files.url, base=tmp_path), tmp_path) as url:
        asked = ["--store", tmp_path / "places", "--catalog", url, "--period", "2024-06", "--out", tmp_path / "out"]
        assert call("city", "Wet", *asked) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["sensor"], summary["model"]["name"]) == ("sentinel-1", "radar-4")
    (told,) = (one["text"] for one in summary["warnings"] if one["code"] == "radar-instead")
    assert "clear" in told
    assert summary["interval"]["high"] - summary["interval"]["low"] > 0.5


def test_without_radar_the_first_error_stays(store: Path):
    camera(store, 3, cloud=np.s_[:, :])
    with pytest.raises(NoImageError, match="clear"):
        city.plan("Wet", store=store, period="2024-06")
    radar(store, 1, bands=("vv",))
    with pytest.raises(NoImageError, match="clear"):
        city.plan("Wet", store=store, period="2024-06")


def test_a_store_with_radar_shows_it_beside_the_photo(store: Path, tmp_path: Path):
    """It decides nothing: with and without it the answer is the same."""
    camera(store, 3)
    camera(store, 8)
    before = _ndvi(store)
    for day in (1, 7):
        radar(store, day)
    after = _ndvi(store)
    assert after.stats == before.stats
    assert after.plan.bands == (*before.plan.bands, "vv", "vh")
    assert len(after.plan.radar) == 2
    summary = after.save(tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'data-layer="radar"' in page
    assert 'id="radar"' in page
    assert len(summary.radar) == 2
    before.save(tmp_path / "plain")
    assert 'data-layer="radar"' not in (tmp_path / "plain" / "report.html").read_text()


def test_radar_that_is_only_shown_may_break(store: Path):
    """The layer goes, with a warning; the answer stays."""
    camera(store, 3)
    camera(store, 8)
    radar(store, 1)
    whole = _ndvi(store)
    plan = city.plan("Wet", store=store, period="2024-06", model="ndvi")
    for scene in plan.radar:
        for asset in scene.assets:
            path = Path(asset.href)
            path.write_bytes(path.read_bytes()[:600] + b"x" * (path.stat().st_size - 600))
    result = city.run(plan)
    assert result.stats == whole.stats
    assert not result.plan.radar
    assert [one.code for one in result.warnings].count("image-left-out") == 1
    assert not {"vv", "vh"} & set(result.composite.bands)


def _ndvi(store: Path) -> city.CityResult:
    return city.run(city.plan("Wet", store=store, period="2024-06", model="ndvi"))
