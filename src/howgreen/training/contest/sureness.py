"""Whether the standard errors that a model predicts per pixel are correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howgreen.landcover.model import Model
from howgreen.training.calibrate import held
from howgreen.training.contest.judge import Answer, answer
from howgreen.training.contest.samples import Place

BINS = 8
_LEAST = 10
"""Fewest pixels of a bin."""


def sureness(model: Model, places: Mapping[str, Sequence[Place]]) -> dict[str, Any]:
    """Judge the predicted standard errors of each group of places.

    ``held`` is the share of errors within 1.96 of them; ``told`` and ``missed`` are the predicted and the actual errors
    (root mean squares), by eighths of the pixels from the surest to the least sure. Empty if the model does not predict
    them.
    """
    if not model.has_uncertainty:
        return {}
    return {name: _figures([answer(model, place) for place in group]) for name, group in places.items() if group}


def _figures(found: Sequence[Answer]) -> dict[str, Any]:
    missed = np.concatenate([each.green - each.true_green for each in found]).astype(float)
    told = np.concatenate([each.uncertainty for each in found if each.uncertainty is not None]).astype(float)
    parts = [part for part in np.array_split(told.argsort(kind="stable"), BINS) if len(part) >= _LEAST]

    def rms(values: Any) -> list[float]:
        return [float(np.sqrt(np.mean(values[part] ** 2))) for part in parts]

    return {"n": len(told), "held": held(missed, told), "told": rms(told), "missed": rms(missed)}


def table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Make header and rows for the page: models that predict errors, and the share held in each group of places."""
    telling = {name: each["sureness"] for name, each in found.items() if each.get("sureness")}
    groups = list(dict.fromkeys(group for each in telling.values() for group in each))
    head = ["", *(f"{group}: held" for group in groups), *(f"{group}: told, missed" for group in groups)]
    rows = [
        [
            name,
            *(f"{100 * each[group]['held']:.0f} % of {each[group]['n']}" for group in groups),
            *(f"{_all(each[group]['told']):.3f}, {_all(each[group]['missed']):.3f}" for group in groups),
        ]
        for name, each in telling.items()
    ]
    return head, rows


def _all(parts: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(parts))))


def draw(contest: Mapping[str, Any], path: Path) -> bool:
    """Draw predicted against actual errors, a line for each model and group; return whether there were any."""
    from matplotlib import pyplot as plt

    telling = {name: each["sureness"] for name, each in contest["contestants"].items() if each.get("sureness")}
    if not telling:
        return False
    groups = list(dict.fromkeys(group for each in telling.values() for group in each))
    figure, axes = plt.subplots(1, len(groups), figsize=(3.2 * len(groups), 3.4), layout="constrained", squeeze=False)
    for axis, group in zip(axes[0], groups, strict=True):
        axis.plot([0, 0.35], [0, 0.35], color="#999999", linestyle=":")
        for name, each in telling.items():
            axis.plot(
                each[group]["told"], each[group]["missed"], "o-", markersize=3, label=name.removeprefix("shipped ")
            )
        axis.set(title=group, xlabel="standard error told", xlim=(0, 0.35), ylim=(0, 0.4))
    axes[0, 0].set_ylabel("root mean square miss")
    axes[0, 0].legend(fontsize=8)
    figure.savefig(path, dpi=72, metadata={"Software": None})
    plt.close(figure)
    return True
