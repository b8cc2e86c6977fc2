"""The page of a user's own model: its accuracy, where it is wrong, its training data; one file with pictures."""

from __future__ import annotations

import io
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from howgreen.core import words
from howgreen.core.files import write_atomic
from howgreen.core.geometry import transformer
from howgreen.core.types import HALF_GREEN
from howgreen.landcover.model import FAR_DAYS, FAR_KM
from howgreen.training.contest import judge
from howgreen.training.contest.classes import CLASSES, GREEN, NAMES
from howgreen.training.contest.samples import Floats
from howgreen.training.own import holdout
from howgreen.training.own.fit import Trained
from howgreen.training.own.holdout import HeldOut
from howgreen.training.own.view import View

_MOST_VIEWS = 4
_MOST_DOUBTFUL = 25
_BINS = 8
_DPI = 80
SHIPPED = "held_out_shipped_oa"
RIGHT, WRONG = "#2b6fb3", "#d4380d"


def verdict(trained: Trained, algorithm: str) -> str:
    """State in a paragraph what the model is worth."""
    found = trained.card.scores
    if "held_out_oa" not in found:
        return "Not judged: a class has ground in one place only, so none could be held out."
    right, usual = found["held_out_oa"], found["held_out_majority_oa"]
    lift = words.plain(words.points(right - usual))
    beside = f"; the shipped model is {found[SHIPPED]:.1%} right there" if SHIPPED in found else ""
    return (
        f"{algorithm}: on {found['held_out_n']:,.0f} pixels of {found['held_out_groups']:.0f} places held out, {right:.1%} right, green or "
        f"not (kappa {found['held_out_kappa']:.2f}); calling everything one kind is {usual:.1%} right, so {lift}{beside}."
    )


def write_page(trained: Trained, algorithm: str, path: Path) -> None:
    """Write the page of a model."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("howgreen", "training/own"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    of, card = trained.held_out, trained.card
    shown = trained.views[:_MOST_VIEWS]
    text = environment.get_template("page.html").render(
        card=card,
        verdict=verdict(trained, algorithm),
        cautions=trained.cautions,
        rows=_rows(trained),
        held_out=_held_out(trained),
        views=_drawn(lambda: _views(shown, of)),
        views_caption=_views_caption(trained),
        matrix=_drawn(lambda: _matrix(of)) if of else "",
        curves=_drawn(lambda: _curves(of)) if of else "",
        sure=_sure(trained),
        course_caption="Right: how the training went, on what it learned and on ground held out."
        if of and of.course
        else "",
        doubtful=_doubtful(trained) if of else [],
        counts=", ".join(f"{count:,} {name}" for name, count in trained.counts.items()),
        interval=_interval(trained),
        notes=trained.notes,
        far_km=f"{FAR_KM:g}",
        far_days=FAR_DAYS,
    )
    write_atomic(path, text)


def _rows(trained: Trained) -> list[dict[str, str]]:
    found = trained.card.scores
    names = {"oa": "this model", "shipped_oa": "the shipped model", "majority_oa": "everything called one kind"}
    kappa = {"oa": f"{found.get('held_out_kappa', 0):.2f}", "majority_oa": "0.00"}
    if trained.held_out is not None and trained.held_out.shipped is not None:
        said, true = (one >= HALF_GREEN for one in (trained.held_out.shipped, trained.held_out.found.true_green))
        kappa["shipped_oa"] = f"{judge.kappa(said, true):.2f}"
    return [
        {"name": text, "right": f"{found[f'held_out_{key}']:.1%}", "kappa": kappa.get(key, "")}
        for key, text in names.items()
        if f"held_out_{key}" in found
    ]


def _held_out(trained: Trained) -> str:
    found = trained.card.scores
    if not found:
        return ""
    return (
        f"Whole polygons and whole blocks of points are held out, {found['held_out_groups']:.0f} in all: pixels of one polygon are alike, and "
        "would flatter. Every label counts, those too that were not used to learn. Labels are drawn where people are sure; the "
        "city's other ground is harder."
    )


def _views_caption(trained: Trained) -> str:
    view = trained.views[0]
    thinned = f" Every {view.step}th pixel is shown." if view.step > 1 else ""
    dots = (
        " Last: labelled pixels, blue where a model that did not meet their polygon agrees, red where it does not."
        if trained.held_out
        else ""
    )
    return f"The image, the green fraction (dark: all green) and the cover that the finished model sees.{dots}{thinned}"


def _sure(trained: Trained) -> str:
    found = trained.card.scores.get("held_out_uncertainty_held")
    return "" if found is None else f"which holds {found:.0%} of the misses within 1.96 of it"


def _interval(trained: Trained) -> str:
    error = trained.card.reference_error
    if error is None:
        return "none: too few labelled places of each class to make one" if trained.held_out else ""
    return f"± {100 * error.half_width:.1f} points for the whole city ({error.method})"


def _doubtful(trained: Trained) -> list[dict[str, Any]]:
    found = holdout.doubtful_labels(trained.held_out) if trained.held_out else []
    rows = []
    for one in found[:_MOST_DOUBTFUL]:
        number, row, column = one.place
        grid = trained.views[number].image.grid
        x, y = grid.transform @ (column + 0.5, row + 0.5)
        lon, lat = transformer(str(grid.crs), "EPSG:4326").transform(x, y)
        rows.append(
            {"where": f"{lon:.5f}, {lat:.5f}", "label": one.label, "wrong": f"{one.wrong:.0%}", "n": f"{one.n:,}",
             "shipped": "contradicts it too" if one.shipped_too else "agrees with the label"}
        )  # fmt: skip
    return rows


def _drawn(draw: Any) -> str:
    """Encode a figure as the address of a PNG inside the page."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = draw()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI, metadata={"Software": None})
    plt.close(figure)
    return "data:image/png;base64," + b64encode(buffer.getvalue()).decode()


def _views(views: tuple[View, ...], of: HeldOut | None) -> Any:
    from matplotlib import pyplot as plt

    six = len(views[0].probability) == len(CLASSES)
    names = ["image", "green fraction", *(["cover"] if six else []), *(["labels"] if of else [])]
    tall, wide = views[0].green.shape
    height = 3.2 * min(max(tall / wide, 0.5), 1.6)
    figure, axes = plt.subplots(
        len(views),
        len(names),
        figsize=(3.2 * len(names), 0.5 + (height + 0.5) * len(views)),
        layout="constrained",
        squeeze=False,
    )
    for number, (row, view) in enumerate(zip(axes, views, strict=True)):
        for name, axis in zip(names, row, strict=True):
            axis.set(xticks=[], yticks=[])
            axis.set_title(name if number == 0 else "", fontsize=10)
            if name in ("image", "labels"):
                axis.imshow(view.photo if name == "image" else 0.55 + 0.45 * view.photo)
            if name == "green fraction":
                axis.imshow(view.green, cmap="YlGn", vmin=0, vmax=1)
            if name == "cover":
                axis.imshow(_coloured(view.probability))
            if name == "labels" and of:
                _dots(axis, view, of, number)
        row[0].set_ylabel(view.image.day)
    if six:
        _legend(figure)
    return figure


def _dots(axis: Any, view: View, of: HeldOut, number: int) -> None:
    ours = of.labels.image == number
    y, x = view.at(of.labels.rows[ours], of.labels.columns[ours])
    for wrong, colour in ((False, RIGHT), (True, WRONG)):
        chosen = of.wrong[ours] == wrong
        axis.scatter(x[chosen], y[chosen], s=2, c=colour, linewidths=0)
    axis.set(xlim=(-0.5, view.green.shape[1] - 0.5), ylim=(view.green.shape[0] - 0.5, -0.5))


def _coloured(probability: Floats) -> npt.NDArray[np.float64]:
    from matplotlib.colors import to_rgb

    seen = np.isfinite(probability).all(axis=0)
    shown = np.array([to_rgb(cls.colour) for cls in CLASSES])[np.nan_to_num(probability).argmax(axis=0)]
    shown[~seen] = 1
    return np.asarray(shown)


def _legend(figure: Any) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=cls.colour, label=cls.name) for cls in CLASSES]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(CLASSES), frameon=False, fontsize=9)


def _matrix(of: HeldOut) -> Any:
    from matplotlib import pyplot as plt

    if of.found.probability.shape[1] == len(NAMES):
        names, true, said = list(NAMES), of.labels.code, of.found.probability.argmax(axis=1)
    else:
        names = ["other", "green"]
        true, said = GREEN[of.labels.code].astype(int), (of.found.green >= HALF_GREEN).astype(int)
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (true, said), 1)
    there = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    counts = counts[np.ix_(there, there)]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axis = plt.subplots(figsize=(1.7 + 1.0 * len(there), 1.1 + 0.75 * len(there)), layout="constrained")
    axis.imshow(share, cmap="Greens", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(share):
        if counts[i, j]:
            axis.text(
                j,
                i,
                f"{100 * value:.0f} %\n({counts[i, j]:,})",
                ha="center",
                va="center",
                fontsize=8,
                color="w" if value > 0.6 else "k",
            )
    labels = [names[number] for number in there]
    axis.set(xticks=range(len(there)), yticks=range(len(there)), yticklabels=labels, ylabel="labelled", xlabel="said")
    axis.set_xticklabels(labels, rotation=30, ha="right")
    return figure


def _curves(of: HeldOut) -> Any:
    from matplotlib import pyplot as plt

    course = of.course
    figure, axes = plt.subplots(
        1, 2 if course else 1, figsize=(9.6 if course else 5, 4), layout="constrained", squeeze=False
    )
    axis = axes[0, 0]
    knots, (curve, _) = np.array(holdout.KNOTS), holdout.error_curve(of)
    axis.fill_between(knots, np.clip(knots - curve, 0, 1), np.clip(knots + curve, 0, 1), color="#dddddd", linewidth=0)
    axis.plot([0, 1], [0, 1], color="#888888", linestyle=":")
    for name, answer, colour in (("labels", of.found, RIGHT), ("mixtures of them", of.mixed, "#1b6b45")):
        place = np.minimum((answer.green * _BINS).astype(int), _BINS - 1)
        bins = [b for b in range(_BINS) if (place == b).sum() >= 10]
        axis.plot(
            [answer.green[place == b].mean() for b in bins], [answer.true_green[place == b].mean() for b in bins], "o-",
            label=name, color=colour, markersize=4,
        )  # fmt: skip
    axis.set(xlabel="green fraction said", ylabel="green fraction labelled", xlim=(0, 1), ylim=(0, 1))
    axis.legend(frameon=False, fontsize=9)
    if course:
        _course(axes[0, 1], course)
    return figure


def _course(axis: Any, course: Any) -> None:
    steps = [point["step"] for point in course]
    axis.plot(steps, [point["loss"] for point in course], color="#1b6b45", label="loss: learned from")
    if "watched_loss" in course[0]:
        axis.plot(steps, [point["watched_loss"] for point in course], color="#b5651d", label="loss: held out")
        other = axis.twinx()
        other.plot(
            steps, [point["accuracy"] for point in course], color="#555555", linestyle="--", label="right, held out"
        )
        other.set(ylim=(0, 1), ylabel="share right, held out (dashed)")
    axis.set(ylim=(0, None), xlabel="steps or trees", ylabel="loss")
    axis.legend(frameon=False, fontsize=9)
