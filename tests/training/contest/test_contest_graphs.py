from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from howgreen.landcover import load_model
from howgreen.training.contest import forests, graphs, learners, run
from howgreen.training.contest.cards import card_of
from howgreen.training.contest.classes import BAND_SETS, CLASSES, GREEN
from howgreen.training.contest.effort import QUICK
from howgreen.training.contest.learners import Job, Training
from howgreen.training.export import save
from howgreen.training.mixtures import BARE, BUILT, LOW, TREE, WATER, Surfaces

pytestmark = pytest.mark.train

BANDS = BAND_SETS["sentinel-2"]


@pytest.fixture(scope="module")
def training(world: Surfaces) -> Training:
    """Mixtures of tree, low vegetation, built, bare and water; no crop."""
    rng = np.random.default_rng(0)
    of = np.array([0, 1, 3, 4, 5])
    shares = rng.dirichlet((0.4,) * 5, 900)
    covers = [world.members[code] for code in (TREE, LOW, BUILT, BARE, WATER)]
    members = np.stack([member[rng.integers(0, len(member), 900)] for member in covers], axis=1)
    reflectance = np.einsum("nk,nkb->nb", shares, members).astype(np.float32)
    six = (shares @ np.eye(len(CLASSES))[of]).astype(np.float32)
    return Training(reflectance=reflectance, shares=six, bands=BANDS, towns=())


def _job(name: str, training: Training) -> Job:
    setting = run.CONTESTANTS[name][1][0]
    card = card_of(name, setting, band_set="sentinel-2", effort=QUICK)
    effort = replace(QUICK, epochs=40)
    return Job(training=training, setting=setting, effort=effort, seed=5, card=card, progress=lambda *_: None)


def _image(training: Training, rows: int, columns: int) -> np.ndarray:
    """(band, y, x) whose pixels are all different."""
    return np.ascontiguousarray(training.reflectance[: rows * columns].T.reshape(-1, rows, columns))


@pytest.mark.parametrize("name", [name for name in run.CONTESTANTS if name != "unet"])
def test_every_pixel_learner_becomes_one_file_that_keeps_the_contract(name, training, tmp_path):
    job = _job(name, training)
    graph = run.CONTESTANTS[name][0](job)
    assert graph.SerializeToString(deterministic=True) == run.CONTESTANTS[name][0](job).SerializeToString(
        deterministic=True
    )
    save(graph, tmp_path / "m.onnx")
    model = load_model(tmp_path / "m.onnx")
    picked = [BANDS.index(band) for band in model.card.bands]
    image = _image(training, 6, 11)[picked]
    probability, green, _ = model.run(image[None])
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)
    kinds = [cls.green for cls in model.card.classes]
    np.testing.assert_allclose(green[0, 0], probability[0, kinds].sum(axis=0), atol=1e-5)
    # A pixel's answer is its own: neither its place, nor its batch, nor its neighbours matter.
    turned = model.run(np.ascontiguousarray(image[None, :, ::-1, ::-1].repeat(2, 0)))[0][:, :, ::-1, ::-1]
    np.testing.assert_allclose(turned, probability.repeat(2, 0), atol=1e-5)
    truth = training.shares[:66, GREEN].sum(axis=1).reshape(6, 11)
    assert np.corrcoef(green[0, 0].ravel(), truth.ravel())[0, 1] > 0.6, "it has learned something"


def test_the_forest_in_the_file_is_scikit_learns(training, tmp_path):
    from sklearn.ensemble import RandomForestRegressor

    job = _job("forest", training)
    save(learners.random_forest(job), tmp_path / "m.onnx")
    values = graphs.features_of(training.reflectance).of(training.reflectance)
    forest = RandomForestRegressor(n_estimators=QUICK.trees, min_samples_leaf=int(job.setting["leaf"]), max_depth=14,
                                   max_features=0.4, random_state=5).fit(values, training.shares)  # fmt: skip
    got = load_model(tmp_path / "m.onnx").run(_image(training, 30, 30)[None])[0][0].reshape(len(CLASSES), -1).T
    # The graph's features are float32 sums in another order: a value on a threshold may fall to its other side.
    assert (np.abs(got - forest.predict(values)).max(axis=1) < 1e-5).mean() > 0.97


def test_thresholds_keep_float32_values_on_their_side():
    for threshold in (0.1, -0.1, 1 / 3, 0.25, 1e-9):
        single = np.float32(forests.rounded_down(threshold))
        assert float(single) <= threshold < float(np.nextafter(single, np.float32(np.inf)))


def test_nearest_neighbours_are_the_true_ones(training, tmp_path):
    job = _job("knn", training)
    save(learners.nearest_neighbours(job), tmp_path / "m.onnx")
    got = load_model(tmp_path / "m.onnx").run(_image(training, 10, 10)[None])[0][0].reshape(len(CLASSES), -1).T
    values = graphs.features_of(training.reflectance).of(training.reflectance)
    support = np.random.default_rng(5).permutation(900)[: QUICK.support]
    distance = ((values[:100, None] - values[support][None]) ** 2).sum(axis=2)
    nearest = distance.argsort(axis=1)[:, : int(job.setting["neighbours"])]
    np.testing.assert_allclose(got, training.shares[support][nearest].mean(axis=1), atol=1e-4)


def test_an_average_of_models_is_the_average_of_their_answers(training, tmp_path):
    names = ("forest", "network")
    made = [run.CONTESTANTS[name][0](_job(name, training)) for name in names]
    save(graphs.averaged(made, _job("forest", training).card), tmp_path / "both.onnx")
    for name, graph in zip(names, made, strict=True):
        save(graph, tmp_path / f"{name}.onnx")
    image = _image(training, 9, 7)[None]
    one, other = (load_model(tmp_path / f"{name}.onnx").run(image)[0] for name in names)
    np.testing.assert_allclose(load_model(tmp_path / "both.onnx").run(image)[0], (one + other) / 2, atol=1e-6)


def test_labels_drawn_by_share_estimate_the_shares():
    shares = np.tile(np.array([[0.1, 0.0, 0.6, 0.3]], np.float32), (20_000, 1))
    drawn = learners._drawn(shares, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20_000, shares[0], atol=0.015)
