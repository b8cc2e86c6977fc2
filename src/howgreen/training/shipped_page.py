"""``benchmark.md``: the shipped models on land that they were not trained on; nothing is written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howgreen.core.files import write_atomic
from howgreen.core.models import DRY_PLANTS
from howgreen.core.sensors import LANDSAT, SENTINEL2, Sensor
from howgreen.core.types import Progress
from howgreen.landcover.model import Model, models
from howgreen.training import calibrate, judges
from howgreen.training.contest import judge
from howgreen.training.contest.page import table
from howgreen.training.contest.samples import Place, unlabelled
from howgreen.training.evaluate import Predict
from howgreen.training.judges import Ground, known
from howgreen.training.wide import wide_cities

DEFAULT = "mixture-10"
Figures = Mapping[str, Any]


def shipped_page(data: Path, *, out: Path, progress: Progress) -> Path:
    """Judge every shipped model on all references and six climates' cities; write ``out/benchmark.md`` and pictures.

    Raises
    ------
    ModelError
        The data folder lacks a file.
    """
    ground, shipped = Ground(data), models()
    towns: dict[str, list[Place]] = {}
    found = {}
    for number, model in enumerate(shipped):
        progress("judge", number, len(shipped))
        sensor = sensor_of(model)
        if sensor.name not in towns:
            towns[sensor.name] = wide_cities(sensor)
        found[model.card.name] = judged(model, ground=ground, cities=towns[sensor.name])
    progress("judge", len(shipped), len(shipped))
    default = next(model for model in shipped if model.card.name == DEFAULT)
    draw_curves(
        judge.predict_of(default), default.card.bands, ground=ground, path=out / "img" / "benchmark_calibration.png"
    )
    lines = {name: line.answers for name, line in found[DEFAULT]["lines"].items()}
    draw_lines(lines, out / "img" / "benchmark_mixing_lines.png")
    page = out / "benchmark.md"
    write_atomic(page, "\n\n".join(sections(found)) + "\n")
    return page


def sensor_of(model: Model) -> Sensor:
    """Return the sensor of a shipped model's bands."""
    return LANDSAT if model.card.resolution_m == LANDSAT.bands[0].resolution_m else SENTINEL2


def dry_of(model: Model) -> Predict | None:
    """Make a function from rows of reflectance to shares of dry plants; None if the model does not predict them."""
    column = next((place for place, item in enumerate(model.card.classes) if item.name == DRY_PLANTS), None)
    if column is None:
        return None
    return lambda rows: judge.answer(model, unlabelled(rows, model.card.bands)).probability[:, column].astype(float)


def judged(model: Model, *, ground: Ground, cities: Sequence[Place]) -> dict[str, Any]:
    """Compute all figures of one model."""
    predict, bands, sensor, dry = judge.predict_of(model), model.card.bands, sensor_of(model), dry_of(model)
    habitats, _ = ground.habitats
    full = habitats.only(habitats.green == 1)
    figures = {city.name: judge.city_figures(model, city) for city in cities}
    return {
        "card": model.card,
        "places": known(model.card.reference_error).places,
        "fractions": judges.fractions(predict, bands, ground=ground, sensor=sensor),
        "pure": judges.pure_means(predict, bands, ground=ground, sensor=sensor),
        "accuracy": judges.right(predict, bands, ground=ground, sensor=sensor),
        "full": judges.fraction_figures(predict(known(judges.columns(full, bands, sensor))), full),
        "water": judges.water_and_plants(predict, bands, ground=ground, sensor=sensor),
        "lines": judges.mixing_lines(predict, bands, data=ground.data, ground=ground, sensor=sensor),
        "dry": judges.dry_plants(dry, bands, ground=ground, sensor=sensor) if dry else {},
        "alike": judges.look_alikes(predict, bands, data=ground.data, sensor=sensor),
        "wide": {name: each["ratio_points"] for name, each in figures.items()},
        "wide_se": {name: each["ratio_points_se"] for name, each in figures.items()},
        "true": {city.name: 100 * float(city.green.sum() / city.land.sum()) for city in cities},
    }


def sections(found: Mapping[str, Figures]) -> list[str]:
    """Write the page's text, part by part."""
    return [
        opening(found[DEFAULT]),
        "## How far off in a new place\n\n" + _places(found),
        "## Fractions that people measured or interpreted\n\n" + _fractions(found),
        "## Pure land: the mean answer for each class\n\n" + _pure(found),
        "## Plants beside water, and along mixing lines\n\n" + _mixtures(found),
        "## Dry plants\n\n" + _dry(found),
        "## Materials that look like plants\n\n" + _alike(found),
        f"## Simulated cities of six climates, {_span(found)} % green\n\n" + _wide(found),
        "## Is what it says so?\n\n" + _CALIBRATION,
    ]


def opening(default: Figures) -> str:
    """Write the opening: what a city official may want to know."""
    error = default["card"].reference_error
    points, wide = 100 * error.half_width, judges.over_cities(default["wide"])
    return f"""# How well do the shipped models do?

**For a city official.** howgreen looks at satellite pictures and says what share of your city's land is covered by plants. In a city
where nobody has checked it, expect the figure to be right within about {points:.0f} percentage points: that is what its errors in
{len(error.places)} places that it had never seen make likely, in 95 of 100 cases. It tends to find grey districts a little too green and green ones
a little too grey, so differences between districts are, if anything, larger than shown. Parched grass, bare fields and snow change the
answer with the date, which is why dates always stand beside it. If you need a closer figure, let somebody look at a random sample of
points: each look narrows the range, whatever the model thinks.

Written by `howgreen benchmark --shipped`; do not edit. Every figure is of the ONNX file, run as the program runs it. ± is one standard error,
with the pixels of a polygon, block or site moving together: a difference below two of them is noise. That of a mean is the
sandwich's (Liang & Zeger 1986) or the jackknife's (Efron & Stein 1981), that of a slope, a root mean square over cities or a worst case the
bootstrap's over clusters (Rao & Wu 1988; Owen 2007 for mixtures of two materials), always by the same draws; a worst case's is rough.
None of the land on this page was used to train the models; the mixtures were trained on the other two thirds of the Australian sites. The cities and Texas guided the
choice of what is simulated, so expect a little less elsewhere; Potsdam chose nothing. Its image lies half a pixel (15 m) north of its
points; only 3 of the 98 have a southern neighbour in the table, too few to judge at the registered place, so it is judged as it stands.
Errors of the simulated cities' ratio: {wide["rms"]:.1f} ± {wide["rms_se"]:.1f} points (root mean square), {wide["worst"]:.1f} ± {wide["worst_se"]:.1f} at worst. How the algorithms compare is [on a
page of its own](contest.md)."""


def _places(found: Mapping[str, Figures]) -> str:
    names = list(dict.fromkeys(place.place for each in found.values() for place in each["places"]))
    rows = []
    for name, each in found.items():
        errors = {place.place: f"{place.error:+.3f} ± {place.standard_error:.3f}" for place in each["places"]}
        error = each["card"].reference_error
        rows.append(
            [name, *(errors.get(place, "") for place in names), f"{error.tau:.3f}", f"± {error.half_width:.3f}"]
        )
    return table(["mean error", *names, "τ between places", "95 % for a new place"], rows) + (
        "\n\nMean of (said - true) green fraction. The last column is what reports print: the prediction interval of a new place, "
        "t(k-2) √(τ² + SE²) (DerSimonian-Laird, Hartung-Knapp), and the mean error of all places to either side. It is wide because the places are few: with k = 4, t is 4.3; with 8 "
        "it would be 2.4. A new place with a reference is worth more than any tuning. For `mixture-6` and `mixture-4`, Australia's error is that "
        "of twins that were trained on no Australian site: beside land that it was trained on, no model is at a new place."
    )


def _fractions(found: Mapping[str, Figures]) -> str:
    rows = [
        [name, place, str(f["n"]), str(f["clusters"]), f"{f['rmse']:.3f} ± {f['rmse_se']:.3f}",
         f"{f['bias']:+.3f} ± {f['bias_se']:.3f}", f"{f['slope']:.2f} ± {f['slope_se']:.2f}",
         ", ".join(f"{part:+.2f} ± {error:.2f}" for part, error in zip(f["by_brightness"], f["by_brightness_se"], strict=True))]
        for name, each in found.items()
        for place, f in each["fractions"].items()
    ]  # fmt: skip
    return table(
        ["", "place", "n", "clusters", "RMSE", "bias", "slope of truth on map", "bias, darkest to brightest quarter"],
        rows,
    ) + (
        "\n\nPotsdam: interpreted by eye, 30 m, three years older than its spectra. Australia: measured in the field, the third of the "
        "sites that was held out; their noise alone is about 0.10. Texas: by a vegetation index at 2 m, a weak truth that calls dull "
        "grass wholly green."
    )


def _pure(found: Mapping[str, Figures]) -> str:
    names = list(dict.fromkeys(name for each in found.values() for name in each["pure"]))

    def told(each: Figures, name: str) -> str:
        f = each["pure"].get(name)
        return "" if f is None else _mean(f)

    rows = [[name, *(told(each, name) for each in found.values())] for name in names]
    rows += [
        [f"{city}: right at one half", *(_mean(each["accuracy"][city], digits=3) for each in found.values())]
        for city in next(iter(found.values()))["accuracy"]
    ]
    rows.append([
        "Southern Bug, all full cover: RMSE",
        *(f"{each['full']['rmse']:.3f} ± {each['full']['rmse_se']:.3f}" for each in found.values()),
    ])  # fmt: skip
    return table(["", *found], rows) + (
        "\n\n1 is right for woods, grass and crops, 0 for built, soil and water; steppe, arable land, villages and all of Tabasco but woods "
        "and water have no known share. Münster's woods were taken in early spring. Tabasco's labels are of one date."
    )


def _mixtures(found: Mapping[str, Figures]) -> str:
    cities = list(next(iter(found.values()))["water"])
    rows = [
        [f"water × plants, {city}: bias", *(_told(each["water"][city]) for each in found.values())] for city in cities
    ]
    lines = next(iter(found.values()))["lines"]
    rows += [
        [
            f"{line}: worst",
            *(f"{each['lines'][line].worst:.2f} ± {each['lines'][line].worst_se:.2f}" for each in found.values()),
        ]
        for line in lines
    ]
    return table(["", *found], rows) + (
        "\n\nReal spectra, exact shares. A line's *worst* is the largest distance between the mean answer and the share of plants, from 0 "
        "to 100 %; its ± lets the spectra of a polygon or sample of plants move together, and those of a sample of ground. Texas's pure pixels "
        "(all of *dark roof* and *bare dirt*) tell no place, so that each counts for itself and theirs is the least that it can be; *dead plants* are three samples. Over dark ground, answers are too green, and over bright ground too grey: one pixel does not tell whether its plants are "
        "pale and many or bright and few. Simulated lines bend alike, and so does a learner of another kind (boosted trees) from the same pixels."
        "\n\n![Mean answer of mixture-10 along sixteen mixing lines](img/benchmark_mixing_lines.png)"
    )


def _mean(figure: Figures, *, digits: int = 2) -> str:
    return f"{figure['mean']:.{digits}f} ± {figure['standard_error']:.{digits}f}"


def _told(figure: Figures) -> str:
    return f"{figure['mean']:+.3f} ± {figure['standard_error']:.3f}"


def _dry(found: Mapping[str, Figures]) -> str:
    telling = {name: each["dry"] for name, each in found.items() if each["dry"]}
    fields = {name: each["Australia"] for name, each in telling.items()}
    rows = [
        ["Australia: said; true", *(f"{_mean(f['said'])}; {_mean(f['true'])}" for f in fields.values())],
        ["Australia: bias", *(f"{f['bias']:+.3f} ± {f['bias_se']:.3f}" for f in fields.values())],
        ["Australia: RMSE", *(f"{f['rmse']:.3f} ± {f['rmse_se']:.3f}" for f in fields.values())],
    ]
    places = [name for name in next(iter(telling.values())) if name != "Australia"]
    rows += [[f"{place}: mean", *(_mean(each[place]) for each in telling.values())] for place in places]  # fmt: skip
    return table(["share of dry plants", *telling], rows) + (
        "\n\nStraw, litter, dead grass: no part of the green share, a figure of its own beside it. Australia: measured in the field, the third "
        "of the sites that was held out; for `mixture-10` the bands that Landsat lacks were drawn from simulated pixels. On built "
        "land and soil of these cities hardly any dry plants are expected."
    )


def _alike(found: Mapping[str, Figures]) -> str:
    names = list(dict.fromkeys(name for each in found.values() for name in each["alike"]))
    rows = [
        [name, *(_mean(each["alike"][name]) if name in each["alike"] else "" for each in found.values())]
        for name in names
    ]
    return table(["mean answer; 0 is right", *found], rows) + (
        "\n\nThe networks were trained on turf, paint of Karlsruhe and cloth (with varied spectra), and not on the dark blue roofs of Texas."
    )


def _span(found: Mapping[str, Figures]) -> str:
    true = found[DEFAULT]["true"].values()
    return f"{min(true):.0f} to {max(true):.0f}"


def _wide(found: Mapping[str, Figures]) -> str:
    names = list(dict.fromkeys(name for each in found.values() for name in each["wide"]))
    rows = [
        [name, f"{next(each['true'][name] for each in found.values() if name in each['true']):.1f}",
         *(f"{each['wide'][name]:+.1f} ± {each['wide_se'][name]:.1f}" if name in each["wide"] else "" for each in found.values())]
        for name in names
    ]  # fmt: skip
    over = [judges.over_cities(each["wide"]) for each in found.values()]
    for words, key in (("root mean square", "rms"), ("worst", "worst")):
        rows.append([f"**{words}**", "", *(f"{e[key]:.2f} ± {e[f'{key}_se']:.2f}" for e in over)])
    return table(["error of the ratio, points", "true, %", *found], rows) + (
        "\n\nBuilt by rules that no training uses: other streets, roofs, plants and seasons. They never enter an interval. A city's ± "
        f"lets the {judge.BLOCKS**2} blocks of it move together, that of the last two rows the cities of a climate."
    )


_CALIBRATION = """![What is true where mixture-10 says something, place by place](img/benchmark_calibration.png)

Pixels by what the model says of them, against the mean of what is true. Above the diagonal in the upper half and below it in the lower one,
answers are drawn to the middle. The places bend to both sides of the diagonal, so that no one curve mends them. One number on all
logits (temperature scaling) made mixtures of two of the three cities worse. Stretching answers about one half by 6, 10 or 15 % brought full
cover nearer to 1 (error on the Southern Bug .054 to .026), but left mixtures of the three cities as wrong as before (.146 to .145-.147), made
Australia worse (.123 to .133-.147), and widened the spread between places (τ .042 to .049-.051). None is used."""


def draw_curves(predict: Predict, bands: Sequence[str], *, ground: Ground, path: Path) -> None:
    """Draw truth against prediction, a line for each real place."""
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(5.2, 4.6), layout="constrained")
    axis.plot([0, 1], [0, 1], color="#999999", linestyle=":")
    pairs = {}
    for name, city in ground.cities.items():
        mixed = calibrate.real_mixtures(city)
        pairs[f"{name}, mixtures"] = (predict(mixed.columns(bands)), mixed.green)
    potsdam = ground.potsdam(SENTINEL2)
    pairs["Potsdam"] = (predict(potsdam.columns(bands)), potsdam.green)
    pairs["Texas"] = (predict(ground.texas.columns(bands)), ground.texas.green)
    for name, (said, true) in pairs.items():
        order = said.argsort(kind="stable")
        parts = np.array_split(order, 12 if len(said) > 1000 else 5)
        points = [(said[part].mean(), true[part].mean()) for part in parts]
        axis.plot(*zip(*points, strict=True), "o-", markersize=3, label=name)
    axis.set(xlabel="green share said", ylabel="mean green share that is true", xlim=(0, 1), ylim=(0, 1))
    axis.legend(fontsize=8)
    _keep(figure, path)


def draw_lines(lines: Mapping[str, Sequence[float]], path: Path) -> None:
    """Draw the mean prediction along every mixing line."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8.4, 4.2), layout="constrained", sharey=True)
    for axis, plant in zip(axes, ("lawn", "trees"), strict=True):
        axis.plot([0, 1], [0, 1], color="#999999", linestyle=":")
        for name, answers in lines.items():
            if name.startswith(plant):
                axis.plot(judges.SHARES, answers, label=name.removeprefix(f"{plant} over "))
        axis.set(title=f"{plant} over", xlabel="true share of plants", xlim=(0, 1), ylim=(0, 1))
    axes[0].set_ylabel("mean answer")
    axes[1].legend(fontsize=8)
    _keep(figure, path)


def _keep(figure: Any, path: Path) -> None:
    from matplotlib import pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=72, metadata={"Software": None})
    plt.close(figure)
