import json
from dataclasses import replace

import numpy as np
import pytest

from howgreen.core.errors import ContradictionError, ImageError
from howgreen.core.reflectance import NOTHING_STATED
from howgreen.imagery import decisions

WEST, NORTH, UTM = 600_000.0, 5_200_000.0, "EPSG:32632"


@pytest.fixture
def land(make_scene):
    """Scenes of one landscape: a tenth dark (0.02), the rest 0.04-0.25; ``stored`` is what was added to the DN."""

    def make(*, stored=0, offset=0.0, darkest=200, mask=True, nir=False, **options):
        rng = np.random.default_rng(8)
        base = rng.integers(400, 2500, (128, 128))
        base[:13] = darkest + rng.integers(-20, 20, (13, 128))
        dn = (np.maximum(base, darkest - 20) + stored).astype(np.uint16)
        bands = {"blue": dn, "green": dn + np.uint16(50), "red": dn}
        if nir:
            bands["nir"] = (np.maximum(2 * base, darkest - 20) + stored).astype(np.uint16)
        if mask:
            bands["scl"] = np.full((128, 128), 4, np.uint8)
        return make_scene(bands, offset=offset, **options)

    return make


def test_right_offsets_are_consistent(land):
    report = decisions([land(day=2, stored=1000, offset=-0.1), land(day=1)])
    assert [s["offset_check"] for s in report["scenes"]] == ["consistent", "consistent"]
    assert [s["offset"] for s in report["scenes"]] == [0.0, -0.1]
    assert json.loads(json.dumps(report)) == report


def test_an_offset_subtracted_twice_is_an_error(land):
    scene = land(stored=0, offset=-0.1)
    with pytest.raises(ImageError, match=rf"{scene.id}.*negative reflectance.*--offset"):
        decisions([scene])


def test_an_offset_not_subtracted_is_an_error_beside_dates_that_know_better(land):
    wrong = land(stored=1000, offset=0.0, day=3)
    with pytest.raises(ImageError, match=rf"{wrong.id}.*not subtracted"):
        decisions([land(day=1), wrong, land(day=2)])


def test_alone_it_is_a_doubt_for_deserts_are_bright(land):
    (scene,) = decisions([land(stored=1000)])["scenes"]
    assert scene["offset_check"] == "doubtful"


def test_deserts_agree_with_themselves(land):
    report = decisions([land(darkest=1200, day=day) for day in range(3)])
    assert {s["offset_check"] for s in report["scenes"]} == {"doubtful"}


def test_a_bright_tile_beside_a_dark_one_is_other_ground(land):
    """A city on two tiles, one of desert and one with a lake: neither says anything about the other's offset."""
    bright = land(darkest=1900, west=WEST + 1000)
    report = decisions([land(), bright, land(day=1)])
    assert [s["offset_check"] for s in report["scenes"] if s["id"] == bright.id] == ["doubtful"]
    with pytest.raises(ImageError, match=rf"{bright.id}.*not subtracted"):
        decisions([land(), replace(bright, footprint=land().footprint)])


def test_a_little_below_zero_is_ordinary(land):
    (scene,) = decisions([land(stored=1000, offset=-0.1, darkest=-30)])["scenes"]
    assert scene["offset_check"] == "consistent"
    assert scene["measured"]["negative_share"] < 0.1


@pytest.mark.parametrize(("rows", "verdict"), [(12, "consistent"), (14, "doubtful"), (38, "doubtful"), (39, None)])
def test_a_tenth_below_zero_is_a_doubt_and_three_tenths_an_error(make_scene, rows, verdict):
    """Of 128 rows so many reflect -0.02."""
    dn = np.full((128, 128), 1500, np.uint16)
    dn[:rows] = 800
    scene = make_scene({"blue": dn, "green": dn, "red": dn}, offset=-0.1)
    if verdict is None:
        with pytest.raises(ImageError, match="negative reflectance"):
            decisions([scene])
    else:
        assert decisions([scene])["scenes"][0]["offset_check"] == verdict


@pytest.mark.parametrize(("darkest", "verdict"), [(890, "consistent"), (901, "doubtful")])
def test_no_ground_darker_than_009_is_a_doubt(make_scene, darkest, verdict):
    dn = np.full((128, 128), darkest, np.uint16)
    assert decisions([make_scene({"red": dn})])["scenes"][0]["offset_check"] == verdict


@pytest.mark.parametrize(("usual", "apart"), [(420, False), (380, True)])
def test_dates_006_darker_know_better(make_scene, usual, apart):
    """One date's darkest ground reflects 0.1, the others' 0.042 or 0.038."""
    made = [make_scene({"red": np.full((128, 128), dn, np.uint16)}, day=n) for n, dn in enumerate((usual, 1000, usual))]
    if apart:
        with pytest.raises(ImageError, match="not subtracted"):
            decisions(made)
    else:
        assert [scene["offset_check"] for scene in decisions(made)["scenes"]] == [
            "consistent",
            "doubtful",
            "consistent",
        ]


def test_no_mask_is_said(land):
    bare = land(mask=False)
    report = decisions([bare, land(day=1)])
    assert f"no cloud mask in {bare.id}" in report["mask"]
    assert [s["mask"] for s in report["scenes"]] == [None, "scl"]


def test_all_cloud_is_unknown(make_scene):
    values = np.full((64, 64), 900, np.uint16)
    scene = make_scene({"red": values, "scl": (np.full((32, 32), 9, np.uint8), 20.0, WEST, NORTH, UTM)})
    assert decisions([scene])["scenes"][0]["offset_check"] == "unknown"


@pytest.mark.parametrize(("aside_m", "same"), [(400, True), (460, False)])
def test_half_of_their_ground_shared_is_the_same_ground(land, aside_m, same):
    """Scenes of 1280 m that share (1280 - d) of (1280 + d)."""
    bright = land(stored=1000, day=3, west=WEST + aside_m)
    scenes = [land(day=1), bright, land(day=2)]
    if same:
        with pytest.raises(ImageError, match="not subtracted"):
            decisions(scenes)
    else:
        assert [s["offset_check"] for s in decisions(scenes)["scenes"]] == ["consistent", "consistent", "doubtful"]


@pytest.mark.parametrize(("pixels", "verdict"), [(199, "unknown"), (200, "consistent")])
def test_200_clear_pixels_are_needed(make_scene, pixels, verdict):
    codes = np.full(128 * 128, 9, np.uint8)
    codes[:pixels] = 4
    scene = make_scene({"red": np.full((128, 128), 300, np.uint16), "scl": codes.reshape(128, 128)})
    assert decisions([scene])["scenes"][0]["offset_check"] == verdict


@pytest.mark.parametrize(("share", "verdict"), [(0.006, "doubtful"), (0.014, "consistent")])
def test_a_hundredth_of_dark_ground_is_enough(make_scene, share, verdict):
    dn = np.full(128 * 128, 2000, np.uint16)
    dn[: round(share * dn.size)] = 200
    assert decisions([make_scene({"red": dn.reshape(128, 128)})])["scenes"][0]["offset_check"] == verdict


def served(scene, **changes):
    """The scene as a catalogue has it, whose item decided its offset."""
    return replace(scene, native={"properties": {}}, **({"radiometry": "baseline 05.10, and no word"} | changes))


def test_the_pixels_tell_which_offset_a_catalogues_scene_has(land):
    """earth-search#66, #71."""
    for wrong, right in ((served(land(offset=-0.1)), 0.0), (served(land(stored=1000, day=3)), -0.1)):
        with pytest.raises(ContradictionError) as caught:
            decisions([land(day=1), wrong, land(day=2)])
        assert (caught.value.scene, caught.value.offset) == (wrong.id, right)


def test_an_offset_that_a_user_gave_or_that_fits_no_better_is_not_changed(land, make_scene):
    given = replace(
        land(offset=-0.1), native={"properties": {"howgreen:sensor": "sentinel-2", "howgreen:offset_from": "option"}}
    )
    odd = served(land(offset=-0.3))  # neither fits the record: two others would be left to choose from
    for scene in (given, odd):
        with pytest.raises(ContradictionError) as caught:
            decisions([scene])
        assert caught.value.offset is None


def test_where_an_item_says_nothing_the_pixels_decide_alone(land):
    bright = land(stored=1000, nir=True)
    for scene, told in ((served(bright, radiometry=NOTHING_STATED), True), (served(bright), False)):
        if told:
            with pytest.raises(ContradictionError) as caught:
                decisions([scene])
            assert caught.value.offset == -0.1
        else:
            assert decisions([scene])["scenes"][0]["offset_check"] == "doubtful"


def test_a_scale_that_cannot_be_is_an_error_that_names_what_fits(land):
    scene = served(land(nir=True), scale=1e-5)
    with pytest.raises(
        ContradictionError, match=r"with scale 1e-05.*half of the pixels.*likely scale 0\.0001 offset 0"
    ) as caught:
        decisions([scene])
    assert caught.value.offset is None
