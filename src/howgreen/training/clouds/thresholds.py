"""Choose thresholds on a cloud's probability and size: ``python -m howgreen.training.clouds.thresholds --data DATA``.

Chosen without any real image, on two kinds of simulation that no detector learned from: towns of the sample city's
builder with other seeds, under the sample city's skies (where clouds have a size and roofs stand side by side), and
single pixels under skies of every depth (which those towns lack). Missed cloud counts twice as much as lost clear
ground: a cloud alters the map, whereas a lost roof is seen on another date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np
import numpy.typing as npt

from howgreen import clouds
from howgreen.clouds import detect, steps
from howgreen.clouds.card import AROUND_PX
from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.training.clouds import make
from howgreen.training.clouds.judge import BRIGHT, Image, coarse, detectors
from howgreen.training.clouds.simulate import CLEAR, CLOUD, HAZE, SNOW

Bools = npt.NDArray[np.bool_]

TOWNS, EXTENT_M = (7, 8), 5400
"""Seeds of the towns, different from the sample city's own."""
PIXELS, SEED = 20_000, 77
MISSED = 2.0
"""Weight of a missed cloud."""
VEILS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
SIDES_M = (80, 120, 160)
AREAS_M2 = (10_000, 40_000, 90_000)
MOSTLY, OPACITIES, WHITE = 0.2, (0.0, 0.03, 0.06, 0.1, 0.15), 0.6
"""Dates with a smaller cloud share than the first get even veils: see :func:`even_veils`."""
HIDDEN, SEEN = 0.2, 0.02
"""Opacity from which a cell counts as cloud, and up to which as clear."""


@dataclass(frozen=True, kw_only=True)
class Sky:
    """One date of a simulated town."""

    image: Image
    cloud: Bools
    clear: Bools


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Thresholds and their cost with one detector: shares, 0-1."""

    veil: float
    side_m: int
    area_m2: int
    missed: float
    lost: float
    """Share of the towns' bright clear ground that is lost."""
    missed_pixels: float
    lost_pixels: float

    @property
    def cost(self) -> float:
        """Their sum, with clouds counted twice."""
        return MISSED * (self.missed + self.missed_pixels) + self.lost + self.lost_pixels


def towns(seeds: Sequence[int] = TOWNS, *, extent_m: int = EXTENT_M) -> Iterator[Sky]:
    """Simulate every Sentinel-2 date of some towns, on cells of 40 m."""
    from howgreen.sample import simulation
    from howgreen.sample.layout import make_land
    from howgreen.sample.paint import paint_city

    for seed in seeds:
        for scene in simulation.simulate(paint_city(make_land(seed, extent_m=extent_m))):
            if scene.shot.sensor != SENTINEL2.name:
                continue
            light = {}
            for band in SENTINEL2.band_names:
                numbers, grid = scene.rasters[band]
                values = np.where(numbers == 0, np.nan, np.asarray(numbers, np.float64) * 1e-4 + scene.shot.offset)
                light[band] = coarse(values, round(clouds.CELL_M / abs(grid.affine.a)))
            opacity, shadow = (coarse(layer, clouds.CELL_M // 10) for layer in (scene.sky.opacity, scene.sky.shadow))
            image = Image(name=scene.shot.id, light=light, cell_m=clouds.CELL_M, day=scene.shot.day, latitude=46.0)
            yield Sky(image=image, cloud=opacity >= HIDDEN, clear=(opacity < SEEN) & (shadow < SEEN))


def choices(skies: Sequence[Sky], data: Path) -> Iterator[tuple[str, Choice]]:
    """Evaluate all thresholds with each detector."""
    pixels = _pixels(data)
    for name in detectors(skies[0].image):
        looks = [sky.image.look(name) for sky in skies]
        veil, hidden, clear = pixels[name]
        for least, side_m, area_m2 in product(VEILS, SIDES_M, AREAS_M2):
            with patch.multiple(steps, LEAST_VEIL=least, SMALLEST_M=side_m, SMALLEST_M2=area_m2):
                missed, lost = _shares(skies, looks)
            yield (
                name,
                Choice(
                    veil=least, side_m=side_m, area_m2=area_m2, missed=missed, lost=lost,
                    missed_pixels=float((veil[hidden] < least).mean()), lost_pixels=float((veil[clear] >= least).mean()),
                ),
            )  # fmt: skip


def _shares(skies: Sequence[Sky], looks: Sequence[clouds.Look]) -> tuple[float, float]:
    """Share of the towns' clouds that is missed, and of their bright clear ground that is lost."""
    counts = np.zeros(4)
    for sky, look in zip(skies, looks, strict=True):
        image = sky.image
        found = clouds.alone(look, cell_m=image.cell_m, latitude=image.latitude, day=image.day)
        gone = (found == clouds.CLOUD_CELL) | (found == clouds.SNOW_CELL)
        bright = np.mean([image.light[band] for band in ("green", "red")], axis=0) > BRIGHT
        cloud, ground = look.data & sky.cloud, look.data & sky.clear & bright
        counts += [cloud.sum(), (cloud & ~gone).sum(), ground.sum(), (ground & gone).sum()]
    return float(counts[1] / max(counts[0], 1)), float(counts[3] / max(counts[2], 1))


def _pixels(data: Path) -> dict[str, tuple[npt.NDArray[np.float32], Bools, Bools]]:
    """Veil (n,) of simulated pixels by detector, which of them are hidden, and which are clear."""
    skies = {sensor.name: make.skies(data, sensor, PIXELS, seed=SEED) for sensor in (SENTINEL2, LANDSAT)}
    found = {}
    for name, (bands, sensors) in make.NAMES.items():
        sky = make.together(skies, bands, sensors)
        # One row of cells: each pixel, the minimum around it, and cells without data to separate it from its
        # neighbours.
        row = np.full((len(bands), len(sky.label), 2 + AROUND_PX // 2), np.nan, np.float32)
        row[:, :, 0], row[:, :, 1] = sky.reflectance.T, sky.floor.T
        chance = detect.probabilities(name, row.reshape(len(bands), 1, -1))[:, 0, :: row.shape[2]]
        found[name] = detect.veil(chance), np.isin(sky.label, (HAZE, CLOUD, SNOW)), sky.label == CLEAR
    return found


def even_veils(skies: Sequence[Sky]) -> Iterator[tuple[str, float, list[float]]]:
    """Add uniform veils to the mostly clear dates: detector, opacity, and each date's median veil over clear ground.

    A veil is white and reflects WHITE of the light that it intercepts.
    """
    dates = [sky.image for sky in skies if sky.cloud.mean() < MOSTLY]
    for name, opacity in product(detectors(skies[0].image), OPACITIES):
        middles = []
        for image in dates:
            light = {band: values * (1 - opacity) + opacity * WHITE for band, values in image.light.items()}
            look = replace(image, light=light).look(name)
            found = clouds.alone(look, cell_m=image.cell_m, latitude=image.latitude, day=image.day)
            clear = look.data & (found == clouds.CLEAR_CELL)
            middles.append(float(np.median(detect.veil(look.chance())[clear])) if clear.any() else 1.0)
        yield name, opacity, middles


def mean(found: Sequence[Choice]) -> Choice:
    """Average over the detectors for one set of thresholds."""
    first = found[0]

    def over(values: Iterable[float]) -> float:
        return float(np.mean(list(values)))

    return Choice(
        veil=first.veil, side_m=first.side_m, area_m2=first.area_m2,
        missed=over(one.missed for one in found), lost=over(one.lost for one in found),
        missed_pixels=over(one.missed_pixels for one in found), lost_pixels=over(one.lost_pixels for one in found),
    )  # fmt: skip


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder with spectra/ and reference/.")
def main(data: Path) -> None:
    """Print what the thresholds cost in simulation, the cheapest first, and how many even veils are detected."""
    skies = list(towns())
    by_key: dict[tuple[float, int, int], list[Choice]] = {}
    for _, choice in choices(skies, data):
        by_key.setdefault((choice.veil, choice.side_m, choice.area_m2), []).append(choice)
    click.echo(
        "| least veil | side m | area m² | cost | cloud missed % | bright lost % | pixels missed % | pixels lost % |"
    )
    click.echo("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for one in sorted((mean(found) for found in by_key.values()), key=lambda each: each.cost):
        shares = (one.cost, one.missed, one.lost, one.missed_pixels, one.lost_pixels)
        click.echo(
            f"| {one.veil} | {one.side_m} | {one.area_m2} | "
            + " | ".join(f"{100 * share:.1f}" for share in shares)
            + " |"
        )
    click.echo("\n| detector | opacity of an even veil | dates | told |\n|---|--:|--:|--:|")
    for name, opacity, middles in even_veils(skies):
        told = sum(one >= steps.EVEN_VEIL for one in middles)
        click.echo(f"| {name} | {opacity} | {len(middles)} | {told} |")


if __name__ == "__main__":
    main()
