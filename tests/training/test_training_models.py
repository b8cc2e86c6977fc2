from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from howgreen.core.errors import ModelError
from howgreen.core.sensors import SENTINEL2
from howgreen.landcover import load_model
from howgreen.training import evaluate, export, make, mixtures, ndvi, network, radar_network
from howgreen.training.contest.effort import QUICK

pytestmark = pytest.mark.train

HIDDEN = (12, 12)


@pytest.fixture(scope="module")
def pixels(world) -> mixtures.Mixtures:
    return mixtures.mix(world, 12_000, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def layers(pixels) -> network.Layers:
    return network.train(pixels, bands=make.RECIPES["mixture-4"].bands, hidden=HIDDEN, epochs=6, seed=3)


def _card(name: str = "mixture-4"):
    return make._network_card(name)


def test_training_twice_gives_the_same_numbers(pixels, layers):
    again = network.train(pixels, bands=make.RECIPES["mixture-4"].bands, hidden=HIDDEN, epochs=6, seed=3)
    for one, other in zip((*layers.weights, *layers.biases), (*again.weights, *again.biases), strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_tells_how_far_it_is(pixels):
    told = []
    network.train(pixels, bands=("red", "nir"), hidden=(4,), epochs=2, seed=0, progress=lambda *step: told.append(step))
    assert told == [("train 2 bands", 1, 2), ("train 2 bands", 2, 2)]


def test_a_trained_network_knows_simulated_green(world, layers):
    fresh = evaluate.simulated(mixtures.mix(world, 4000, rng=np.random.default_rng(9)))
    shares, told = network.predict(layers, fresh.columns(layers.bands))
    score = evaluate.errors(shares[:, mixtures.GREEN].sum(axis=1), fresh.green)
    assert score["rmse"] < 0.2
    assert abs(score["bias"]) < 0.03
    missed = np.abs(shares[:, mixtures.GREEN].sum(axis=1) - fresh.green)
    assert (missed < 1.96 * told).mean() > 0.9
    sure = told < np.median(told)
    assert missed[sure].mean() < missed[~sure].mean(), "it knows where it is unsure"


def test_a_head_that_begins_above_every_error_comes_down_to_those_that_are():
    """Where all that is told is cut to the largest error there is no slope, and nothing was learned."""
    rng = np.random.default_rng(0)
    shares = torch.tensor(rng.dirichlet((1, 1), 4096), dtype=torch.float32)[:, :, None, None]
    inputs = torch.full((4096, 64, 1, 1), 30.0)
    last = torch.nn.Conv2d(64, 2, 1)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    missed = (0.5 - shares[:, 0]).square().mean().sqrt().item()
    for seed in range(50):
        torch.manual_seed(seed)
        if (begun := torch.nn.Conv2d(64, 1, 1)(inputs[:1]).item()) > 5:
            break
    assert begun > 5
    torch.manual_seed(seed)
    green = torch.tensor([True, False])
    head = network._learn_error(torch.nn.Sequential(last), inputs, shares, green, epochs=20, batch=256)
    assert head(inputs[:1]).exp().item() == pytest.approx(missed, rel=0.2)


@pytest.mark.parametrize("name", ["mixture-10", "mixture-4"])
def test_a_shipped_network_is_as_unsure_as_it_is_wrong(world, name):
    model = load_model(name)
    fresh = evaluate.simulated(mixtures.mix(world, 4000, rng=np.random.default_rng(9)))
    seen = fresh.columns(model.card.bands).astype(np.float32)
    _, fraction, uncertainty = model.run(np.ascontiguousarray(seen.T[None, :, :, None]))
    missed = np.sqrt(np.mean((fraction.ravel() - fresh.green) ** 2))
    told = np.sqrt(np.mean(uncertainty.ravel() ** 2))
    assert missed / 2 < told < 2 * missed


def test_onnx_is_the_trainers_own_prediction(layers, pixels, tmp_path):
    path = tmp_path / "m.onnx"
    export.save(export.network_graph(layers, _card()), path)
    model = load_model(path)
    seen = np.concatenate([pixels.reflectance[:500, [0, 1, 2, 6]], [[-0.2, 0, 5, 2], [0, 0, 0, 0]]]).astype(np.float32)
    probability, fraction, uncertainty = model.run(np.ascontiguousarray(seen.T[None, :, :, None]))
    wanted, error = network.predict(layers, seen)
    np.testing.assert_allclose(probability[0, :, :, 0].T, mixtures.covers(wanted), atol=2e-5)
    np.testing.assert_allclose(fraction[0, 0, :, 0], wanted[:, mixtures.GREEN].sum(axis=1), atol=2e-5)
    assert uncertainty is not None
    np.testing.assert_allclose(uncertainty[0, 0, :, 0], error, rtol=2e-4)
    assert model.card == _card()


def test_the_same_network_gives_the_same_bytes(layers):
    one, other = (export.network_graph(layers, _card()).SerializeToString(deterministic=True) for _ in range(2))
    assert one == other


def test_torch_and_the_folded_numbers_agree(pixels):
    import torch

    features = network.logged(pixels.reflectance[:100])
    mean, spread = features.mean(axis=0), features.std(axis=0)
    torch.manual_seed(0)
    net = network.build(10, 6, HIDDEN)
    inputs = torch.tensor((features - mean) / spread, dtype=torch.float32)[:, :, None, None]
    with torch.no_grad():
        wanted = torch.softmax(net(inputs), dim=1)[:, :, 0, 0].numpy()
    error = torch.nn.Conv2d(HIDDEN[1], 1, 1)
    got, told = network.predict(network._folded(net, error, pixels.bands, mean, spread), pixels.reflectance[:100])
    with torch.no_grad():
        logs = error(net[:-1](inputs))[:, 0, 0, 0].numpy()
    np.testing.assert_allclose(told, np.exp(np.clip(logs, *network.LOG_ERROR)), rtol=1e-4)
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_ndvi_anchors_are_found_again():
    rng = np.random.default_rng(0)
    green = rng.random(3000)
    index = 0.1 + green * 0.6
    red = 0.3 * (1 - index) / 2
    reflectance = np.stack([np.zeros(3000), red, 0.3 - red], axis=1)
    nothing = 0 * green
    shares = np.stack([green, nothing, 1 - green, nothing, nothing, nothing], axis=1)
    assert ndvi.fit_anchors(mixtures.Mixtures(reflectance=reflectance, shares=shares, bands=ndvi.BANDS)) == (0.1, 0.7)


def test_ndvi_graph_is_the_rule(tmp_path):
    card = make._ndvi_card(0.1, 0.7)
    export.save(export.ndvi_graph(card, bare=0.1, full=0.7), tmp_path / "n.onnx")
    seen = np.random.default_rng(1).uniform(-0.1, 0.3, (500, 3)).astype(np.float32)
    probability, fraction, _ = load_model(tmp_path / "n.onnx").run(np.ascontiguousarray(seen.T[None, :, :, None]))
    wanted, water = ndvi.fraction_and_water(seen, bare=0.1, full=0.7)
    np.testing.assert_allclose(fraction[0, 0, :, 0], wanted, atol=1e-5)
    np.testing.assert_array_equal(probability[0, 2, :, 0] > 0.5, water)


def test_errors_by_hand():
    truth, predicted = np.array([0.0, 1.0, 0.5, 0.5]), np.array([0.1, 0.9, 0.5, 0.9])
    score = evaluate.errors(predicted, truth)
    assert score["bias"] == pytest.approx(0.1)
    assert score["mae"] == pytest.approx(0.15)
    assert score["rmse"] == pytest.approx(np.sqrt(0.18 / 4))
    assert score["r2"] == pytest.approx(1 - 0.18 / 0.5)
    assert evaluate.accuracy(predicted, np.array([0.0, 1.0, 1.0, 0.0])) == 0.75


@pytest.mark.real
def test_one_command_makes_all_models(shared_data, tmp_path):
    effort = make.Effort(
        per_kind=12,
        pixels=3000,
        held_out=500,
        epochs=1,
        hidden=(4,),
        cities=1,
        city_extent_m=600,
        contest=QUICK,
        neighbourhoods=2,
        wide_cities=1,
        radar=radar_network.Effort(
            towns=0, landscapes=2, side_px=60, looks=1, pixels=1100, epochs=1, hidden=(4,), per_climate=1, judged=1
        ),
    )
    told = []
    written = make.make(shared_data, out=tmp_path, effort=effort, progress=lambda *step: told.append(step[0]))
    assert [path.name for path in written] == [
        "mixture-10.onnx",
        "mixture-4.onnx",
        "ndvi.onnx",
        "unet-10.onnx",
        "mixture-6.onnx",
        "radar-4.onnx",
        "radar-2.onnx",
    ]
    assert "simulate" in told
    again = make.make(shared_data, out=tmp_path / "again", effort=effort)
    for one, other in zip(written, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        card = load_model(one).card
        assert card.reference_error is not None
        if card.name.startswith("radar"):  # no real place judges it
            continue
        assert card.reference_error.n == 98
        assert ("Landsat 8" if card.name == "mixture-6" else "Sentinel-2") in card.reference_error.source
        assert card.name == "unet-10" or "freiburg_accuracy_at_0.5" in card.scores
        assert card.scores["simulated_cities_ratio_worst"] >= card.scores["simulated_cities_ratio_rms"] > 0


@pytest.mark.real
def test_field_pixels_join_where_a_recipe_asks_for_them(pixels, shared_data):
    plain = make.Recipe(bands=("red", "nir"), sensor=SENTINEL2)
    assert make._with_field(pixels, plain, shared_data, rng=np.random.default_rng(1)) is pixels
    joined = make._with_field(pixels, replace(plain, field_share=0.25), shared_data, rng=np.random.default_rng(1))
    assert joined.bands == plain.bands
    assert len(joined.shares) == round(1.25 * len(pixels.shares))
    np.testing.assert_allclose(joined.shares.sum(axis=1), 1)
    assert len(
        np.unique(np.concatenate([joined.reflectance, pixels.with_bands(plain.bands).reflectance]), axis=0)
    ) == len(np.unique(joined.reflectance, axis=0)), "no simulated pixel is lost"


@pytest.mark.real
def test_field_pixels_teach_ten_bands_too_and_are_drawn_alike_whatever_was_made_before(pixels, shared_data):
    recipe = replace(make.RECIPES["mixture-10"], field_share=0.02)
    rng = np.random.default_rng(1)
    one, other = (make._with_field(pixels, recipe, shared_data, rng=rng) for _ in range(2))
    np.testing.assert_array_equal(one.reflectance, other.reflectance)
    assert one.bands == SENTINEL2.band_names
    assert len(one.shares) == round(1.02 * len(pixels.shares))
    assert "drawn" in make._field_data(recipe)
    assert "twin" not in make._field_data(recipe)
    assert "twin" in make._field_data(make.RECIPES["mixture-6"])


@pytest.mark.real
def test_shipped_models_know_real_pure_pixels_of_two_cities(shared_data):
    germany = evaluate.read_germany(shared_data)
    assert set(germany.group) == {"Freiburg", "Muenster"}
    for name in ("mixture-10", "mixture-4", "ndvi"):
        model = load_model(name)

        def green(seen, model=model):
            return model.run(np.ascontiguousarray(seen.T[None, :, :, None], dtype=np.float32))[1][0, 0, :, 0]

        accuracy = evaluate.accuracy(green(germany.columns(model.card.bands)), germany.green)
        assert accuracy > 0.94
        claimed = [model.card.scores[f"{city}_accuracy_at_0.5"] for city in ("freiburg", "muenster")]
        assert min(claimed) - 1e-4 <= accuracy <= max(claimed) + 1e-4


def test_a_stopped_make_goes_on_from_the_models_that_it_has(tmp_path, monkeypatch):
    """What is kept is not made again, even without the data; what is missing is asked for; another recipe starts anew."""
    import onnx

    effort = make.Effort(per_kind=3)
    kept = tmp_path / "work" / make._key(effort)
    for name in make.NAMES:
        export.save(onnx.load(load_model(name).path), kept / f"{name}.onnx")
    asked = {"out": tmp_path / "out", "effort": effort, "work": tmp_path / "work"}
    written = make.make(tmp_path / "no data", **asked)
    assert [path.stem for path in written] == list(make.NAMES)
    assert [load_model(path).card.name for path in written] == list(make.NAMES)
    (kept / "mixture-6.onnx").unlink()
    with pytest.raises(ModelError, match="no such file"):
        make.make(tmp_path / "no data", **asked)
    monkeypatch.setattr(make, "SEED", make.SEED + 1)
    assert make._key(effort) != kept.name
