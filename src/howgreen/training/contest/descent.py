"""Gradient descent for the contest's networks: seeded, resumable, monitored, on a GPU if there is one.

The batch of a step depends only on the seed and the step number. So a stopped training needs no random state to resume:
weights, optimiser and schedule are enough, and on a CPU the finished file is byte-identical.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from howgreen.core.files import atomic_path
from howgreen.core.types import Progress
from howgreen.training.contest.classes import GREEN
from howgreen.training.network import loss_of, one_thread

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Features (n, feature, y, x) and shares (n, class, y, x); NaN where a share is unknown."""
Point = Mapping[str, float]
"""Point of the training curve: ``step``, ``loss`` (mean training loss since the last one), and the monitored
figures."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Of logits (n, class, y, x) and shares."""
Watch = Callable[[Callable[[torch.Tensor], torch.Tensor]], Mapping[str, float]]
"""Evaluates a network, features to logits, for the curve only; it affects nothing."""

_MEASURED = 20
"""Evaluated points of a curve."""


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Settings of one training."""

    draw: Callable[[np.random.Generator], Batch]
    """A batch of one step."""
    steps: int
    rate: float
    """Largest learning rate of the one-cycle schedule (Smith & Topin 2018)."""
    seed: int
    loss: Loss | None = None
    """Of logits and shares; :func:`known_loss` if none is given."""
    watch: Watch | None = None
    key: str = ""
    """Everything else that determines the outcome: a checkpoint with another key is not used."""
    checkpoint: Path | None = None
    """Checkpoint file; removed by the caller that keeps the result."""
    name: str = "train"
    progress: Progress


def device() -> torch.device:
    """Choose a GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def descend(net: torch.nn.Module, way: Descent) -> list[Point]:
    """Train ``net`` in place, from its checkpoint if any; it ends on the CPU, in evaluation mode. Returns the curve."""
    with one_thread():
        where = device()
        net.to(where).train()
        optimiser = torch.optim.AdamW(net.parameters(), lr=way.rate, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=way.rate, total_steps=way.steps)
        state = _State(
            net=net, optimiser=optimiser, schedule=schedule, key=f"{way.key}-{way.steps}-{way.seed}-{where.type}"
        )
        curve, losses = _resumed(way.checkpoint, state), list[float]()
        done = int(curve[-1]["step"]) if curve else 0
        way.progress(f"{way.name} on {where.type}", done, way.steps)
        for step in range(done, way.steps):
            batch = way.draw(np.random.default_rng([way.seed, step]))
            losses.append(_step(state, batch, where, way.loss or known_loss))
            if _is_point(step + 1, way.steps):
                curve.append({"step": step + 1, "loss": float(np.mean(losses)), **_watched(net, where, way.watch)})
                losses.clear()
                _kept(way.checkpoint, state, curve)
                way.progress(f"{way.name} on {where.type}", step + 1, way.steps)
        net.to("cpu").eval()
    return curve


def _is_point(done: int, steps: int) -> bool:
    """Tell whether a point of the curve, and a checkpoint, is due: about twenty times, and at the end."""
    return done == steps or done % max(steps // _MEASURED, 1) == 0


@dataclass(frozen=True, kw_only=True)
class _State:
    net: torch.nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    key: str

    def saved(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        self.net.load_state_dict(saved["net"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.schedule.load_state_dict(saved["schedule"])


def _step(state: _State, batch: Batch, where: torch.device, loss_of_step: Loss) -> float:
    values, shares = (torch.tensor(part).to(where) for part in batch)
    state.optimiser.zero_grad()
    loss = loss_of_step(state.net(values), shares)
    loss.backward()
    state.optimiser.step()
    state.schedule.step()
    return float(loss.detach())


def known_loss(logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Compute :func:`howgreen.training.network.loss_of` over pixels with known shares."""
    known = torch.isfinite(shares).all(dim=1)
    if bool(known.all()):
        return loss_of(logits, shares, torch.tensor(GREEN))
    rows, of = (part.movedim(1, -1)[known][:, :, None, None] for part in (logits, shares))
    return loss_of(rows, of, torch.tensor(GREEN))


def _watched(net: torch.nn.Module, where: torch.device, watch: Watch | None) -> Mapping[str, float]:
    if watch is None:
        return {}
    net.eval()
    with torch.no_grad():
        found = watch(lambda values: net(values.to(where)).cpu())
    net.train()
    return found


def figures(logits: torch.Tensor, shares: torch.Tensor) -> dict[str, float]:
    """Compute ``watched_loss``, ``accuracy`` and ``rmse`` of (n, class, y, x) with known shares.

    Accuracy is of green or not, at one half; the error is that of the fraction.
    """
    green = torch.tensor(GREEN)
    said, so = torch.softmax(logits, dim=1)[:, green].sum(dim=1), shares[:, green].sum(dim=1)
    return {
        "watched_loss": float(loss_of(logits, shares, green)),
        "accuracy": float(((said >= 0.5) == (so >= 0.5)).float().mean()),
        "rmse": float((said - so).square().mean().sqrt()),
    }


def _kept(path: Path | None, state: _State, curve: list[Point]) -> None:
    """Write the checkpoint, whole or not at all."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written by Python: a full disk is then an OSError, which the command line reports in one line.
    with atomic_path(path, durable=False) as part, part.open("wb") as file:
        torch.save({"key": state.key, "curve": curve, **state.saved()}, file)


def _resumed(path: Path | None, state: _State) -> list[Point]:
    """Restore a checkpoint of the same training and return its curve; empty if there is none."""
    if path is None or not path.exists():
        return []
    try:
        # Numbers and plain values only: an untrusted file cannot run code.
        saved = torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError):
        return []  # a checkpoint only saves time
    if not isinstance(saved, dict) or saved.get("key") != state.key:
        return []
    state.restore(saved)
    curve: list[Point] = saved["curve"]
    return curve


def key_of(*parts: Any) -> str:
    """Return a fingerprint of arrays and plain values."""
    found = hashlib.sha256()
    for part in parts:
        found.update(np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
        found.update(b";")
    return found.hexdigest()
