"""Sentinel-1 simulation of a landscape: backscatter of seven covers, texture, seasonal variation, and speckle.

Values are gamma nought of C band at 30-46 degrees of incidence, in decibels; they contain no pixel of a real image. **The levels
were written down from memory of these works, rounded, and could not be checked in them**: their public parts (titles, abstracts)
confirm the subject of each, and contain no table. So take each level as known to about 3 dB, which ``places`` and ``patches``
together span:

- Ulaby & Dobson 1989, Handbook of Radar Scattering Statistics for Terrain (Artech House), C band: trees, grasses, short plants, soils, roads;
- Bauer-Marschallinger et al. 2021 (Sci. Data 8: 277, doi:10.1038/s41597-021-01059-7): mean Sentinel-1 backscatter of land covers, as sigma
  nought at 38 degrees, 1 dB below gamma nought;
- Ruetschi, Schaepman & Small 2018 (Remote Sens. 10: 55, doi:10.3390/rs10010055): beech, oak and spruce over the year, flattened backscatter;
- Veloso et al. 2017 (Remote Sens. Environ. 199: 415; seen only in others' references) and Vreugdenhil et al. 2018 (Remote Sens. 10: 1396,
  doi:10.3390/rs10091396): crops, 3-8 dB over a season;
- Koppel et al. 2017 (Int. J. Remote Sensing 38: 6389): buildings, most by their height, less by their form and how they face the radar;
- Small 2011 (IEEE Trans. Geosci. Remote Sensing 49: 3081): gamma nought of flattened terrain.

Two real places were available for comparison only, and deviate no more than that. Senica, July 2018 (sigma or gamma nought is not
said): its three largest woods have VV -7.2 to -7.6 and VH -13.5 to -14.1 (here -7.5 and -13.0), its middle, fields, -8.9 and -16.9
(grass and crops here -9.5 to -10.5 and -15.5 to -17.0), its darkest 0.5 % -16.9 and -27.4 (water here -19.0 and -26.5). A square
kilometre of fields with a village near Liege, over a year (sigma nought): its middle is -9.9 and -16.6, some -8.9 and -15.6 in
gamma nought.

Speckle is fully developed (exponential power), smoothed by the instrument to about four looks, near the 4.4 that ESA states of 10 m GRD images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howgreen.training.spectra import Array

Floats = npt.NDArray[np.float32]

COVERS = ("tree", "grass", "crop", "building", "paved", "bare", "water")
TREE, GRASS, CROP, BUILDING, PAVED, BARE, WATER = range(7)
GREEN = np.array([True, True, True, False, False, False, False])


@dataclass(frozen=True, kw_only=True)
class Backscatter:
    """One cover, in decibels."""

    vv: float
    vh: float
    places: float
    """Standard deviation of its level between places: climate, season, species, incidence angle."""
    patches: float
    """Between fields, woods or quarters of one place."""
    pixels: float
    """Between pixels of a patch, without speckle: texture."""
    days: float
    """Of a patch, between acquisitions of one season."""
    moisture: float
    """Common to all patches, between acquisitions: rain."""


KNOWN = (
    Backscatter(vv=-7.5, vh=-13.0, places=1.0, patches=0.8, pixels=0.7, days=0.4, moisture=0.3),
    Backscatter(vv=-10.5, vh=-17.0, places=1.4, patches=1.2, pixels=0.3, days=0.8, moisture=0.8),
    Backscatter(vv=-9.5, vh=-15.5, places=1.4, patches=1.8, pixels=0.3, days=2.2, moisture=0.6),
    Backscatter(vv=-1.0, vh=-8.5, places=1.3, patches=2.0, pixels=4.0, days=0.3, moisture=0.1),
    Backscatter(vv=-13.0, vh=-21.0, places=1.6, patches=1.5, pixels=1.0, days=0.5, moisture=0.4),
    Backscatter(vv=-12.5, vh=-20.5, places=1.8, patches=1.8, pixels=0.3, days=1.3, moisture=1.0),
    Backscatter(vv=-19.0, vh=-26.5, places=2.0, patches=0.8, pixels=0.3, days=2.0, moisture=0.0),
)
"""In the order of :data:`COVERS`. A building's level is for its footprint alone, about a third of a built-up
quarter."""
TOGETHER = 0.75
"""Correlation of the deviations of VV and VH."""
OPTICS_PX = 0.6
"""Standard deviation of the instrument's point-spread function in pixels of 10 m: independent speckle becomes some four
looks."""
NOISE_DB = (-30.0, -24.0)
"""Residual instrument noise, in VV and VH alike."""
PATCH_PX = 15
"""Mean distance of field centres."""


def powers(decibels: Array) -> Array:
    """Return linear power."""
    return np.asarray(10 ** (decibels / 10))


def acquisitions(shares: Floats, *, count: int, rng: np.random.Generator) -> Floats:
    """Simulate a place on ``count`` days of a season.

    Parameters
    ----------
    shares
        (cover, y, x) planimetric, covers as :data:`COVERS`, pixels of 10 m.

    Returns
    -------
    (day, 2, y, x) VV and VH in decibels.
    """
    from scipy.ndimage import gaussian_filter

    shape = shares.shape[1:]
    patch = patches(shape, rng=rng)
    days = [np.zeros((2, *shape)) for _ in range(count)]
    for share, known in zip(shares, KNOWN, strict=True):
        level = np.array([known.vv, known.vh]) + _pairs(known.places, 1, rng)[:, 0]
        still = level[:, None, None] + _pairs(known.patches, patch.max() + 1, rng)[:, patch]
        # A normal distribution of decibels would raise the mean power: the level is that of the power.
        texture = _pairs(known.pixels, patch.size, rng).reshape(2, *shape) - known.pixels**2 * np.log(10) / 20
        for power in days:  # in place
            moved = _pairs(known.days, patch.max() + 1, rng)[:, patch] + _pairs(known.moisture, 1, rng)[:, :, None]
            np.add(power, share * powers(still + texture + moved), out=power)
    noise = powers(rng.uniform(*NOISE_DB, (count, 2, 1, 1)))
    speckle = rng.exponential(1.0, (count, 2, *shape))
    seen = gaussian_filter((np.stack(days) + noise) * speckle, (0, 0, OPTICS_PX, OPTICS_PX), mode="nearest")
    return np.asarray(10 * np.log10(np.maximum(seen, 1e-5)), np.float32)


def composite(days: Floats) -> Floats:
    """Composite the days (4, y, x): the median of VV and VH, and their standard deviations; dB."""
    return np.concatenate([np.median(days, axis=0), days.std(axis=0)]).astype(np.float32)


def patches(shape: tuple[int, ...], *, rng: np.random.Generator, every: int = PATCH_PX) -> npt.NDArray[np.int_]:
    """Assign field numbers (y, x): each pixel gets that of the nearest point, some ``every`` pixels apart."""
    from scipy.spatial import cKDTree

    height, width = shape
    points = rng.random((max(4, height * width // every**2), 2)) * np.array([height, width])
    y, x = np.mgrid[:height, :width]
    return np.asarray(cKDTree(points).query(np.stack([y.ravel(), x.ravel()], axis=1))[1]).reshape(height, width)


def _pairs(deviation: float, count: int, rng: np.random.Generator) -> Array:
    """Draw correlated deviations of VV and VH, (2, count)."""
    common, own = rng.standard_normal(count), rng.standard_normal((2, count))
    return np.asarray(deviation * (np.sqrt(TOGETHER) * common + np.sqrt(1 - TOGETHER) * own))


def landscape(side: int, *, rng: np.random.Generator) -> Floats:
    """Draw shares (cover, side, side) of fields, woods, water, villages and town quarters, of any greenness."""
    from scipy.ndimage import gaussian_filter

    patch = patches((side, side), rng=rng, every=int(rng.choice([12, 25, 60])))
    number = int(patch.max()) + 1
    mixed = rng.random(number) < rng.choice([0.1, 0.5, 1.0])
    pure = np.eye(len(COVERS))[rng.choice(len(COVERS), number, p=rng.dirichlet((3, 3, 3, 0.15, 0.6, 3, 1)))]
    middle = np.where(mixed[:, None], _quarters(number, rng), pure)[patch]
    # Within a quarter every pixel has its own shares; a field is uniform.
    own = rng.gamma(np.maximum(rng.uniform(1.5, 8) * middle, 1e-3))
    own /= np.maximum(own.sum(axis=2, keepdims=True), 1e-9)
    shares = np.where(mixed[patch][:, :, None], own, middle)
    smooth = gaussian_filter(shares, (0.5, 0.5, 0), mode="nearest")
    return np.ascontiguousarray((smooth / smooth.sum(axis=2, keepdims=True)).transpose(2, 0, 1), np.float32)


def _quarters(number: int, rng: np.random.Generator) -> Array:
    """Draw mean shares (number, cover) of a town's quarters: any greenness, trees or lawns, houses dense or sparse."""
    usual = rng.uniform(0.05, 0.95)
    green, trees = rng.beta(4 * usual, 4 * (1 - usual), number), rng.beta(1.2, 1.2, number)
    houses, soil = rng.uniform(0.15, 0.7, number), rng.beta(0.5, 3, number)
    rest = 1 - green
    shares = np.zeros((number, len(COVERS)))
    shares[:, TREE], shares[:, GRASS] = green * trees, green * (1 - trees)
    shares[:, BARE], shares[:, BUILDING] = rest * soil, rest * (1 - soil) * houses
    shares[:, PAVED] = rest * (1 - soil) * (1 - houses)
    return shares


def counted(cells: npt.NDArray[np.integer], *, pixel: int) -> Floats:
    """Count shares (cover, y, x) from cells (y, x) of cover codes, ``pixel`` of them along a pixel's side."""
    height, width = cells.shape[0] // pixel, cells.shape[1] // pixel
    cut = cells[: height * pixel, : width * pixel].reshape(height, pixel, width, pixel)
    return np.stack([(cut == code).mean((1, 3), dtype=np.float32) for code in range(len(COVERS))])


def town(seed: int, *, extent_m: int) -> Floats:
    """Make the shares (cover, y, x) of a town by the sample city's builder."""
    from howgreen.sample.layout import make_land
    from howgreen.sample.paint import paint_city
    from howgreen.sample.spectra import MATERIALS

    code = np.array([_OF_SAMPLE[material.cover] for material in MATERIALS])
    return counted(code[paint_city(make_land(seed, extent_m=extent_m)).material], pixel=10)


_OF_SAMPLE = {
    "tree": TREE, "shrub": TREE, "grass": GRASS, "crop": CROP, "bare soil": BARE, "sand": BARE, "paved": PAVED,
    "building": BUILDING, "rail": PAVED, "water": WATER, "sea": WATER,
}  # fmt: skip


def judging_cities(*, per_climate: int) -> list[Floats]:
    """Make the shares of cities in six climates, by rules that no training uses: see :mod:`howgreen.training.wide`."""
    from howgreen.training import wide

    return [
        counted(
            _of_wide(*wide.covers(name, wide.GREENNESS[number], seed=100 * place + number)), pixel=10 // wide.CELL_M
        )
        for place, name in enumerate(wide.CLIMATES)
        for number in range(per_climate)
    ]


def _of_wide(code: npt.NDArray[np.integer], height_m: Floats) -> npt.NDArray[np.integer]:
    """Covers of cells by class and height: built and low means paved."""
    from howgreen.training.contest import classes

    cover = np.empty(len(classes.CLASSES), int)
    cover[[classes.TREE, classes.LOW, classes.CROP, classes.BUILT, classes.BARE, classes.WATER]] = (
        TREE, GRASS, CROP, BUILDING, BARE, WATER,
    )  # fmt: skip
    found = cover[code]
    found[(found == BUILDING) & (height_m < 2)] = PAVED
    return np.asarray(found)
