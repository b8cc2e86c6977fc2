"""``python -m benchmarks.sim_seasons --data ../shared/data``: whether two dates of a year tell canopy from herbs.

Plants are simulated at their greenest and at their barest by what they are: deciduous, evergreen, meadow, lawn, crop, dry-season
grass. A small network learns canopy against herbs from the greenest date alone, and from both. It is judged on real land of two places
that taught nothing: Tabasco (Landsat 7, November 1999 and April 2002) and Slovenia (Sentinel-2, three clear days of July to September
2015). A model is worth shipping where both places get a balanced accuracy of 0.9 or more, and more by two dates than by one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from howgreen.core.sensors import LANDSAT
from howgreen.training import atmosphere, canopy, mixtures
from howgreen.training.network import logged
from howgreen.training.spectra import Array, read_materials, read_responses, to_bands

_PEAK = canopy.TREES | canopy.LOW
_LEAFLESS = replace(_PEAK["budding wood"], leaf_area_index=(0.2, 1.2), brown=(0.3, 1.5), chlorophyll_ug_cm2=(5, 40))
_THINNED = replace(_PEAK["broadleaf"], leaf_area_index=(1.2, 4.5), chlorophyll_ug_cm2=(12, 50), brown=(0, 0.8))
_STRAW = canopy.DRY["straw"]

# name: (canopy or herbs, at the greenest, at the barest)
COURSES: Mapping[str, tuple[bool, canopy.Prior, canopy.Prior]] = {
    "deciduous wood": (True, _PEAK["broadleaf"], _LEAFLESS),
    "wood of the dry season": (True, _PEAK["broadleaf"], _THINNED),
    "evergreen wood": (True, _PEAK["broadleaf"], _PEAK["broadleaf"]),
    "conifers": (True, _PEAK["conifer"], _PEAK["conifer"]),
    "shrub": (True, _PEAK["shrub"], _PEAK["grey shrub"]),
    "lawn": (False, _PEAK["grass"], _PEAK["grass"]),
    "meadow": (False, _PEAK["grass"], _PEAK["dry grass"]),
    "grass of the dry season": (False, _PEAK["grass"], _PEAK["parched grass"]),
    "dead grass": (False, _PEAK["grass"], _STRAW),
    "crop": (False, _PEAK["crop"], _STRAW),
    "young crop": (False, _PEAK["crop"], _PEAK["young crop"]),
}


def courses(data: Path, per_kind: int, rng: np.random.Generator) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Draw pixels at two dates, (n, 2, band), nine tenths of which or more are one kind; and which are canopy."""
    responses = read_responses(data, LANDSAT)
    ground = canopy.soils(per_kind, rng=rng)
    other = np.concatenate([to_bands(ground, responses), to_bands(read_materials(data).spectra, responses)])
    seen, wood = [], []
    for tall, *dates in COURSES.values():
        below = other[rng.integers(0, len(other), per_kind)]
        share = rng.uniform(0.9, 1.0, (per_kind, 1))
        course = []
        for prior in dates:
            plants, _ = canopy.canopies(prior, per_kind, grounds=ground, responses=responses, rng=rng)
            air = atmosphere.draw(per_kind, rng=rng)
            through = atmosphere.through(
                share * plants + (1 - share) * below, air, nm=mixtures.centres_nm(responses.bands)
            )
            course.append(through * np.exp(rng.normal(0, 0.035, through.shape)))
        seen.append(np.stack(course, axis=1))
        wood.append(np.full(per_kind, tall))
    return np.concatenate(seen), np.concatenate(wood)


def ordered(dates: Array) -> Array:
    """Put the greenest of several dates (n, date, band) first and the barest last, (n, 2, band), by NDVI."""
    red, nir = (dates[..., LANDSAT.band_names.index(name)] for name in ("red", "nir"))
    index = (nir - red) / np.maximum(nir + red, 1e-6)
    row = np.arange(len(dates))
    return np.stack([dates[row, index.argmax(1)], dates[row, index.argmin(1)]], axis=1)


def tabasco(data: Path) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.int_]]:
    """Read the pixels of forest and of herbs that are clear on both days; and their polygons."""
    table = pd.read_csv(data / "reference/tabasco_landsat7_pixels.csv")
    wet, dry = (part.reset_index(drop=True) for _, part in sorted(table.groupby("scene")))
    if not (wet["poly"].equals(dry["poly"]) and wet["label"].equals(dry["label"])):
        raise ValueError("Tabasco: the two days do not list the same pixels")
    kept = (wet["fmask"] == 0) & (dry["fmask"] == 0) & wet["label"].isin(["forest", "herbaceous"])
    names = list(LANDSAT.band_names)
    both = np.stack([day.loc[kept, names].to_numpy(dtype=float) for day in (wet, dry)], axis=1)
    return ordered(both), (wet.loc[kept, "label"] == "forest").to_numpy(), wet.loc[kept, "poly"].to_numpy(dtype=int)


_CLEAR, _FOREST, _GRASS, _BLOCK_PX = (2, 3, 4), 2, 3, 20
_OF_SENTINEL = (1, 2, 3, 8, 11, 12)  # B02, B03, B04, B8A, B11, B12 of thirteen


def slovenia(data: Path) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.int_]]:
    """Read the pixels of forest and of grassland on three clear days; and their blocks of 200 m."""
    use = np.load(data / "slovenia_dates/LULC.npy")[..., 0]
    scenes = np.load(data / "slovenia_dates/REFERENCE_SCENES.npy")[list(_CLEAR)][..., list(_OF_SENTINEL)]
    kept = np.isin(use, (_FOREST, _GRASS))
    row, column = np.nonzero(kept)
    return (
        ordered(scenes[:, kept].transpose(1, 0, 2).astype(float)),
        use[kept] == _FOREST,
        row // _BLOCK_PX * 100 + column // _BLOCK_PX,
    )


def balanced(
    said: npt.NDArray[np.bool_], wood: npt.NDArray[np.bool_], cluster: npt.NDArray[np.int_]
) -> tuple[float, float]:
    """Mean of the two classes' accuracies, and its standard error by leaving one cluster out after the other."""

    def of(chosen: npt.NDArray[np.bool_]) -> float:
        return float(np.mean([(said == wood)[chosen & (wood == tall)].mean() for tall in (True, False)]))

    left = [of(cluster != one) for one in np.unique(cluster)]
    count = len(left)
    return of(np.ones(len(wood), bool)), float(
        np.sqrt((count - 1) / count * np.sum((np.array(left) - np.mean(left)) ** 2))
    )


def run(data: Path, *, per_kind: int = 800, seeds: Sequence[int] = (1, 2, 3)) -> None:
    """Learn, judge and print."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    places = {"Tabasco": tabasco(data), "Slovenia": slovenia(data)}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        seen, wood = courses(data, per_kind, rng)
        fresh, fresh_wood = courses(data, per_kind // 4, rng)
        for name, dates in {"greenest date": [0], "both dates": [0, 1]}.items():

            def features(pixels: Array, dates: Sequence[int] = tuple(dates)) -> Array:
                return logged(pixels[:, list(dates)]).reshape(len(pixels), -1)

            scale = StandardScaler().fit(features(seen))
            net = MLPClassifier((32, 16), alpha=1e-3, max_iter=300, random_state=seed, early_stopping=True)
            net.fit(scale.transform(features(seen)), wood)
            own = np.mean(net.predict(scale.transform(features(fresh))) == fresh_wood)
            words = []
            for place, (pixels, truth, cluster) in places.items():
                accuracy, error = balanced(net.predict(scale.transform(features(pixels))), truth, cluster)
                words.append(f"{place} {accuracy:.2f} ± {error:.2f}")
            print(f"seed {seed}, {name}: simulated {own:.2f}; balanced accuracy {', '.join(words)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    run(parser.parse_args().data)
