from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import Point, box

pytest.importorskip("torch")

from howgreen.core.errors import HowgreenError, LabelError
from howgreen.core.labels import CLASS_NAMES, GREEN_CLASSES, parse_classes
from howgreen.landcover import load_model
from howgreen.landcover.classify import classify_array
from howgreen.store.options import Options
from howgreen.training.contest.classes import BUILT, CLASSES, TREE, WATER
from howgreen.training.contest.effort import QUICK
from howgreen.training.own import face, fit, holdout, labels, weak
from howgreen.training.own.images import Image, read_images

pytestmark = pytest.mark.train

CRS, SIDE = "EPSG:32632", 60
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, 600_000, 0, -10, 5_000_000), CRS)
BANDS = ("blue", "green", "red", "nir")
SPECTRA = {"tree": (0.03, 0.06, 0.03, 0.4), "built": (0.12, 0.13, 0.15, 0.18), "water": (0.04, 0.04, 0.02, 0.01)}


def _reflectance() -> np.ndarray:
    """(band, y, x): trees in the west, houses in the middle, water in the east."""
    rng = np.random.default_rng(0)
    columns = [SPECTRA[name] for name in ("tree", "built", "water") for _ in range(SIDE // 3)]
    values = np.array(columns).T[:, None, :].repeat(SIDE, 1)
    return (values * rng.uniform(0.85, 1.15, (1, SIDE, SIDE))).astype(np.float32)


def _write(path, values, *, names=BANDS, nodata=None):
    profile = {"driver": "GTiff", "count": len(values), "height": SIDE, "width": SIDE, "dtype": values.dtype.name, "crs": CRS,
               "transform": GRID.transform, "nodata": nodata}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(values)
        file.descriptions = names
    return path


def _square(column: int, row: int, side: int = 6):
    left, top = GRID.transform @ (column, row)
    return box(left, top - 10 * side, left + 10 * side, top)


def _frame(kinds=("tree", "built", "water")) -> gpd.GeoDataFrame:
    rows = [(kind, _square(at + 4, row)) for at, kind in zip((0, 20, 40), kinds, strict=False) for row in (5, 20, 35)]
    return gpd.GeoDataFrame({"class": [kind for kind, _ in rows]}, geometry=[shape for _, shape in rows], crs=CRS)


def _image(values=None) -> Image:
    return Image(name="here.tif", bands=BANDS, reflectance=_reflectance() if values is None else values, grid=GRID)


def _saved(frame, tmp_path):
    path = tmp_path / "labels.gpkg"
    frame.to_file(path)
    return path


def test_pixels_of_polygons_and_points_know_their_place(tmp_path):
    spot = GRID.transform @ (30.5, 50.5)
    frame = gpd.GeoDataFrame({"class": ["tree", "Built"]}, geometry=[_square(4, 5, 3), Point(spot)], crs=CRS)
    found = labels.read_labels(_saved(frame.to_crs("EPSG:4326"), tmp_path), [_image()])
    got = set(zip(found.rows.tolist(), found.columns.tolist(), found.code.tolist(), strict=True))
    assert got == {(row, column, TREE) for row in (5, 6, 7) for column in (4, 5, 6)} | {(50, 30, BUILT)}


def test_ground_that_two_classes_claim_teaches_neither(tmp_path):
    frame = gpd.GeoDataFrame({"class": ["tree", "water"]}, geometry=[_square(4, 5, 4), _square(6, 5, 4)], crs=CRS)
    found = labels.read_labels(_saved(frame, tmp_path), [_image()])
    assert set(found.columns.tolist()) == {4, 5, 8, 9}


def _far(frame):
    return frame.translate(50_000).to_frame("geometry").assign(**{"class": frame["class"]})


BAD_LABELS = {
    "outside": (lambda frame: _far(frame).set_crs(CRS, allow_override=True), r"none lies on the image.*labels x .*image x"),
    "unknown": (lambda frame: frame.assign(**{"class": "zebra"}), r"unknown class 'zebra'.*--classes zebra=tree.*the classes are tree"),
    "one": (lambda frame: frame[frame["class"] == "tree"], r"one class only \(tree\)"),
    "green only": (lambda frame: frame.assign(**{"class": ["tree", "cropland", "tree"] * 3}), r"only green ground.*label both"),
    "column": (lambda frame: frame.rename(columns={"class": "kind"}), r"no column 'class' \(there: kind\).*--column"),
    "few": (lambda frame: frame.assign(geometry=frame.centroid), r"too few pixels with data of tree \(3\)"),
    "exchanged": (lambda frame: frame.assign(**{"class": ["built"] * 3 + ["tree"] * 3 + ["water"] * 3}), r"another order.*exchanged"),
    "missing": (lambda frame: frame.assign(**{"class": [None] * 9}), r"9 of 9 shapes have no class"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_LABELS)
def test_bad_labels_are_caught_by_name_and_nothing_is_written(fault, tmp_path):
    change, message = BAD_LABELS[fault]
    image = _write(tmp_path / "i.tif", _reflectance())
    with pytest.raises(LabelError, match=message):
        _train(image, _saved(change(_frame()), tmp_path), tmp_path / "m.onnx")
    assert not [path for path in tmp_path.iterdir() if "onnx" in path.name]


def _train(image, path, out, **more):
    given = face.LabelFiles(labels=path)
    return face.train_from_files(
        [image], given, options=Options(**more), algorithm="ndvi-rule", out=out, progress=lambda *_: None
    )


def _numbers(scale: float, shift: float = 0) -> np.ndarray:
    return (_reflectance() / scale + shift).astype(np.uint16)


BAD_IMAGES = {
    "x1000": (lambda: _numbers(1e-3), {}, r"likely --scale 0\.001"),
    "+1000": (lambda: _numbers(1e-4, 1000), {}, r"--offset -0\.1"),
    "float +0.1": (lambda: _reflectance() + np.float32(0.1), {}, r"--offset -0\.1"),
    "float x10000": (lambda: _reflectance() * np.float32(1e4), {}, r"likely --scale 0\.0001"),
    "all NaN": (lambda: _reflectance() * np.float32(np.nan), {}, r"hold no data"),
    "order": (lambda: np.flip(_reflectance(), axis=0), {}, r"another order|darker than any land"),
    "no nir": (lambda: _reflectance()[:3], {"names": BANDS[:3]}, r"lacks nir"),
    "no names": (_reflectance, {"names": ("", "", "", "")}, r"--bands"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_IMAGES)
def test_bad_images_are_caught_by_name_and_nothing_is_written(fault, tmp_path):
    make, more, message = BAD_IMAGES[fault]
    image = _write(tmp_path / "i.tif", make(), **more)
    with pytest.raises(HowgreenError, match=message):
        _train(image, _saved(_frame(), tmp_path), tmp_path / "m.onnx")
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize(("scale", "more"), [(1e-4, {}), (1e-3, {"scale": 1e-3})])
def test_the_same_ground_in_other_numbers_is_the_same_image(scale, more, tmp_path):
    read = read_images([_write(tmp_path / "i.tif", _numbers(scale))], Options(**more))[0]
    np.testing.assert_allclose(read.reflectance, _reflectance(), atol=1.01 * scale)
    assert read.bands == BANDS


def test_pixels_without_data_teach_nothing(tmp_path):
    values = _reflectance()
    values[1, 20:40] = np.nan
    found = labels.read_labels(_saved(_frame(), tmp_path), [_image(values)])
    assert not ((found.rows >= 20) & (found.rows < 40)).any()
    assert len(found.rows)
    with pytest.raises(LabelError, match="hold no data"):
        labels.read_labels(_saved(_frame(), tmp_path), [_image(values * np.nan)])


@pytest.mark.parametrize("algorithm", ["forest", "ndvi-rule"])
def test_a_model_of_ones_own_tells_what_it_was_taught(algorithm, tmp_path):
    found = labels.read_labels(_saved(_frame(), tmp_path), [_image()])
    made = fit.train_own(
        [_image()],
        found,
        fit.Recipe(source="labels.gpkg", algorithm=algorithm, out=tmp_path / "own.onnx", name="own", effort=QUICK),
        progress=lambda *_: None,
    )
    model = load_model(made.path)
    picked = [BANDS.index(band) for band in model.card.bands]
    _, green, _ = model.run(_reflectance()[picked][None])
    assert green[0, 0, :, :20].mean() > 0.9
    assert green[0, 0, :, 20:].mean() < 0.1
    assert made.card.scores["held_out_oa"] == 1
    assert made.counts == {"tree": 108, "built": 108, "water": 108}
    assert sorted(path.name for path in tmp_path.glob("*onnx*")) == ["own.onnx"]


@pytest.mark.parametrize("algorithm", ["unet", "combination"])
def test_networks_and_combinations_learn_from_polygons_too(algorithm, tmp_path):
    """The image is smaller than a crop, most of it is unlabelled, and some of it was not seen."""
    values = _reflectance()
    values[:, 50:, :7] = np.nan
    found = labels.read_labels(_saved(_frame(), tmp_path), [_image(values)])
    effort = replace(QUICK, unet_steps=30, epochs=150)
    made = fit.train_own(
        [_image(values)],
        found,
        fit.Recipe(source="labels.gpkg", algorithm=algorithm, out=tmp_path / "own.onnx", name="own", effort=effort),
        progress=lambda *_: None,
    )
    model = load_model(made.path)
    label, green = classify_array(values, model)[:2]
    assert model.card.looks_around == (algorithm == "unet")
    assert made.card.scores["held_out_oa"] == 1
    assert (label[50:, :7] == 255).all()
    assert np.nanmean(green[:, :18]) > 0.85
    assert green[:, 22:].mean() < 0.15
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.gpkg", "own.onnx"]


def test_a_stopped_training_goes_on_and_leaves_nothing_behind(tmp_path):
    found = labels.read_labels(_saved(_frame(), tmp_path), [_image()])
    effort = replace(QUICK, unet_steps=6)

    def train(out: str, progress) -> bytes:
        fit.train_own(
            [_image()],
            found,
            fit.Recipe(
                source="labels.gpkg", algorithm="unet", out=tmp_path / out / "own.onnx", name="own", effort=effort
            ),
            progress=progress,
        )
        return (tmp_path / out / "own.onnx").read_bytes()

    def stop(stage: str, done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("stopped", stop)
    assert not (tmp_path / "stopped" / "own.onnx").exists()
    assert len(list((tmp_path / "stopped").iterdir())) == 1, "the way so far"
    assert train("stopped", lambda *_: None) == train("whole", lambda *_: None)
    assert [path.name for path in (tmp_path / "stopped").iterdir()] == ["own.onnx"]


def test_polygons_are_held_out_whole():
    found = labels.burnt(list(_frame().geometry), [TREE] * 3 + [BUILT] * 3 + [WATER] * 3, _image())
    fold = holdout.folds(found, rng=np.random.default_rng(0))
    for number in range(holdout.FOLDS):
        held = fold == number
        assert set(found.shape[held]).isdisjoint(found.shape[~held])
        assert set(found.code[held]) == {TREE, BUILT, WATER}
    single = found.kept(found.shape != 0).kept(np.isin(found.shape[found.shape != 0], [1, 3, 4]))
    assert holdout.folds(single, rng=np.random.default_rng(0)) is None


def test_mixtures_are_linear_in_their_shares():
    pure, shares = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    rows, of = fit.mixtures_of(pure, shares, rng=np.random.default_rng(0))
    np.testing.assert_allclose(rows, of, atol=1e-6)
    np.testing.assert_allclose(of.sum(axis=1), 1, atol=1e-6)


def test_weak_labels_drop_edges_and_what_does_not_look_green(tmp_path):
    values = _reflectance()
    values[:, 10:14, 8:12] = np.array(SPECTRA["built"], np.float32)[:, None, None]  # a house in the wood
    frame = gpd.GeoDataFrame({"group": ["tree", "other"]}, geometry=[_square(2, 2, 16), _square(30, 2, 10)], crs=CRS)
    found = weak.weak_labels(_saved(frame, tmp_path), [_image(values)], seed=1)
    trees = found.teaching.kept(found.teaching.code == TREE)
    assert trees.rows.min() == 3
    assert trees.rows.max() == 16, "one pixel inside the polygon"
    assert not ((trees.rows >= 10) & (trees.rows < 14) & (trees.columns >= 8) & (trees.columns < 12)).any()
    others = found.kept(found.code == BUILT)
    assert len(others.code)
    assert not ((others.columns >= 30) & (others.columns < 40) & (others.rows >= 2) & (others.rows < 12)).any()
    assert (found.code == WATER).any()


def test_weak_labels_of_another_place_are_refused(tmp_path):
    frame = gpd.GeoDataFrame({"group": ["tree"]}, geometry=[_square(45, 2, 12)], crs=CRS)
    with pytest.raises(LabelError, match="looks green"):
        weak.weak_labels(_saved(frame, tmp_path), [_image()], seed=1)


def test_what_teaches_nothing_is_told(tmp_path):
    away = _square(-20, 5)
    speck = box(GRID.transform.c + 1, GRID.transform.f - 3, GRID.transform.c + 3, GRID.transform.f - 1)
    frame = gpd.GeoDataFrame({"class": ["tree", "built", "water"]}, geometry=[_square(4, 5, 4), away, speck], crs=CRS)
    values = _reflectance()
    values[:, 5:7, 4:8] = np.nan
    found = labels.read_labels(_saved(frame, tmp_path), [_image(values)])
    assert len(found.code) == 8
    assert [note.split(" ", 1)[0] for note in found.notes] == ["1", "8", "1"]
    outside, unseen, small = found.notes
    assert "1 of 3 shapes lie outside here.tif" in outside
    assert "8 of 16 labelled pixels hold no data" in unseen
    assert "too small" in small
    both = weak.joined(found, found)
    assert both.notes == found.notes
    assert len(both.code) == 8, "a pixel that is labelled twice counts once"


@pytest.mark.parametrize(
    ("geometry", "kinds", "said"),
    [
        ([_square(4, 5), _square(4, 5)], ["tree", "built"], "claimed by one class alone"),
        ([_square(4, 5).boundary, _square(20, 5)], ["tree", "built"], "holds LineString.*polygons or points"),
        ([_square(4, 5), _square(20, 5)], ["tree", None], "1 of 2 shapes have no class"),
    ],
)
def test_shapes_that_cannot_teach_are_refused_by_name(geometry, kinds, said, tmp_path):
    frame = gpd.GeoDataFrame({"class": kinds}, geometry=geometry, crs=CRS)
    with pytest.raises(LabelError, match=said):
        labels.read_labels(_saved(frame, tmp_path), [_image()])


def _as_points(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The same labels as points, one a pixel, as lists of samples have them."""
    found = labels.burnt(list(frame.geometry), list(range(len(frame))), _image())  # a code a shape is enough here
    x, y = GRID.transform @ (found.columns + 0.5, found.rows + 0.5)
    return gpd.GeoDataFrame(
        {"class": frame["class"].to_numpy()[found.code]}, geometry=gpd.points_from_xy(x, y), crs=CRS
    )


def test_points_of_one_field_are_held_out_together():
    frame = _frame()
    names = [labels.NAMES.index(one) for one in frame["class"]]
    polygons = labels.burnt(list(frame.geometry), names, _image())
    points = replace(polygons, shape=np.arange(len(polygons.code)))
    assert len(np.unique(polygons.groups())) == 9
    assert len(np.unique(points.groups())) < 30, "blocks, not 324 points"
    held = holdout.folds(points, rng=np.random.default_rng(0)) == 0
    assert set(points.groups()[held]).isdisjoint(points.groups()[~held])
    blocks = {
        (r // labels.BLOCK_PX, c // labels.BLOCK_PX)
        for r, c in zip(points.rows[held], points.columns[held], strict=True)
    }
    rest = {
        (r // labels.BLOCK_PX, c // labels.BLOCK_PX)
        for r, c in zip(points.rows[~held], points.columns[~held], strict=True)
    }
    assert blocks.isdisjoint(rest)


def test_labels_that_say_nothing_get_a_warning_and_not_a_figure_that_flatters(tmp_path):
    """Classes drawn by lot over many places of one kind of ground: whatever is learned is no better than chance."""
    rng = np.random.default_rng(1)
    values = _reflectance()
    values[:] = (values[:, :, :1] * rng.uniform(0.7, 1.3, (1, SIDE, SIDE))).astype(np.float32)
    rows = [
        (kind, _square(c, r, 4))
        for c in range(0, 56, 8)
        for r in range(0, 56, 8)
        for kind in [rng.choice(["tree", "built"])]
    ]
    frame = gpd.GeoDataFrame({"class": [kind for kind, _ in rows]}, geometry=[shape for _, shape in rows], crs=CRS)
    codes = [labels.NAMES.index(kind) for kind in frame["class"]]
    found = labels.burnt(list(frame.geometry), codes, _image(values))
    recipe = fit.Recipe(source="x", algorithm="forest", out=tmp_path / "own.onnx", name="x", effort=QUICK)
    job = fit._Own(images=(_image(values),), recipe=recipe, effort=QUICK, progress=lambda *_: None)
    scores = holdout.scores(job.held_out(found))
    assert scores["held_out_kappa"] < 0.2
    assert scores["held_out_majority_oa"] > 0.45
    (caution, *_) = holdout.doubts(scores)
    assert caution.code == "model-doubtful"
    assert "learned next to nothing" in caution.text


@pytest.mark.parametrize(
    ("scores", "word"),
    [
        ({}, "was not judged"),
        ({"oa": 0.9, "majority_oa": 0.6, "kappa": 0.2, "groups": 9}, "next to nothing"),
        ({"oa": 0.9, "majority_oa": 0.6, "kappa": 0.8, "groups": 9, "shipped_oa": 0.95}, "use that one"),
        ({"oa": 0.9, "majority_oa": 0.6, "kappa": 0.8, "groups": 5}, "5 places only"),
        ({"oa": 0.9, "majority_oa": 0.6, "kappa": 0.21, "groups": 6, "shipped_oa": 0.9}, None),
    ],
)
def test_what_a_model_of_ones_own_may_be_no_use_for(scores, word):
    found = [one.text for one in holdout.doubts({f"held_out_{key}": value for key, value in scores.items()})]
    assert (not found) if word is None else word in found[0]


def test_the_shipped_model_is_judged_on_the_same_ground(tmp_path):
    found = labels.read_labels(_saved(_frame(), tmp_path), [_image()])
    recipe = fit.Recipe(source="l", algorithm="ndvi-rule", out=tmp_path / "own.onnx", name="own", effort=QUICK)
    made = fit.train_own([_image()], found, recipe, progress=lambda *_: None)
    assert made.card.scores["held_out_shipped_oa"] == 1
    assert made.card.scores["held_out_majority_oa"] == pytest.approx(2 / 3, abs=1e-5)
    assert made.card.scores["held_out_groups"] == 9
    assert not any("places only" in one.text for one in made.cautions)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["forest", "urban", "lake"], None),
        (["Trees", "built_up", "Water"], None),
        (["Tree cover", "Built-up", "Permanent water bodies"], None),
        ([1, 2, 3], "1=tree, 2=built,3=sea"),
        ([1.0, 2.0, 3.0], "1=forest,2=urban,3=water"),
    ],
)
def test_classes_by_other_names_and_numbers(values, text, tmp_path):
    frame = _frame().assign(**{"class": [value for value in values for _ in range(3)]})
    meanings = parse_classes(text) if text else None
    found = labels.read_labels(_saved(frame, tmp_path), [_image()], classes=meanings)
    assert found.counts() == {"tree": 108, "built": 108, "water": 108}


@pytest.mark.parametrize("text", ["1", "1=", "1=zebra", "", "=tree,2"])
def test_meanings_that_are_none(text):
    with pytest.raises(LabelError, match="write VALUE=CLASS"):
        parse_classes(text)


def test_weak_labels_that_do_not_fit_the_image_are_refused(tmp_path):
    """A map of another place: as many of its pixels are green as of the rest."""
    rng = np.random.default_rng(0)
    values = np.where(
        rng.random((1, SIDE, SIDE)) < 0.5, *(np.array(SPECTRA[k], np.float32)[:, None, None] for k in ("tree", "built"))
    )
    squares = [_square(int(c), int(r), 8) for c, r in rng.integers(0, 50, (8, 2))]
    frame = gpd.GeoDataFrame({"group": ["tree"] * 8}, geometry=squares, crs=CRS)
    with pytest.raises(LabelError, match=r"no greener in here\.tif than the rest"):
        weak.weak_labels(_saved(frame, tmp_path), [_image(values)], seed=1)


def test_what_the_filter_dropped_still_judges(tmp_path):
    values = _reflectance()
    values[:, 8:20, 4:10] = np.array(SPECTRA["built"], np.float32)[:, None, None]  # half of the mapped wood was felled
    frame = gpd.GeoDataFrame({"group": ["tree"]}, geometry=[_square(2, 2, 17)], crs=CRS)
    found = weak.weak_labels(_saved(frame, tmp_path), [_image(values)], seed=1)
    mapped = found.code == TREE
    assert mapped.sum() == 15 * 15
    felled = mapped & (found.rows >= 8) & (found.rows < 20) & (found.columns >= 4) & (found.columns < 10)
    assert not found.learned[felled].any()
    assert found.learned[mapped & ~felled].mean() > 0.9
    assert len(found.teaching.code) < len(found.code)
    assert any("all of them judge" in note for note in found.notes)


@pytest.mark.parametrize("marker", [-9999.0, -3.4028234663852886e38])
def test_no_data_without_a_tag_is_not_learned(marker, tmp_path):
    values = _reflectance()
    values[:, :12] = marker
    read = read_images([_write(tmp_path / "i.tif", values)], Options())[0]
    assert not read.seen[:12].any()
    assert read.seen[12:].all()


def test_labels_may_have_the_classes_that_models_are_trained_on():
    assert [cls.name for cls in CLASSES] == list(CLASS_NAMES)
    assert {cls.name for cls in CLASSES if cls.green} == GREEN_CLASSES


def _as_raster(path, codes, *, side=10.0, nodata=0):
    """A raster of classes over the whole image, in pixels of ``side`` metres."""
    profile = {"driver": "GTiff", "count": 1, "height": codes.shape[0], "width": codes.shape[1], "dtype": "uint8", "crs": CRS,
               "transform": Affine(side, 0, 600_000, 0, -side, 5_000_000), "nodata": nodata}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(codes.astype(np.uint8), 1)
    return path


def test_a_raster_of_classes_labels_the_pixels_that_it_fills_with_one(tmp_path):
    codes = np.zeros((SIDE * 2, SIDE * 2))
    codes[20:40, :41] = 7  # ends in the middle of an image's pixel
    codes[20:40, 80:100] = 3
    path = _as_raster(tmp_path / "classes.tif", codes, side=5.0)
    found = labels.read_labels(path, [_image()], classes={"7": "tree", "3": "built"})
    got = {name: found.kept(found.code == labels.NAMES.index(name)) for name in found.counts()}
    assert set(got) == {"tree", "built"}
    assert (got["tree"].rows.min(), got["tree"].rows.max()) == (10, 19)
    assert got["tree"].columns.max() == 19, "half of pixel 20 has no class"
    assert len(got["built"].code) == 100
    assert len(np.unique(found.groups())) < 12, "held out by blocks"
    with pytest.raises(LabelError, match=r"its numbers 3, 7 mean.*--classes 3=tree"):
        labels.read_labels(path, [_image()])


def test_a_background_over_all_other_shapes_is_named(tmp_path):
    frame = _frame()
    whole = gpd.GeoDataFrame({"class": ["cropland"]}, geometry=[box(*frame.total_bounds)], crs=CRS)
    path = _saved(gpd.pd.concat([frame, whole]), tmp_path)
    with pytest.raises(LabelError, match=r"one shape \(cropland\) lies over all those of built, tree, water"):
        labels.read_labels(path, [_image()])


def test_several_images_teach_together_and_hold_the_same_ground_out(tmp_path):
    """Two seasons: in the second the trees are bare, and half of it was not seen."""
    winter = _reflectance()
    winter[:, :, :20] = np.array((0.06, 0.08, 0.09, 0.18), np.float32)[:, None, None]
    winter[:, 30:] = np.nan
    second = replace(_image(winter), day="2021-11-18", sensor="sentinel-2")
    images = [replace(_image(), day="2021-07-01", sensor="sentinel-2"), second]
    found = labels.read_labels(_saved(_frame(), tmp_path), images)
    assert set(found.image) == {0, 1}
    assert not (found.rows[found.image == 1] >= 30).any()
    fold = holdout.folds(found, rng=np.random.default_rng(0))
    of = {int(shape): set(fold[found.shape == shape].tolist()) for shape in np.unique(found.shape)}
    assert all(len(numbers) == 1 for numbers in of.values()), "a polygon is held out in all images"
    recipe = fit.Recipe(source="l", algorithm="boosting", out=tmp_path / "own.onnx", name="own", effort=QUICK)
    made = fit.train_own(images, found, recipe, progress=lambda *_: None)
    assert [one.day for one in made.card.learned_from] == ["2021-07-01", "2021-11-18"]
    assert len(made.views) == 2
    model = load_model(made.path)
    assert np.nanmean(classify_array(winter, model)[1][:30, :20]) > 0.6, "it knows bare trees"


def test_blocks_of_ground_are_the_same_in_images_on_other_grids():
    finer = GeoBox((SIDE * 2, SIDE * 2), Affine(5, 0, 600_000, 0, -5, 5_000_000), CRS)
    image = replace(_image(), grid=finer)
    rows, columns = np.array([0, 31, 32, 63]), np.array([0, 31, 32, 64])
    there = labels.blocks_of(rows, columns, image, _image())
    same = labels.blocks_of(rows // 2, columns // 2, _image(), _image())
    assert (there == same).all()
    assert len(set(there.tolist())) == 3


@pytest.mark.parametrize("marker", [-9999, 65535, 0])
def test_whole_numbers_for_no_data_are_not_learned_inside_either(marker, tmp_path):
    values = _numbers(1e-4).astype(np.int32 if marker < 0 else np.uint16)
    values[:, 20:30, 20:30] = marker
    read = read_images([_write(tmp_path / "i.tif", values)], Options())[0]
    assert not read.seen[20:30, 20:30].any()
    assert read.seen.sum() == SIDE * SIDE - 100


def test_the_standard_error_of_a_pixel_is_a_line_through_the_knots(tmp_path):
    found = labels.read_labels(_saved(_frame(), tmp_path), [_image()])
    recipe = fit.Recipe(source="l", algorithm="ndvi-linear", out=tmp_path / "own.onnx", name="own", effort=QUICK)
    made = fit.train_own([_image()], found, recipe, progress=lambda *_: None)
    model = load_model(made.path)
    curve, share = holdout.error_curve(made.held_out)
    green, told = model.run(_reflectance()[[BANDS.index(band) for band in model.card.bands]][None])[1:]
    np.testing.assert_allclose(told, np.interp(green, holdout.KNOTS, curve), atol=1e-5)
    assert share >= 0.949
    assert curve.min() >= holdout.LEAST_ERROR


def test_the_interval_grows_with_what_held_out_places_say(tmp_path):
    found = labels.read_labels(_saved(_frame(), tmp_path), [_image()])
    recipe = fit.Recipe(source="l", algorithm="forest", out=tmp_path / "own.onnx", name="own", effort=QUICK)
    job = fit._Own(images=(_image(),), recipe=recipe, effort=QUICK, progress=lambda *_: None)
    of, cover = job.held_out(found), {"tree": 0.5, "built": 0.5, "mixed": 0.0}
    near = holdout.interval_of(of, cover, source="l", beyond=0.02)
    off = replace(of.found, green=np.where(of.labels.code == BUILT, 0.3, of.found.green).astype(np.float32))
    far = holdout.interval_of(replace(of, found=off), cover, source="l", beyond=0.02)
    assert near.half_width < 0.1
    wider = holdout.interval_of(of, cover, source="l", beyond=0.06)
    assert wider.half_width > near.half_width + 0.05
    assert far.half_width >= 0.5 * 0.3 - 0.01
    assert holdout.interval_of(of, {"tree": 0.5, "cropland": 0.5}, source="l", beyond=0.02) is None, (
        "a class that nobody labelled"
    )


def test_the_page_says_where_labels_and_map_disagree(tmp_path):
    frame = _frame()
    frame.loc[0, "class"] = "water"  # a wood that is called water
    image = _write(tmp_path / "2021-07-01.tif", _reflectance())
    given = face.LabelFiles(labels=_saved(frame, tmp_path))
    made = face.train_from_files(
        [image], given, options=Options(), algorithm="forest", out=tmp_path / "own.onnx", progress=lambda *_: None
    )
    text = (tmp_path / "own.html").read_text()
    assert "contradicts it too" in text
    assert "10.27" in text
    assert made.card.learned_from[0].day == "2021-07-01"
    assert any("1 of 9 labelled places are contradicted" in note for note in made.notes)
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org", "")
