"""Unsupervised change classes: principal components of blocks of the difference image, and k-means.

Celik 2009 (IEEE Geosci. Remote Sens. Lett. 6: 772): the difference image is cut into non-overlapping blocks; the
principal components of those blocks span a feature space; each pixel is the vector of its own neighbourhood in that
space, and k-means clusters them. Here the blocks hold all bands common to both images, each divided by the spread of
its differences; the second image is normalised to the radiometry of the first (:mod:`howgreen.change._normalise`); and
the number of clusters is the one with the best mean silhouette (Rousseeuw 1987, J. Comput. Appl. Math. 20: 53).
Clusters are named only by the green model: by how much greener or less green they became. The cluster that differs
least is called least changed.

Components and clusters are learned from pixels sampled in proportion to their difference. Differences are clipped at
:data:`MOST_SPREADS` spreads from the median, so that a handful of extreme pixels does not decide for all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howgreen.change._ground import Answer, Bools, Floats, Slab, check, pixel_m2, reflectance, slabs
from howgreen.change._normalise import normalise
from howgreen.core.change import NOT_COMPARED, Change, ChangeClass, Clustering, Normalisation
from howgreen.core.errors import PlanError
from howgreen.core.sensors import RADAR_BANDS
from howgreen.core.types import City
from howgreen.core.warnings import Caution

BLOCK_PX = 3
MOST_SPREADS = 20.0
"""Larger differences are clipped to this."""
EXPLAINED = 0.9
"""Least share of the blocks' variance that the components explain."""
CHOICES = range(2, 8)
"""Numbers of clusters tried."""
MOST_CLUSTERS = 12
"""Most clusters that may be requested: more cannot be distinguished on a map."""
MOST = 20_000
"""Pixels from which components and centres are learned."""
LOOK = 16
"""Stride of the pixels that define a usual difference."""
TIE = 0.01
"""Silhouettes of a sample that differ by less count as equal."""
MOST_JUDGED = 1500
"""Pixels for a silhouette, which compares all pairs."""
LEAST = 200
"""Fewest pixels that can be clustered."""
STRIP_ROWS = 32
SEED = 9
GREENER = 0.05
"""Change of the mean green fraction from which a cluster is called greener or less green."""
_COLOURS = {
    "least changed": ("#e6e0d0",),
    "less green": ("#b2182b", "#ef8a62", "#f4b79b"),
    "greener": ("#1b7837", "#7fbf7b", "#b8dfb2"),
    "changed, as green": ("#6a51a3", "#2c6fbb", "#c9a227", "#8c6d5a", "#5fb3b3"),
}
KINDS = tuple(_COLOURS)
"""Names of clusters."""


@dataclass(frozen=True)
class _Pair:
    """Both images and the settings to compare them."""

    before: Answer
    after: Answer
    bands: tuple[str, ...]
    gains: Floats
    offsets: Floats

    def difference(self, rows: slice) -> Floats:
        """Subtract the first image from the second, (band, y, x), some rows; NaN where either is unobserved."""
        first, second = (reflectance(one, self.bands, rows) for one in (self.before, self.after))
        return second * self.gains[:, None, None] + self.offsets[:, None, None] - first


@dataclass(frozen=True)
class _Space:
    """Feature space of pixel neighbourhoods."""

    middle: Floats
    """(band,) median difference."""
    spread: Floats
    """(band,) divisors of the differences."""
    mean: Floats
    axes: Floats
    """(block x block x band, component)."""
    explained: float

    def points(self, difference: Floats) -> Floats:
        """Project blocks to principal components: (y, x, component) of (band, y + 2 margins, x + 2 margins)."""
        tame = tamed(difference, self.middle[:, None, None], self.spread[:, None, None])
        windows = np.lib.stride_tricks.sliding_window_view(tame, (BLOCK_PX, BLOCK_PX), (1, 2))
        flat = windows.transpose(1, 2, 0, 3, 4).reshape(*windows.shape[1:3], -1)
        return np.asarray((flat - self.mean) @ self.axes, np.float32)


def tamed(difference: Floats, middle: Floats, spread: Floats) -> Floats:
    """Scale differences by their spread, clipped far from the median."""
    return np.clip(difference, middle - MOST_SPREADS * spread, middle + MOST_SPREADS * spread) / spread


def clusters(before: Answer, after: Answer, city: City, *, number: int | None = None) -> Change:
    """Classify the ground by how it changed between two images.

    Parameters
    ----------
    before, after
        Composite and land cover of each, on one grid.
    number
        Number of clusters; None for the one with the best silhouette.

    Raises
    ------
    PlanError
        Different grids, no common band, or too little ground observed by both.
    """
    check(before, after)
    bands = tuple(band for band in before.composite.bands if band in after.composite.bands and band not in RADAR_BANDS)
    if not bands:
        raise PlanError("the two images share no band of reflectance: change by clusters needs at least one")
    ground = list(slabs(before, after, city))
    compared = int(sum(slab.compared.sum() for slab in ground))
    if compared < LEAST:
        raise PlanError(
            f"{city.label}: only {compared} pixels were seen as land by both images; change needs at least {LEAST}"
        )
    found = _normalised(before, after, bands, ground, compared)
    pair = _Pair(before, after, bands, np.array(found.gains, np.float32), np.array(found.offsets, np.float32))
    space, sample = _space(pair, ground, compared)
    centres, silhouettes = _centres(sample, number)
    codes = _assigned(pair, space, ground, centres)
    size = pixel_m2(city, before.landcover.grid)
    classes, codes = _named(codes, ground, size, _order(centres, space, bands))
    total = max(sum(one.area_m2 for one in classes), 1e-9)
    return Change(
        method="pca-kmeans",
        codes=codes,
        grid=before.landcover.grid,
        classes=classes,
        compared_m2=compared * size,
        green_before=sum(one.area_m2 * (one.green_before or 0) for one in classes) / total,
        green_after=sum(one.area_m2 * (one.green_after or 0) for one in classes) / total,
        clustering=Clustering(
            block_px=BLOCK_PX,
            components=space.axes.shape[1],
            explained=space.explained,
            silhouettes=silhouettes,
            chosen=len(centres),
            given=number is not None,
            normalisation=found,
        ),
        warnings=tuple(_doubts(found)),
    )


def _doubts(found: Normalisation) -> Iterator[Caution]:
    if not found.applied:
        yield Caution(
            "change-not-normalised",
            f"only {found.invariant} of {found.tried} pixels could be called unchanged, or they lie on no line: the images are "
            "compared as they are, and haze or another sun may pass for change",
        )


def _normalised(
    before: Answer, after: Answer, bands: tuple[str, ...], ground: Sequence[Slab], compared: int
) -> Normalisation:
    """Fit the lines to pixels drawn at random from the ground observed by both."""
    rng = np.random.default_rng(SEED)
    pairs = []
    for slab, rows in _rows(ground):
        taken = slab.compared & (rng.random(slab.compared.shape) < 2 * MOST / compared)
        pairs.append([reflectance(one, bands, rows)[:, taken].T.astype(float) for one in (before, after)])
    first, second = (np.concatenate([pair[number] for pair in pairs]) for number in (0, 1))
    seen = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    return normalise(first[seen], second[seen], bands=bands)


def _rows(ground: Sequence[Slab]) -> Iterator[tuple[Slab, slice]]:
    for slab in ground:
        yield slab, slice(slab.top, slab.top + slab.compared.shape[0])


def _with_margin(pair: _Pair, rows: slice) -> Floats:
    """(band, y + 2 margins, x + 2 margins) differences, edge pixels repeated outwards, 0 where either is unobserved."""
    margin = BLOCK_PX // 2
    height = pair.before.landcover.grid.shape[0]
    wide = slice(max(rows.start - margin, 0), min(rows.stop + margin, height))
    values = np.nan_to_num(pair.difference(wide))
    above, below = margin - (rows.start - wide.start), margin - (wide.stop - rows.stop)
    return np.pad(values, ((0, 0), (above, below), (margin, margin)), mode="edge")


def _space(pair: _Pair, ground: Sequence[Slab], compared: int) -> tuple[_Space, Floats]:
    """Learn the components from non-overlapping blocks; return also the feature points of a random sample of pixels.

    Both are sampled in proportion to their difference: otherwise a change that covers a thousandth of a city would form
    no component and no cluster, and k-means would divide noise.
    """
    rng = np.random.default_rng(SEED + 1)
    # A thinned first pass defines what is usual, so that the second can oversample what is not.
    usual = np.concatenate([pair.difference(rows)[:, slab.compared][:, ::LOOK].T for slab, rows in _rows(ground)])
    middle, spread = _middle_and_spread(usual[np.isfinite(usual).all(axis=1)])
    far = np.square(tamed(usual, middle, spread) - middle / spread).sum(axis=1)
    typical = float(np.nanmean(far)) + 1e-12
    blocks, neighbourhoods = list[Floats](), list[Floats]()
    for slab, rows in _rows(ground):
        tame = tamed(_with_margin(pair, rows), middle[:, None, None], spread[:, None, None])
        windows = np.lib.stride_tricks.sliding_window_view(tame, (BLOCK_PX, BLOCK_PX), (1, 2))
        tiled = np.zeros_like(slab.compared)
        tiled[1::BLOCK_PX, 1::BLOCK_PX] = True
        off = np.square(tame[:, 1:-1, 1:-1] - (middle / spread)[:, None, None]).sum(axis=0) / typical
        share = MOST / compared * off
        for chosen, into in (
            (slab.compared & tiled & (rng.random(tiled.shape) < share * BLOCK_PX**2), blocks),
            (slab.compared & (rng.random(tiled.shape) < share), neighbourhoods),
        ):
            rows_in, columns_in = np.nonzero(chosen)
            into.append(windows[:, rows_in, columns_in].transpose(1, 0, 2, 3).reshape(len(rows_in), -1))
    vectors, points = np.concatenate(blocks), np.concatenate(neighbourhoods)
    if min(len(vectors), len(points)) < LEAST // 4:
        raise PlanError("the two images do not differ: there is nothing to divide")
    mean = vectors.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov((vectors - mean).T.astype(float)))
    share = np.cumsum(values[::-1]) / max(values.sum(), 1e-30)
    kept = int(np.searchsorted(share, EXPLAINED)) + 1
    # A component's sign is arbitrary; the largest entry is made positive, so that runs are reproducible.
    chosen_axes = axes[:, ::-1][:, :kept]
    chosen_axes = chosen_axes * np.sign(chosen_axes[np.abs(chosen_axes).argmax(axis=0), range(kept)])
    space = _Space(middle, spread, mean.astype(np.float32), chosen_axes.astype(np.float32), float(share[kept - 1]))
    return space, np.asarray((points - space.mean) @ space.axes, np.float32)


def _middle_and_spread(rows: Floats) -> tuple[Floats, Floats]:
    """(band,) median and robust standard deviation of differences (n, band), insensitive to changed pixels."""
    middle = np.median(rows, axis=0)
    return middle.astype(np.float32), np.asarray(1.4826 * np.median(np.abs(rows - middle), axis=0) + 1e-4, np.float32)


def _centres(sample: Floats, number: int | None) -> tuple[Floats, dict[int, float]]:
    """Return the centres (cluster, component) for the best number of clusters, and the silhouettes of all."""
    from scipy.cluster.vq import kmeans2, vq

    rng = np.random.default_rng(SEED + 2)
    judged = sample[rng.permutation(len(sample))[:MOST_JUDGED]].astype(float)
    found, silhouettes = dict[int, Floats](), dict[int, float]()
    for count in CHOICES if number is None else [number]:
        centres, labels = kmeans2(sample.astype(float), count, iter=50, minit="++", rng=np.random.default_rng(SEED + 3))
        centres = centres[np.bincount(labels, minlength=count) > 0]
        found[count] = np.asarray(centres, np.float32)
        silhouettes[count] = silhouette(judged, vq(judged, centres)[0])
    return found[fewest_of_the_best(silhouettes)], silhouettes


def fewest_of_the_best(silhouettes: dict[int, float]) -> int:
    """Return the fewest clusters whose silhouette is within :data:`TIE` of the best."""
    best = max(silhouettes.values())
    return min(count for count, value in silhouettes.items() if value >= best - TIE)


def silhouette(points: NDArray[np.float64], labels: NDArray[np.int_]) -> float:
    """Average (b - a) / max(a, b): a the mean distance to a point's own cluster, b to the nearest other; 0 for one cluster."""
    from scipy.spatial.distance import cdist

    numbers, counts = np.unique(labels, return_counts=True)
    if len(numbers) < 2:
        return 0.0
    apart = cdist(points, points)
    sums = np.stack([apart[:, labels == number].sum(axis=1) for number in numbers], axis=1)
    place = np.searchsorted(numbers, labels)
    rows = np.arange(len(points))
    own = sums[rows, place] / np.maximum(counts[place] - 1, 1)
    means = sums / counts
    means[rows, place] = np.inf
    other = means.min(axis=1)
    value = (other - own) / np.maximum(np.maximum(own, other), 1e-30)
    return float(np.where(counts[place] > 1, value, 0).mean())


def _assigned(pair: _Pair, space: _Space, ground: Sequence[Slab], centres: Floats) -> NDArray[np.uint8]:
    """Return the index (y, x) of the nearest centre; NOT_COMPARED elsewhere."""
    # |p - c|^2 without the |p|^2 common to all centres; a few rows at a time, as a neighbourhood is 9 pixels of every
    # band.
    lengths, parts = np.square(centres).sum(axis=1), []
    for slab, rows in _rows(ground):
        wide = _with_margin(pair, rows)
        for top in range(0, slab.compared.shape[0], STRIP_ROWS):
            compared = slab.compared[top : top + STRIP_ROWS]
            points = space.points(wide[:, top : top + len(compared) + BLOCK_PX - 1])
            nearest = (lengths - 2 * points @ centres.T).argmin(axis=-1)
            parts.append(np.where(compared, nearest, NOT_COMPARED).astype(np.uint8))
    return np.concatenate(parts)


def _order(centres: Floats, space: _Space, bands: tuple[str, ...]) -> NDArray[np.int_]:
    """Order clusters by their difference of reflectance, the smallest first, in spreads."""
    vectors = (centres @ space.axes.T + space.mean).reshape(len(centres), len(bands), -1)
    return np.asarray(np.sqrt(np.square(vectors).mean(axis=(1, 2))).argsort(kind="stable"))


def _named(
    codes: NDArray[np.uint8], ground: Sequence[Slab], size: float, order: NDArray[np.int_]
) -> tuple[tuple[ChangeClass, ...], NDArray[np.uint8]]:
    """Give clusters their codes (1 least changed, then by size of difference), names, colours and figures."""
    table = np.full(256, NOT_COMPARED, np.uint8)
    table[order] = np.arange(1, len(order) + 1)
    codes = table[codes]
    count, sums = np.zeros(len(order) + 1), np.zeros((2, len(order) + 1))
    for slab, rows in _rows(ground):
        inside: Bools = slab.compared
        here = codes[rows][inside]
        count += np.bincount(here, minlength=len(order) + 1)
        for number, green in enumerate(slab.green):
            sums[number] += np.bincount(here, weights=green[inside], minlength=len(order) + 1)
    used = dict[str, int]()
    classes = []
    for code in range(1, len(order) + 1):
        before, after = (float(one[code] / count[code]) if count[code] else None for one in sums)
        kind = _kind(code, before, after)
        used[kind] = used.get(kind, 0) + 1
        shades = _COLOURS[kind]
        name = kind if used[kind] == 1 else f"{kind} {used[kind]}"
        classes.append(
            ChangeClass(
                code=code, name=name, colour=shades[(used[kind] - 1) % len(shades)], area_m2=float(count[code] * size),
                green_before=before, green_after=after,
            )
        )  # fmt: skip
    return tuple(classes), codes


def _kind(code: int, before: float | None, after: float | None) -> str:
    if code == 1:
        return "least changed"
    change = 0.0 if before is None or after is None else after - before
    return "greener" if change >= GREENER else "less green" if change <= -GREENER else "changed, as green"
