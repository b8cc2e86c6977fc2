from __future__ import annotations

import dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howgreen.core.errors import MissingBandsError, ModelError
from howgreen.landcover import classify, load_model
from howgreen.landcover.model import Model

BANDS = ("red", "nir")


def _pixels(height: int, width: int, *, bands: int = 2, seed: int = 0, holes: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.random((bands, height, width), dtype=np.float32)
    values[rng.integers(bands), rng.random((height, width)) < holes] = np.nan
    return values


def _same_bits(one, other) -> None:
    assert set(one.data_vars) == set(other.data_vars)
    for name in one.data_vars:
        assert one[name].dtype == other[name].dtype
        np.testing.assert_array_equal(one[name].values.view(np.uint8), other[name].values.view(np.uint8), err_msg=name)


def test_fraction_label_and_probability_are_the_networks(pixel_model, make_composite):
    values = _pixels(19, 21)
    got = classify(make_composite(values, BANDS), pixel_model).data
    np.testing.assert_array_equal(got["green_fraction"], values[1])
    np.testing.assert_array_equal(got["label"], (values[1] > 0.5).astype(np.uint8))
    np.testing.assert_array_equal(got["probability"].sel({"class": "green"}), values[1])
    assert got["label"].dtype == np.uint8
    assert got["probability"].dims == ("class", "y", "x")
    assert got["label"].attrs["flag_meanings"] == "not_green green"
    assert got["spatial_ref"] == 32632


def test_nan_in_any_band_is_unseen_and_nowhere_else(pixel_model, make_composite):
    values = _pixels(20, 20)
    values[0, 3, 4] = values[1, 9, 9] = np.nan
    values[:, 15, :] = np.nan
    values[0, 0, 0] = np.inf
    unseen = ~np.isfinite(values).all(axis=0)
    got = classify(make_composite(values, BANDS, chunks=(-1, 7, 7)), pixel_model).data.compute()
    np.testing.assert_array_equal(got["label"].values == 255, unseen)
    np.testing.assert_array_equal(np.isnan(got["green_fraction"]), unseen)
    np.testing.assert_array_equal(np.isnan(got["probability"]).all("class"), unseen)
    np.testing.assert_array_equal(np.isnan(got["probability"]).any("class"), unseen)


def test_uncertainty_is_the_networks_and_no_chunk_changes_it(make_composite):
    shipped = load_model("mixture-4")
    values = _pixels(150, 140, bands=4, holes=0.01) / 2
    whole = classify(make_composite(values, shipped.card.bands), shipped).data
    pieces = classify(make_composite(values, shipped.card.bands, chunks=(-1, 67, 51)), shipped).data.compute()
    _same_bits(whole, pieces)
    unsure = whole["green_uncertainty"]
    np.testing.assert_array_equal(np.isnan(unsure), np.isnan(whole["green_fraction"]))
    told = shipped.run(values[None, :, :1, :1]).green_uncertainty
    assert told is not None
    assert unsure.values[0, 0] == pytest.approx(told[0, 0, 0, 0], rel=1e-5)


def test_a_model_without_uncertainty_has_no_layer_of_it(pixel_model, make_composite):
    assert "green_uncertainty" not in classify(make_composite(_pixels(9, 9), BANDS), pixel_model).data


def test_bands_bind_by_name(pixel_model, make_composite):
    values = _pixels(9, 9, bands=4)
    straight = classify(make_composite(values[[1, 3]], BANDS), pixel_model).data
    shuffled = classify(make_composite(values, ("blue", "red", "green", "nir")), pixel_model).data
    mirrored = classify(make_composite(values[::-1], ("nir", "green", "red", "blue")), pixel_model).data
    _same_bits(straight, shuffled)
    _same_bits(straight, mirrored)


def test_missing_bands_say_what_would_fit(make_composite):
    composite = make_composite(_pixels(4, 4, bands=4), ("blue", "green", "red", "nir"))
    with pytest.raises(MissingBandsError, match=r"lack rededge1.*mixture-4 would fit"):
        classify(composite, load_model("mixture-10"))


def test_a_lazy_composite_gives_a_lazy_land_cover(pixel_model, make_composite):
    lazy = classify(make_composite(_pixels(9, 9), BANDS, chunks=(1, 4, 5)), pixel_model).data
    assert all(dask.is_dask_collection(lazy[name]) for name in lazy.data_vars)
    assert lazy["label"].chunks == ((4, 4, 1), (5, 4))
    eager = classify(make_composite(_pixels(9, 9), BANDS), pixel_model).data
    assert not dask.is_dask_collection(eager["label"])
    _same_bits(lazy.compute(), eager)


def test_the_network_runs_once_a_tile_for_all_three_answers(pixel_model, make_composite, monkeypatch):
    calls = []
    run = Model.run
    monkeypatch.setattr(Model, "run", lambda self, pixels: calls.append(pixels.shape) or run(self, pixels))
    classify(make_composite(_pixels(32, 24), BANDS, chunks=(-1, 16, 8)), pixel_model).data.compute()
    assert calls == [(1, 2, 8, 8)] * 12


_SPLITS = st.lists(st.integers(1, 17), min_size=1, max_size=4).map(tuple)


@settings(max_examples=40, deadline=None)
@given(rows=_SPLITS, columns=_SPLITS, seed=st.integers(0, 99))
def test_any_chunking_gives_the_same_bits_for_a_pixel_model(make_composite, rows, columns, seed):
    shipped = load_model("mixture-4")
    bands = shipped.card.bands
    values = _pixels(sum(rows), sum(columns), bands=4, seed=seed, holes=0.1)
    whole = classify(make_composite(values, bands), shipped).data
    parts = classify(make_composite(values, bands, chunks=((4,), rows, columns)), shipped).data.compute()
    _same_bits(whole, parts)


@settings(max_examples=40, deadline=None)
@given(rows=_SPLITS, columns=_SPLITS, seed=st.integers(0, 99))
def test_any_chunking_gives_the_same_bits_for_a_model_with_neighbours(box_model, make_composite, rows, columns, seed):
    values = _pixels(sum(rows), sum(columns), seed=seed, holes=0.1)
    whole = classify(make_composite(values, BANDS), box_model).data
    parts = classify(make_composite(values, BANDS, chunks=((1, 1), rows, columns)), box_model).data.compute()
    _same_bits(whole, parts)


def test_neighbours_reach_across_tiles(box_model, make_composite):
    values = _pixels(23, 17, seed=5, holes=0.1)
    unseen = np.isnan(values).any(axis=0)
    padded = np.pad(np.where(unseen, 0, values[1]).astype(float), 1)
    wanted = sum(padded[dy : dy + 23, dx : dx + 17] for dy in range(3) for dx in range(3)) / 9
    got = classify(make_composite(values, BANDS), box_model).data["green_fraction"].values
    np.testing.assert_allclose(got[~unseen], wanted[~unseen], atol=1e-6)


def test_a_picture_smaller_than_the_halo_works(make_file, make_card, make_composite):
    from howgreen.landcover import card_to_json

    wide = load_model(make_file({"howgreen": card_to_json(make_card(tile_px=32, halo_px=8, stride_px=16))}))
    values = _pixels(3, 5)
    for chunks in (None, (-1, 2, 2)):
        got = classify(make_composite(values, BANDS, chunks=chunks), wide).data["green_fraction"].values
        np.testing.assert_array_equal(got, values[1])


WATER = next(cls.code for cls in load_model("mixture-4").card.classes if cls.name == "water")


@pytest.mark.real
def test_bolzano_river_and_roofs_are_not_green_and_orchards_are(shared_data, make_composite):
    import rasterio

    with rasterio.open(shared_data / "bolzano" / "S2_L2A_sample.tif") as source:
        image = source.read([1, 2, 3, 4]).astype(np.float32)
    image = np.where((image == 0).any(axis=0), np.nan, image / 1e4)
    landcover = classify(make_composite(image, ("red", "green", "blue", "nir")), load_model("mixture-4")).data
    fraction = landcover["green_fraction"].values
    assert 0.70 < np.nanmean(fraction) < 0.85
    assert fraction[540:560, 380:400].mean() < 0.25, "industrial roofs"
    assert fraction[330:350, 40:60].mean() > 0.7, "orchards"
    river = landcover["label"].values[325:360, 620:700]
    assert (river == WATER).sum() > 200


@pytest.mark.real
def test_the_sea_at_aberystwyth_is_water(shared_data, make_composite):
    import rasterio

    with rasterio.open(shared_data / "aberystwyth" / "sen2_20210527_aber_mosaic.tif") as source:
        image = source.read().astype(np.float32) / 1000
    shipped = load_model("mixture-10")
    landcover = classify(make_composite(image, shipped.card.bands), shipped).data
    assert (landcover["label"].values[100:400, :50] == WATER).mean() > 0.97
    assert (landcover["label"].values[600:900, 400:900] == WATER).mean() < 0.01


def test_an_answer_with_other_pixels_is_refused(shrinking_file):
    with pytest.raises(ModelError, match="other pixels"):
        load_model(shrinking_file).run(np.zeros((1, 2, 6, 6), np.float32))
