from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("monai")

import torch

from howgreen.training.contest import descent, learners, unet
from howgreen.training.contest.cards import card_of
from howgreen.training.contest.classes import BAND_SETS, CLASSES, GREEN
from howgreen.training.contest.effort import QUICK
from howgreen.training.contest.learners import Fit, Job, Training
from howgreen.training.contest.samples import Place
from howgreen.training.network import loss_of

pytestmark = pytest.mark.train
BANDS = BAND_SETS["four"]


def _place(side: int, seed: int) -> Place:
    rng = np.random.default_rng(seed)
    shares = np.moveaxis(rng.dirichlet((0.3,) * len(CLASSES), (side, side)), -1, 0).astype(np.float32)
    reflectance = rng.uniform(0.01, 0.5, (len(BANDS), side, side)).astype(np.float32)
    return Place(name="noise", bands=BANDS, reflectance=reflectance, shares=shares)


def _job(name: str, **changes) -> Job:
    place = _place(80, 0)
    reflectance, shares = place.rows()
    training = Training(
        reflectance=reflectance[:1200], shares=shares[:1200], bands=BANDS, towns=(place,), watched=(_place(20, 1),)
    )
    job = Job(
        training=training, setting={"width": 0.25 if name == "unet" else 8}, effort=replace(QUICK, unet_steps=8), seed=4,
        card=card_of(name, {}, band_set="four", effort=QUICK), progress=lambda *_: None,
    )  # fmt: skip
    return replace(job, **changes)


def _bytes(fit: Fit, job: Job) -> bytes:
    return fit(job).SerializeToString(deterministic=True)


def _stop_at(wanted: int):
    def progress(stage: str, done: int, total: int) -> None:
        if done == wanted:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize(
    ("name", "fit", "stops"), [("unet", unet.unet, (3, 6)), ("network", learners.pixel_network, (1, 7))]
)
def test_a_stopped_training_goes_on_to_the_same_bytes(name, fit, stops, tmp_path, monkeypatch):
    steps = []
    step = descent._step
    monkeypatch.setattr(descent, "_step", lambda *given: steps.append(1) or step(*given))
    courses = []
    wanted = _bytes(fit, _job(name, note=courses.append))
    whole = len(steps)
    checkpoint = tmp_path / "c"
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            fit(_job(name, checkpoint=checkpoint, progress=_stop_at(stop)))
        assert [path.name for path in tmp_path.iterdir()] == ["c"], "nothing half-written"
    assert _bytes(fit, _job(name, checkpoint=checkpoint, note=courses.append)) == wanted
    assert len(steps) == 2 * whole, "no step was taken twice"
    assert courses[0] == courses[1]


@pytest.mark.parametrize("change", [{"seed": 5}, {"setting": {"width": 0.5}}, {"effort": replace(QUICK, unet_steps=9)}])
def test_a_checkpoint_of_another_training_is_not_taken_for_ours(change, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        unet.unet(_job("unet", checkpoint=tmp_path / "c", progress=_stop_at(6)))
    other = _job("unet", **change)
    assert _bytes(unet.unet, replace(other, checkpoint=tmp_path / "c")) == _bytes(unet.unet, other)


def test_other_samples_are_another_training():
    training = _job("unet").training
    assert training.key() == _job("unet").training.key()
    assert training.key() != replace(training, towns=(_place(80, 9),)).key()
    assert training.key() != replace(training, shares=training.shares[::-1]).key()


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda _: b"", lambda _: b"no checkpoint"])
def test_a_damaged_checkpoint_only_costs_time(damage, tmp_path):
    job = _job("unet", checkpoint=tmp_path / "c")
    wanted = _bytes(unet.unet, job)
    job.checkpoint.write_bytes(damage(job.checkpoint.read_bytes()))
    assert _bytes(unet.unet, job) == wanted


def test_a_checkpoint_cannot_run_code(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    job = _job("unet", checkpoint=tmp_path / "c")
    job.checkpoint.write_bytes(pickle.dumps({"key": Evil()}, protocol=2))
    unet.unet(job)
    assert not (tmp_path / "ran").exists()


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0.01, 1), seed=st.integers(0, 99))
def test_pixels_that_are_not_known_teach_nothing(share, seed):
    rng = np.random.default_rng(seed)
    shares = np.moveaxis(rng.dirichlet((0.5,) * len(CLASSES), (2, 9, 9)), -1, 1).astype(np.float32)
    known = rng.random((2, 9, 9)) < share
    known[0, 0, 0] = True
    logits = torch.tensor(rng.normal(size=shares.shape).astype(np.float32), requires_grad=True)
    masked = np.where(known[:, None], shares, np.nan)
    loss = descent.known_loss(logits, torch.tensor(masked))
    loss.backward()
    reached = logits.grad.abs().sum(dim=1).numpy() > 0
    assert not reached[~known].any()
    rows = [
        torch.tensor(np.moveaxis(each, 1, -1)[known].T[None, :, :, None]) for each in (logits.detach().numpy(), shares)
    ]
    np.testing.assert_allclose(float(loss.detach()), float(loss_of(*rows, torch.tensor(GREEN))), rtol=1e-5)


def test_figures_of_answers_known_by_heart():
    shares = torch.zeros((1, len(CLASSES), 1, 4))
    shares[0, 0, 0, :2] = 1  # two trees
    shares[0, 3, 0, 2:] = 1  # two houses
    logits = torch.full_like(shares, -30)
    logits[0, 0, 0, :3] = 30  # one house is called a tree
    logits[0, 3, 0, 3:] = 30
    found = descent.figures(logits, shares)
    assert found["accuracy"] == 0.75
    np.testing.assert_allclose(found["rmse"], 0.5, atol=1e-6)
    np.testing.assert_allclose(found["watched_loss"], 60 / 4 + 5 / 4, rtol=1e-5)


def test_the_course_says_how_it_went_and_only_watches():
    courses: list[list[dict]] = []
    job = _job("unet", note=courses.append)
    blind = replace(job, training=replace(job.training, watched=()), note=courses.append)
    assert _bytes(unet.unet, job) == _bytes(unet.unet, blind), "what is watched decides nothing"
    seen, unseen = courses
    assert [point["step"] for point in seen] == list(range(1, 9))
    assert set(seen[-1]) == {"step", "loss", "watched_loss", "accuracy", "rmse"}
    assert set(unseen[-1]) == {"step", "loss"}
    assert 0 <= seen[-1]["accuracy"] <= 1


def test_a_gpu_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert descent.device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert descent.device().type == "cpu"


def test_progress_says_where_it_computes():
    told = []
    unet.unet(_job("unet", progress=lambda *given: told.append(given)))
    assert told[0][0].endswith(f" on {descent.device().type}")
    assert told[-1][1:] == (8, 8)
