from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest

from howgreen.core.errors import MissingBandsError, ModelError
from howgreen.landcover import card_to_json, default_model, load_model, model, models

SENTINEL = ["blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22"]


def test_shipped_models_load_with_complete_cards():
    shipped = models()
    assert [one.card.name for one in shipped] == ["mixture-10", "mixture-6", "mixture-4", "ndvi"]
    assert [one.has_uncertainty for one in shipped] == [True, True, True, False]
    for one in shipped:
        assert one.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()
        assert one.path.stat().st_size < 100_000
        assert [cls.name for cls in one.card.classes].count("water") == 1
        score = one.card.reference_error
        assert score is not None
        assert (score.n, score.level) == (98, 0.95)
        assert 0 < score.half_width < 0.5
        assert {"simulated_rmse", "potsdam_rmse", "potsdam_bias", "potsdam_r2"} <= one.card.scores.keys()


def test_the_shipped_unet_looks_around_and_is_never_chosen_by_itself():
    looking = load_model("unet-10")
    assert looking.card.looks_around
    assert looking.path.stat().st_size < 400_000
    assert [cls.name for cls in looking.card.classes] == [
        "tree",
        "low vegetation",
        "cropland",
        "built",
        "bare",
        "water",
    ]
    assert looking.card.reference_error is not None
    assert {"zone_1_ha_half_width", "simulated_cities_ratio_rms"} <= looking.card.scores.keys()
    assert default_model(looking.card.bands) == "mixture-10"


def test_the_half_width_is_what_the_places_of_the_card_say_of_a_new_one():
    pytest.importorskip("scipy")
    from howgreen.training.places import spread

    for one in (*models(), load_model("unet-10")):
        score = one.card.reference_error
        assert len(score.places) >= 4
        assert not any("simulated" in place.place for place in score.places)
        told = spread(score.places)
        assert (score.half_width, score.tau) == pytest.approx((told.about_the_ratio, told.tau), rel=1e-3, abs=1e-4)


def test_snow_is_not_green_to_the_shipped_models():
    snow = np.array([0.90, 0.90, 0.89, 0.88, 0.87, 0.86, 0.85, 0.83, 0.10, 0.08], np.float32)
    for one in models():
        seen = snow[[SENTINEL.index(band) for band in one.card.bands]]
        assert one.run(seen.reshape(1, -1, 1, 1))[1].item() < 0.1, one.card.name


def test_default_model_takes_the_most_bands_that_are_there():
    assert default_model(SENTINEL) == "mixture-10"
    assert default_model([*reversed(SENTINEL)]) == "mixture-10"
    assert default_model(SENTINEL[:-1]) == "mixture-4"
    assert default_model({"blue", "green", "red", "nir", "swir16", "swir22"}) == "mixture-6"
    assert default_model(["green", "red", "nir"]) == "ndvi"
    with pytest.raises(MissingBandsError, match=r"swir16.*ndvi needs"):
        default_model(["swir16"])


def test_missing_bands_are_listed_with_what_is_there_and_what_would_fit():
    with pytest.raises(MissingBandsError, match=r"lack rededge1.*there: red, nir, green, blue.*mixture-4 would fit"):
        model.require_bands(load_model("mixture-10").card, ["red", "nir", "green", "blue"], what="the images")
    with pytest.raises(MissingBandsError, match="no shipped model does with less"):
        model.require_bands(load_model("mixture-10").card, ["red"], what="the images")


def test_a_model_survives_pickling_without_its_file(pixel_model, tmp_path):
    copy = tmp_path / "moved.onnx"
    copy.write_bytes(pixel_model.path.read_bytes())
    sent = pickle.dumps(load_model(copy))
    copy.unlink()
    model._sessions.clear()
    pixels = np.random.default_rng(0).random((1, 2, 8, 8), dtype=np.float32)
    got = pickle.loads(sent).run(pixels)
    np.testing.assert_array_equal(got[1][0, 0], pixels[0, 1])


@pytest.mark.parametrize("name", ["mixture-99", "no/such/file.onnx"])
def test_an_unknown_model_names_the_known_ones(name):
    with pytest.raises(ModelError, match=rf"{name}.*mixture-10"):
        load_model(name)


def test_a_folder_and_a_broken_file_are_refused(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(load_model("ndvi").path.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        load_model(broken)
    with pytest.raises(ModelError, match="file that can be read"):
        load_model(tmp_path)


def test_a_file_without_card_says_so(make_file):
    with pytest.raises(ModelError, match="no card"):
        load_model(make_file({}))


def test_a_card_that_does_not_fit_its_network_is_refused(make_file, make_card):
    three = card_to_json(make_card(bands=("red", "green", "nir")))
    with pytest.raises(ModelError, match="2 channels where the card has 3"):
        load_model(make_file({"howgreen": three}))
    small = card_to_json(make_card(tile_px=8, halo_px=1))
    with pytest.raises(ModelError, match=r"tile_px 8 is less than"):
        load_model(make_file({"howgreen": small}))


def test_an_input_the_network_cannot_take_is_a_model_error(pixel_model):
    with pytest.raises(ModelError, match=r"cannot run on \(1, 3, 4, 4\)"):
        pixel_model.run(np.zeros((1, 3, 4, 4), np.float32))


def test_ndvi_graph_is_the_formula(make_composite):
    rng = np.random.default_rng(1)
    green, red, nir = rng.uniform(-0.3, 2.5, (3, 5000)).astype(np.float32)
    green[:1000], red[:1000], nir[:1000] = rng.uniform(0, 0.15, (3, 1000))
    shipped = load_model("ndvi")
    probability, fraction, _ = shipped.run(np.stack([green, red, nir])[None, :, :, None])
    bare, full = (
        float(part.split()[-1]) for part in shipped.card.description.split("NDVI ")[2].split(";")[0].split("and")
    )
    g, r, n = (np.clip(band.astype(float), 0, 2) for band in (green, red, nir))
    water = (g > n) & (n < 0.1)
    wanted = np.clip(((n - r) / np.maximum(n + r, 1e-6) - bare) / (full - bare), 0, 1) * ~water
    np.testing.assert_allclose(fraction[0, 0, :, 0], wanted, atol=2e-6)
    np.testing.assert_allclose(probability[0, :, :, 0], [1 - wanted - water, wanted, water], atol=2e-6)
    assert 0 < water.mean() < 1


@pytest.mark.parametrize("name", ["mixture-10", "mixture-4", "ndvi"])
def test_shares_sum_to_one_and_green_is_their_green_part(name):
    shipped = load_model(name)
    pixels = np.random.default_rng(2).uniform(-0.5, 3, (1, len(shipped.card.bands), 40, 40)).astype(np.float32)
    probability, fraction, _ = shipped.run(pixels)
    green = [cls.code for cls in shipped.card.classes if cls.green]
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(probability[:, green].sum(axis=1), fraction[:, 0], atol=1e-5)
    assert fraction.min() >= 0
    assert fraction.max() <= 1


@pytest.mark.parametrize("name", ["mixture-10", "mixture-4", "ndvi"])
def test_absurd_reflectance_is_clipped_inside_the_graph(name):
    shipped = load_model(name)
    shape = (1, len(shipped.card.bands), 1, 1)
    for absurd, limit in ((-0.2, 0.0), (-5.0, 0.0), (9.0, 2.0)):
        got = shipped.run(np.full(shape, absurd, np.float32))
        wanted = shipped.run(np.full(shape, limit, np.float32))
        np.testing.assert_array_equal(got[0], wanted[0])


@pytest.mark.parametrize("name", ["mixture-10", "mixture-4", "ndvi"])
def test_strips_of_a_pixel_model_give_the_bits_of_the_whole(name, monkeypatch):
    shipped = load_model(name)
    pixels = np.random.default_rng(3).uniform(0, 0.6, (1, len(shipped.card.bands), 70, 64)).astype(np.float32)
    monkeypatch.setattr(model, "STRIP_PX", 70 * 64)
    whole = shipped.run(pixels)
    monkeypatch.setattr(model, "STRIP_PX", 1000)
    for found, expected in zip(shipped.run(pixels), whole, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_model_that_sees_neighbours_is_not_cut(box_model, monkeypatch):
    pixels = np.random.default_rng(4).uniform(0, 1, (1, 2, 16, 16)).astype(np.float32)
    whole = box_model.run(pixels)
    monkeypatch.setattr(model, "STRIP_PX", 16)
    for found, expected in zip(box_model.run(pixels), whole, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_an_address_is_sent_to_models_add():
    with pytest.raises(ModelError, match=r"https://h/m\.onnx: fetch it first with `howgreen models add URL`") as caught:
        load_model("https://me:secret@h/m.onnx?token=secret")
    assert "secret" not in str(caught.value)
