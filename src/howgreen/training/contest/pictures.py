"""Figures of the contest's page: small PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from howgreen.landcover.classify import classify_array
from howgreen.landcover.model import Model, load_model
from howgreen.training.contest import sureness
from howgreen.training.contest.classes import CLASSES, NAMES
from howgreen.training.contest.page import ratio_error
from howgreen.training.contest.samples import Place

_DPI = 72
_LARGEST_MISS = 0.5
"""Difference of the green fraction shown in full colour."""
_DIM = 0.45


def draw(
    contest: Mapping[str, Any], place: Place, out: Path, *, real: Place | None = None, photo: bool = True
) -> dict[str, str]:
    """Draw all figures of a contest below ``out/img``; return the files (relative to ``out``) by subject.

    Parameters
    ----------
    place
        A simulated city with complete truth.
    real
        A piece of a real image with labelled polygons; None to draw none.
    photo
        Whether the real image and its labels may be shown; else only the maps made from it.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    folder, slug = out / "img", contest["band_set"]
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        f"Error against speed ({slug})": (_tradeoff, f"img/benchmark_{slug}_tradeoff.png"),
        f"Confusion matrices ({slug}), share of the true class": (_confusions, f"img/benchmark_{slug}_confusion.png"),
        f"Image, prediction and reference of every algorithm: a simulated city ({slug})": (_answers, f"img/benchmark_{slug}_answers.png"),
        f"The course of the trainings: loss, and accuracy and error on simulated towns that are not used for training ({slug})": (
            _courses, f"img/benchmark_{slug}_courses.png"),
        f"Tiles of U-Net in a simulated city: green fraction, and how far it is from that of the card's own tiles ({slug})": (
            _seams, f"img/benchmark_{slug}_seams.png"),
        f"Standard errors told, and true ones ({slug})": (_sureness, f"img/benchmark_{slug}_sureness.png"),
    }  # fmt: skip
    written = {}
    for title, (figure, name) in drawn.items():
        if figure(contest, place, out / name):
            written[title] = name
    if real is not None and not photo:
        if _maps(contest, real, out / f"img/benchmark_{slug}_real_maps.png"):
            title = (
                f"What every algorithm says of a real image: {real.name}, which none of them was trained on ({slug})"
            )
            written[title] = f"img/benchmark_{slug}_real_maps.png"
    elif real is not None and _answers(contest, real, out / f"img/benchmark_{slug}_real.png"):
        title = f"Image, prediction and reference of every algorithm: {real.name}, which none of them was trained on ({slug})"
        written[title] = f"img/benchmark_{slug}_real.png"
    return written


def _tradeoff(contest: Mapping[str, Any], _: Place, path: Path) -> bool:
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6.5, 4.4), layout="constrained")
    dots = [(2 / each["seconds_per_mpx"], ratio_error(each), name) for name, each in contest["contestants"].items()]
    lowest, apart = -np.inf, max(miss for _, miss, _ in dots) / 24
    for speed, miss, name in sorted(dots, key=lambda dot: dot[1]):
        axis.plot(speed, miss, "o", color="#1b6b2f")
        # Names are in one column beside the dots, at the same height if there is room, and connected to them.
        lowest = max(miss, lowest + apart)
        axis.annotate(name, (speed, miss), xytext=(1.02, lowest), textcoords=("axes fraction", "data"), fontsize=8, va="center",
                      arrowprops={"arrowstyle": "-", "color": "#bbbbbb", "lw": 0.6})  # fmt: skip
    axis.axvline(5, color="#999999", linestyle=":")
    axis.set(xscale="log", xlabel="Mpx/s on two cores", ylabel="error of the city ratio, points (RMS)", ylim=(0, None))
    axis.set_ylim(0, 1.12 * axis.get_ylim()[1])
    _save(figure, path)
    return True


def _confusions(contest: Mapping[str, Any], _: Place, path: Path) -> bool:
    from matplotlib import pyplot as plt

    totals = {
        name: np.sum([city["confusion"] for city in each["cities"].values() if "confusion" in city], axis=0)
        for name, each in contest["contestants"].items()
        if any("confusion" in city for city in each["cities"].values())
    }
    if not totals:
        return False
    rows = -(-len(totals) // 4)
    figure, axes = plt.subplots(rows, 4, figsize=(11, 3 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat[len(totals) :]:
        axis.axis("off")
    for axis, (name, total) in zip(axes.flat, totals.items(), strict=False):
        share = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
        axis.imshow(share, cmap="Greens", vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(share):
            if value >= 0.01:
                axis.text(
                    j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=8, color="w" if value > 0.6 else "k"
                )
        short = [each[:8] for each in NAMES]
        axis.set(title=name, xticks=range(len(NAMES)), yticks=range(len(NAMES)), yticklabels=short)
        axis.set_xticklabels(short, rotation=60, ha="right")
    _save(figure, path)
    return True


def _answers(contest: Mapping[str, Any], place: Place, path: Path) -> bool:
    """Draw one row per algorithm: image, predicted and true green fraction, difference, predicted and true cover."""
    from matplotlib import pyplot as plt

    shown = _models(contest, place)
    if not shown:
        return False
    bands = [place.bands.index(band) for band in ("red", "green", "blue")]
    layers = np.moveaxis(place.reflectance[bands], 0, -1)
    brightest = max(float(np.nanpercentile(layers, 98)), 0.05)
    photo = np.clip(np.nan_to_num(layers / brightest, nan=1.0), 0, 1) ** 0.7
    true = np.where(place.known, place.green, np.nan)
    figure, axes = plt.subplots(
        len(shown), 6, figsize=(9.6, 1.66 * len(shown) + 0.3), layout="constrained", squeeze=False
    )
    for row, (name, model) in zip(axes, shown.items(), strict=True):
        block = classify_array(place.with_bands(model.card.bands).reflectance, model)
        row[0].imshow(photo)
        row[0].set_ylabel(name, fontsize=8)
        row[1].imshow(block[1], cmap="YlGn", vmin=0, vmax=1)
        _over(row[2], photo, place).imshow(true, cmap="YlGn", vmin=0, vmax=1)
        _over(row[3], photo, place).imshow(block[1] - true, cmap="PiYG", vmin=-_LARGEST_MISS, vmax=_LARGEST_MISS)
        _cover(row[4], block, model)
        truth = _coloured(np.nan_to_num(place.shares).argmax(axis=0))
        _over(row[5], photo, place).imshow(np.dstack([truth, place.known]))
    titles = ("image", "green: said", "green: reference", "said - reference", "cover: said", "cover: reference")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    _save(figure, path)
    return True


def _maps(contest: Mapping[str, Any], place: Place, path: Path) -> bool:
    """Draw one column per algorithm: predicted green fraction and cover, without the image itself."""
    from matplotlib import pyplot as plt

    shown = _models(contest, place)
    if not shown:
        return False
    wide = -(-len(shown) // 2)
    figure, axes = plt.subplots(4, wide, figsize=(1.9 * wide + 0.3, 8.2), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    for axis in axes[2:, len(shown) - wide :].flat:
        axis.axis("off")
    for number, (name, model) in enumerate(shown.items()):
        green, cover = axes[2 * (number // wide) : 2 * (number // wide) + 2, number % wide]
        block = classify_array(place.with_bands(model.card.bands).reflectance, model)
        green.imshow(block[1], cmap="YlGn", vmin=0, vmax=1)
        green.set_title(name, fontsize=9)
        _cover(cover, block, model)
    for row, what in enumerate(("green", "cover") * 2):
        axes[row, 0].set_ylabel(f"{what}: said", fontsize=8)
    _save(figure, path)
    return True


def _models(contest: Mapping[str, Any], place: Place) -> dict[str, Model]:
    """Return every contestant as trained without the place, and the default shipped model."""
    found = {}
    for name in contest["contestants"]:
        if name.startswith("shipped "):
            found[name] = load_model(name.removeprefix("shipped "))
            break  # they come last, the preferred one first
        files = [
            Path(contest["folder"]) / f"model_{name}_{left_out}.onnx" for left_out in (place.name.lower(), "all-cities")
        ]
        found[name] = load_model(next(file for file in files if file.exists()))
    return found


def _over(axis: Any, photo: npt.NDArray[Any], place: Place) -> Any:
    """Show the dimmed image under a partly known layer."""
    if not place.known.all():
        axis.imshow(1 - _DIM * (1 - photo))
    return axis


def _cover(axis: Any, block: npt.NDArray[Any], model: Model) -> None:
    """Draw the classes of a model in their own colours, white where unseen."""
    from matplotlib.colors import to_rgb

    colours = np.ones((256, 3))
    colours[: len(model.card.classes)] = [to_rgb(cls.colour) for cls in model.card.classes]
    axis.imshow(colours[block[0].astype(int)])


def _courses(contest: Mapping[str, Any], _: Place, path: Path) -> bool:
    """Draw one row per contestant: training and monitoring loss; monitored accuracy and error of the fraction."""
    from matplotlib import pyplot as plt

    courses = contest["courses"]
    if not courses:
        return False
    figure, axes = plt.subplots(len(courses), 3, figsize=(9.5, 2.3 * len(courses)), layout="constrained", squeeze=False)
    for row, (name, course) in zip(axes, courses.items(), strict=True):
        steps = [point["step"] for point in course]
        told = {key: [point[key] for point in course] for key in course[0]}
        row[0].plot(steps, told["loss"], color="#1b6b2f", label="training")
        row[0].plot(steps, told["watched_loss"], color="#b5651d", label="other towns")
        row[0].set(title=f"{name}: loss", ylim=(0, None), xlabel="trees" if name == "boosting" else "steps")
        row[0].legend(frameon=False, fontsize=8)
        row[1].plot(steps, told["accuracy"], color="#b5651d")
        row[1].set(title="green or not: accuracy", ylim=(min(0.8, *told["accuracy"]), 1))
        row[2].plot(steps, told["rmse"], color="#b5651d")
        row[2].set(title="green fraction: RMSE", ylim=(0, None))
        for axis in row:
            axis.grid(color="#dddddd", linewidth=0.5)
    _save(figure, path)
    return True


_SEAM_TILE_PX = 32
_SEAM_STRIDES_PX = {"tiles of 32 px alone": 32, "the same, blended": 16}
"""Tilings without a halo that do not suit a network with context; its own card's is shown beside them."""
_SEAM_FIRST_PX, _SEAM_PX = 24, 96
"""Window shown: away from the grid's edge, where no tiling has neighbours."""
_SEAM_RANGE = 0.1


def _seams(contest: Mapping[str, Any], place: Place, path: Path) -> bool:
    """Draw the tile seams, which are most visible in the difference from tiles with enough context."""
    from matplotlib import pyplot as plt

    if "unet" not in contest["contestants"]:
        return False
    model = load_model(Path(contest["folder"]) / "model_unet_all-cities.onnx")
    values = place.with_bands(model.card.bands).reflectance
    own = classify_array(values, model)[1]
    ways = {}
    for name, stride in _SEAM_STRIDES_PX.items():
        card = replace(model.card, tile_px=_SEAM_TILE_PX, halo_px=0, stride_px=stride)
        ways[name] = classify_array(values, replace(model, card=card))[1]
    figure, axes = plt.subplots(2, len(ways) + 1, figsize=(2.9 * (len(ways) + 1), 6), layout="constrained")
    for column, (name, green) in zip(axes.T, {**ways, "as its card says": own}.items(), strict=True):
        first = min(_SEAM_FIRST_PX, min(own.shape) // 4)
        cut = (slice(first, first + _SEAM_PX),) * 2
        apart = (green - own)[cut]
        column[0].imshow(green[cut], cmap="YlGn", vmin=0, vmax=1)
        column[0].set_title(name)
        column[1].imshow(apart, cmap="PiYG", vmin=-_SEAM_RANGE, vmax=_SEAM_RANGE)
        column[1].set_title(f"difference, at most {np.abs(apart).max():.2f}")
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    _save(figure, path)
    return True


def _sureness(contest: Mapping[str, Any], _: Place, path: Path) -> bool:
    return sureness.draw(contest, path)


def _coloured(codes: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    from matplotlib.colors import to_rgb

    return np.asarray(np.array([to_rgb(cls.colour) for cls in CLASSES])[codes])


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot as plt
    from PIL import Image

    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    plt.close(figure)
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(96)
    few.save(path, optimize=True)
