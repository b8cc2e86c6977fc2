"""Training neighbourhoods for a network with context: any greenness, building and land, in the light of one scene.

Ground is divided into parcels by streets, recursively, at random angles; parcels are houses with gardens, blocks,
halls, parks, woods, fields, open land and water. Their materials are redrawn whenever a piece is shown, from the
canopies, soils and materials of the single-pixel mixtures, and plants of one scene are similar, as rain or drought
makes them. So if two pixels differ, their surroundings explain why. The judging cities (:mod:`howgreen.training.wide`)
are made by other rules, from other plants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from howgreen.core.types import Progress
from howgreen.training import atmosphere, mixtures, shade
from howgreen.training.contest.classes import BARE, BUILT, CLASSES, CROP, LOW, TREE, WATER
from howgreen.training.spectra import Array

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.intp]

CELL_M = 2.5
_PIXEL_CELLS = 4
_SCALE = 255.0
"""Shares are stored as bytes: a scene then takes half a megabyte."""

_KINDS = ("tree",) * 3 + ("grass",) * 3 + ("crop",) * 2 + ("roof",) * 3 + ("street",) * 2 + ("odd",) + ("bare",) * 3 + (
    "dry",) * 2 + ("water",)  # fmt: skip
"""Kind of each of a scene's materials."""
_OF_KIND = {kind: np.flatnonzero(np.array(_KINDS) == kind).astype(np.uint8) for kind in dict.fromkeys(_KINDS)}
_CLASS_OF = {"tree": TREE, "grass": LOW, "crop": CROP, "roof": BUILT, "street": BUILT, "odd": BUILT, "bare": BARE, "dry": BARE,
             "water": WATER}  # fmt: skip
_CLASS = np.array([_CLASS_OF[kind] for kind in _KINDS])
_MATERIALS = len(_KINDS)
_PLANTS = np.isin(_KINDS, ("tree", "grass", "crop"))
_STREET, _ROOF, _ODD, _WATER = (int(_OF_KIND[kind][0]) for kind in ("street", "roof", "odd", "water"))


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """One piece of ground: the cover of every material in each pixel, without its spectrum."""

    fine: Codes
    """(channel, y, x) 0-255, shares as seen by a 10 m band."""
    coarse: Codes
    """(channel, y / 2, x / 2), the same for a 20 m band."""
    true: Codes
    """(material, y, x) true shares; materials are those of :attr:`present`."""
    channels: Index
    """Materials in the sun, then (from :data:`_MATERIALS` on) the same in shade."""
    present: Index
    sun_cos: float
    """Cosine of the sun's zenith angle."""


@dataclass(frozen=True, kw_only=True)
class Neighbourhoods:
    """All pieces shown, and their possible materials."""

    grounds: Sequence[Neighbourhood]
    library: mixtures.Surfaces

    def draw(self, rng: np.random.Generator, *, side: int) -> tuple[Floats, Floats]:
        """Crop a piece, assign materials, rotate it: (band, y, x) and (class, y, x), ``side`` pixels wide."""
        ground = self.grounds[int(rng.integers(len(self.grounds)))]
        room = ground.fine.shape[1] - side
        top, left = (int(at) for at in rng.integers(0, room + 1, 2))
        image, shares = _shown(ground, self.library, (top, left, side), rng)
        turn, flip = int(rng.integers(4)), bool(rng.integers(2))
        pair = [np.rot90(values, turn, (1, 2)) for values in (image, shares)]
        return (pair[0][:, :, ::-1], pair[1][:, :, ::-1]) if flip else (pair[0], pair[1])


def neighbourhoods(
    count: int, *, library: mixtures.Surfaces, seed: int, side: int = 96, progress: Progress
) -> Neighbourhoods:
    """Generate ``count`` pieces of ground, each ``side`` pixels wide."""
    grounds = []
    for number in range(count):
        grounds.append(neighbourhood(np.random.default_rng([seed, number]), side=side))
        if number % 100 == 99 or number == count - 1:
            progress("lay out neighbourhoods", number + 1, count)
    return Neighbourhoods(grounds=grounds, library=library)


def neighbourhood(rng: np.random.Generator, *, side: int) -> Neighbourhood:
    """Generate one piece of ground."""
    ground = _Ground.bare(side * _PIXEL_CELLS, rng)
    _lay_out(ground, rng)
    sun_cos = float(np.cos(np.radians(rng.uniform(18, 70))))
    shaded = _shaded(ground.height, sun_cos, rng)
    codes = ground.material + np.uint8(_MATERIALS) * shaded
    halves = _counted(codes, 2 * _MATERIALS, 2)
    channels = np.flatnonzero(halves.any(axis=(1, 2)))
    blur = rng.uniform(0.2, 0.55)
    fine, coarse = (_through(halves[channels], cells=cells, blur=blur) for cells in (2, 4))
    whole = halves.reshape(2, _MATERIALS, *halves.shape[1:]).sum(axis=0)
    present = np.flatnonzero(whole.any(axis=(1, 2)))
    true = whole[present].reshape(len(present), side, 2, side, 2).mean(axis=(2, 4))
    return Neighbourhood(fine=_bytes(fine), coarse=_bytes(coarse), true=_bytes(true), channels=channels, present=present,
                         sun_cos=sun_cos)  # fmt: skip


def _bytes(shares: Floats) -> Codes:
    kept: Codes = np.rint(shares * _SCALE).clip(0, 255).astype(np.uint8)
    return kept


# ---- the ground ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """Maps of cells, painted in place."""

    material: Codes
    height: npt.NDArray[np.float32]

    @staticmethod
    def bare(side: int, rng: np.random.Generator) -> _Ground:
        return _Ground(material=np.full((side, side), rng.choice(_OF_KIND["bare"]), np.uint8),
                       height=np.zeros((side, side), np.float32))  # fmt: skip

    def paint(self, where: Index, material: npt.ArrayLike, height: npt.ArrayLike = 0.0) -> None:
        """Paint cells, by flat index."""
        self.material.reshape(-1)[where] = material
        self.height.reshape(-1)[where] = height


@dataclass(frozen=True, kw_only=True)
class _District:
    """Building pattern of a part of a piece."""

    greenness: float
    cell: npt.NDArray[np.float64]
    """(y, x, 2) coordinates in metres along its streets."""
    parcel_m: float
    street_m: float
    """Half the width of its streets; 0 for none."""
    uses: tuple[str, ...]
    weights: npt.NDArray[np.float64]
    crowns: float
    """Share of gardens and streets under crowns."""


_USES = ("houses", "block", "hall", "paved", "park", "wood", "field", "open", "bare", "water", "odd")
_TOWN = np.array([5, 2.5, 1.5, 1, 1, 0.4, 0.2, 0.5, 0.4, 0.15, 0.25])
_COUNTRY = np.array([0.8, 0.05, 0.3, 0.1, 0.6, 2, 5, 3, 1.2, 0.4, 0.3])


def _lay_out(ground: _Ground, rng: np.random.Generator) -> None:
    side = len(ground.material)
    places = rng.uniform(0, side, (int(rng.integers(1, 5)), 2))
    y, x = np.mgrid[:side, :side].astype(np.float32)
    y, x = y + 12 * np.sin(x / rng.uniform(20, 60)), x + 12 * np.sin(y / rng.uniform(20, 60))
    nearest = np.argmin([(y - place[0]) ** 2 + (x - place[1]) ** 2 for place in places], axis=0)
    overall = rng.uniform(0, 1.4)
    density = np.zeros((side, side), np.float32)
    for number in range(len(places)):
        inside = np.flatnonzero(nearest == number)
        district = _district(float(np.clip(overall + rng.normal(0, 0.15), 0, 1)), y, x, rng)
        for parcel in _parcels(ground, inside, district, rng):
            density.reshape(-1)[parcel] = _use(ground, parcel, district, rng)
    if rng.random() < 0.3:
        _river(ground, density, rng)
    _crowns(ground, density, rng)


def _district(
    greenness: float, y: npt.NDArray[np.float32], x: npt.NDArray[np.float32], rng: np.random.Generator
) -> _District:
    turn, town = rng.uniform(0, np.pi / 2), rng.random() < 0.8 - 0.4 * greenness
    along = np.stack([x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)], axis=-1) * CELL_M
    weights = np.where(town, _TOWN, _COUNTRY) * rng.gamma(0.8, 1.0, len(_USES))
    weights[[4, 5, 6]] *= 0.2 + 2.0 * greenness**2
    weights[[1, 2, 3, 8, 10]] *= 1.7 - 1.6 * greenness
    return _District(greenness=greenness, cell=along, uses=_USES, weights=weights / weights.sum(),
                     parcel_m=float(np.exp(rng.uniform(np.log(35), np.log(140))) * (1 if town else 1.8)),
                     street_m=float(rng.uniform(2.5, 7) if town else rng.choice([0, 1.3, 3])),
                     crowns=float(rng.beta(1, 1.6) * (0.1 + 1.3 * greenness)))  # fmt: skip


def _parcels(ground: _Ground, cells: Index, district: _District, rng: np.random.Generator) -> list[Index]:
    """Divide cells in two, recursively, by streets along the longer side; return the flat cells of each parcel."""
    along = district.cell.reshape(-1, 2)
    waiting, done = [(cells, 0)], list[Index]()
    street = int(rng.choice(_OF_KIND["street"] if rng.random() < 0.85 else _OF_KIND["bare"]))
    while waiting:
        part, depth = waiting.pop()
        if len(part) < 12:
            done.append(part)
            continue
        at = along[part]
        low, high = at.min(axis=0), at.max(axis=0)
        axis = int(np.argmax(high - low))
        length = float(high[axis] - low[axis])
        if length < district.parcel_m * rng.uniform(0.8, 1.6):
            done.append(part)
            continue
        gap = at[:, axis] - (low[axis] + length * rng.uniform(0.36, 0.64))
        half = district.street_m * (1.6 if depth < 3 else 1.0) if rng.random() < 0.8 else 0.0
        ground.paint(part[np.abs(gap) < half], street)
        waiting += [(part[gap <= -half], depth + 1), (part[gap > half], depth + 1)]
    return done


def _use(ground: _Ground, parcel: Index, district: _District, rng: np.random.Generator) -> float:
    """Paint a parcel; return its share to be covered by crowns."""
    use = str(rng.choice(district.uses, p=district.weights))
    green = float(np.clip(district.greenness + rng.normal(0, 0.15), 0, 1))
    if use == "water":
        ground.paint(parcel, _WATER)
        return 0.0
    if use in ("field", "bare", "odd"):
        kinds = {"field": _field(green, rng), "bare": "bare", "odd": "odd"}
        ground.paint(parcel, rng.choice(_OF_KIND[kinds[use]]))
        return float(rng.random() < 0.15) * 0.3 * green if use == "field" else 0.0
    if use in ("park", "open", "wood"):
        ground.paint(parcel, _patches(ground, parcel, green if use == "open" else 0.35 + 0.65 * green, rng))
        return {"park": 0.6, "open": 0.25 * green, "wood": 3.0}[use] * float(rng.random()) * (0.3 + green)
    ground.paint(
        parcel,
        _patches(ground, parcel, green * (1 if use == "houses" else 0.5), rng, paved=0.25 if use == "houses" else 0.75),
    )
    if use != "paved":
        _roofs(ground, parcel, district, use, rng)
    return district.crowns * float(rng.uniform(0.3, 1.7)) * (1.0 if use == "houses" else 0.5)


def _field(green: float, rng: np.random.Generator) -> str:
    if rng.random() < 0.1 + 0.9 * green:
        return "crop" if rng.random() < 0.65 else "grass"
    return "bare" if rng.random() < 0.55 else "dry"


def _patches(ground: _Ground, parcel: Index, green: float, rng: np.random.Generator, *, paved: float = 0.03) -> Codes:
    """Draw materials of cells in patches of a few metres: lawn, soil, dry plants and paving."""
    rest = 1 - green
    dry = rng.random() * (1 - paved)
    weights = {"grass": green, "street": rest * paved, "dry": rest * dry, "bare": rest * (1 - paved - dry + 1e-9)}
    picks = np.array([rng.choice(_OF_KIND[kind]) for kind in weights], np.uint8)
    limits = np.cumsum([max(weight, 0.0) for weight in weights.values()])
    width, size = len(ground.material), int(rng.choice([2, 3, 5, 8, 14]))
    rows, columns = parcel // width // size, parcel % width // size
    few = rng.random((width // size + 1, width // size + 1))
    lot = few[rows, columns]
    if rng.random() < 0.5:
        lot = np.where(rng.random(len(parcel)) < 0.35, rng.random(len(parcel)), lot)
    found: Codes = picks[np.minimum(np.searchsorted(limits / limits[-1], lot), len(picks) - 1)]
    return found


def _roofs(ground: _Ground, parcel: Index, district: _District, use: str, rng: np.random.Generator) -> None:
    at = district.cell.reshape(-1, 2)[parcel]
    at = at - at.min(axis=0)
    size = np.maximum(at.max(axis=0), 1e-3)
    if use == "houses":
        pitch = rng.uniform(11, 30, 2)
        house = np.abs(np.mod(at, pitch) - pitch / 2) < pitch * rng.uniform(0.22, 0.46 - 0.14 * district.greenness, 2)
        built, height = house.all(axis=1), rng.uniform(3, 12)
        number = (at // pitch).astype(int) @ np.array([1, 7])
        built &= rng.random(64)[number % 64] < 0.9
        material = rng.choice(_OF_KIND["roof"], 64)[number % 64]
    elif use == "block":
        edge = np.minimum(at, size - at).min(axis=1)
        built, height = (edge > rng.uniform(0, 4)) & (edge < rng.uniform(12, 22)), rng.uniform(9, 26)
        material = np.full(len(parcel), rng.choice(_OF_KIND["roof"]))
    else:
        built = (np.abs(at / size - 0.5) < rng.uniform(0.25, 0.47)).all(axis=1)
        height, material = (
            rng.uniform(4, 14),
            np.full(len(parcel), rng.choice(np.array([_ROOF, _ROOF + 1, _ROOF + 2, _ODD]))),
        )
    ground.paint(parcel[built], material[built], height)


def _river(ground: _Ground, density: npt.NDArray[np.float32], rng: np.random.Generator) -> None:
    """Paint water along a meandering line, or up to a coast."""
    side = len(ground.material)
    line = (
        side * rng.uniform(0.05, 0.95)
        + np.cumsum(np.cumsum(rng.normal(0, 0.02, side)))
        + np.cumsum(rng.normal(0, 0.5, side))
    )
    across = np.arange(side)[:, None] - line[None, :]
    wet = across > 0 if rng.random() < 0.3 else np.abs(across) < rng.uniform(1.5, 40)
    wet = wet.T if rng.random() < 0.5 else wet
    ground.paint(np.flatnonzero(wet), _WATER)
    density[wet] = 0


def _crowns(ground: _Ground, density: npt.NDArray[np.float32], rng: np.random.Generator) -> None:
    """Place crowns at random where parcels and streets have some, until they cover the required share."""
    from scipy.ndimage import distance_transform_edt

    side, radius = len(ground.material), rng.uniform(1.6, 5.5)
    streets = (density == 0) & np.isin(ground.material, _OF_KIND["street"])
    wanted = np.where(streets, rng.random() ** 2 * 0.5, density)
    free = (ground.height == 0) & (ground.material != _WATER)
    seeded = free & (rng.random((side, side)) < -np.log1p(-np.minimum(wanted, 0.97)) * CELL_M**2 / (np.pi * radius**2))
    if not seeded.any():
        return
    distance, near = distance_transform_edt(~seeded, return_indices=True)
    number = near[0] * side + near[1]
    spread = rng.uniform(0.6, 1.35, 509)[number % 509]
    crown = np.flatnonzero((distance * CELL_M < radius * spread) & (ground.height < 8) & (ground.material != _WATER))
    kinds = rng.choice(_OF_KIND["tree"], 251, p=rng.dirichlet((0.7, 0.7, 0.7)))[number.reshape(-1)[crown] % 251]
    ground.paint(crown, kinds, radius * rng.uniform(1.2, 3.2))


def _shaded(height: npt.NDArray[np.float32], sun_cos: float, rng: np.random.Generator) -> Mask:
    """Find cells in the shade of something higher; the sun's azimuth is arbitrary, because pieces are rotated."""
    rise = sun_cos / np.sqrt(1 - sun_cos**2) * CELL_M
    towards = rng.uniform(0, 2 * np.pi)
    shaded, tallest, side = np.zeros(height.shape, bool), float(height.max()), len(height)
    for step in range(1, int(min(tallest / rise, side / 2)) + 1):
        dy, dx = round(step * np.sin(towards)), round(step * np.cos(towards))
        rows, columns = (slice(max(d, 0), side + min(d, 0)) for d in (dy, dx))
        back = tuple(slice(max(-d, 0), side - max(d, 0)) for d in (dy, dx))
        shaded[back] |= height[rows, columns] > height[back] + step * rise
    return shaded


def _counted(codes: Codes, kinds: int, fold: int) -> Floats:
    """Share of each code in squares of ``fold`` cells, (kind, y, x)."""
    side = len(codes) // fold
    row = np.arange(len(codes)) // fold
    slot = codes.astype(np.int64) * side**2 + row[:, None] * side + row
    return (
        (np.bincount(slot.reshape(-1), minlength=kinds * side**2) / fold**2)
        .reshape(kinds, side, side)
        .astype(np.float32)
    )


def _through(halves: Floats, *, cells: int, blur: float) -> Floats:
    """Resample shares (channel, y, x) of half pixels to pixels of ``cells``: a box, blurred by ``blur`` of its side."""
    from scipy.special import ndtr

    size = halves.shape[-1]
    edges = np.arange(0, size + 1, cells) / cells
    middle = (np.arange(size) + 0.5) / cells
    inside = ndtr((edges[1:, None] - middle) / blur) - ndtr((edges[:-1, None] - middle) / blur)
    weight = (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.asarray(weight @ halves @ weight.T)


# ---- what it is made of ----------------------------------------------------------------------------------------------------------


def _shown(
    ground: Neighbourhood, library: mixtures.Surfaces, piece: tuple[int, int, int], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return a piece (top, left, side) as seen by a satellite, and the shares of each class."""
    top, left, side = piece
    cut = (slice(None), slice(top, top + side), slice(left, left + side))
    low_cut = (slice(None), slice(top // 2, (top + side + 1) // 2 + 1), slice(left // 2, (left + side + 1) // 2 + 1))
    spectra, covered, classes = _made_of(library, rng)
    nm = mixtures.centres_nm(library.bands)
    air = replace(atmosphere.draw(1, rng=rng), sun_cos=np.array([[ground.sun_cos]]))
    sky = shade.skylight(1, nm=nm, rng=rng)
    table = np.concatenate([spectra, spectra * sky], axis=1)[:, ground.channels].astype(np.float32)
    blend = _smooth(side, rng)
    shades = np.float32(1) + np.float32(rng.uniform(0, 0.2)) * (_smooth(side, rng) - np.float32(0.5))
    fine = _mixed(table[:, :, ~library.coarse], ground.fine[cut], blend)
    coarse_shares = (
        ground.coarse[low_cut].repeat(2, 1).repeat(2, 2)[:, top % 2 : top % 2 + side, left % 2 : left % 2 + side]
    )
    coarse = _mixed(table[:, :, library.coarse], coarse_shares, blend)
    image = np.empty((len(library.bands), side, side), np.float32)
    image[~library.coarse], image[library.coarse] = fine * shades, coarse * shades
    rows = atmosphere.through(image.reshape(len(image), -1).T.astype(float), air, nm=nm)
    seen = _measured(rows.T.reshape(image.shape), rng)
    hidden = covered[0][:, None, None] * (1 - blend) + covered[1][:, None, None] * blend
    shares = np.zeros((len(CLASSES), side, side), np.float32)
    for number, material in enumerate(ground.present):
        part = ground.true[cut][number] / np.float32(_SCALE)
        shares[classes[material]] += part * hidden[material]
        shares[BARE] += part * (1 - hidden[material])
    return seen, shares / shares.sum(axis=0)


def _mixed(table: Floats, shares: Codes, blend: Floats) -> Floats:
    """Mix shares (channel, y, x) with spectra between two per channel, (2, channel, band), to (band, y, x)."""
    flat = shares.reshape(len(shares), -1).astype(np.float32) / np.float32(_SCALE)
    first, second = (np.asarray(part.T @ flat) for part in table)
    return np.asarray((first + (second - first) * blend.reshape(-1)).reshape(-1, *shares.shape[1:]))


def _smooth(side: int, rng: np.random.Generator) -> Floats:
    """Noise between 0 and 1 at some scale between two pixels and the whole piece."""
    from scipy.ndimage import zoom

    knots = int(rng.choice([3, 5, 9, 17, 33]))
    field = zoom(rng.random((knots, knots)).astype(np.float32), side / knots, order=1, grid_mode=True, mode="nearest")
    return np.asarray(field[:side, :side], np.float32)


def _measured(image: Array, rng: np.random.Generator) -> Floats:
    """Apply one calibration error per scene, and the sensor's noise."""
    gain = np.exp(rng.normal(0, 0.05) + rng.normal(0, 0.035, (len(image), 1, 1)))
    noise = rng.standard_normal(image.shape, np.float32) * (0.002 + rng.uniform(0.004, 0.015) * np.abs(image))
    return np.asarray(image * gain + noise, np.float32)


_ALIKE = 0.7
"""Share of scenes with plants, and with soils, from a narrow part of all available."""
_LEAFLESS = 0.15


def _made_of(library: mixtures.Surfaces, rng: np.random.Generator) -> tuple[Array, Array, npt.NDArray[np.int_]]:
    """Draw materials: spectra (2, material, band), covered share (2, material) and class of each (material,)."""
    trees, low, built, bare, dry, water = library.members
    ways = {"plants": _Way.drawn(rng), "soils": _Way.drawn(rng)}
    pools = {
        "tree": (trees, None, "plants"), "grass": (low[~library.crop], library.covered[~library.crop], "plants"),
        "crop": (low[library.crop], library.covered[library.crop], "plants"), "roof": (built, None, ""), "street": (built, None, ""),
        "odd": (built, None, ""), "bare": (bare, None, "soils"), "dry": (dry, library.littered, "soils"), "water": (water, None, ""),
    }  # fmt: skip
    spectra, covered, classes = np.empty((2, _MATERIALS, trees.shape[1])), np.ones((2, _MATERIALS)), _CLASS.copy()
    leafless = rng.random() < _LEAFLESS
    for material, kind in enumerate(_KINDS):
        members, hidden, way = pools[kind]
        if kind == "tree" and leafless and rng.random() < 0.7:
            pick = rng.integers(0, len(dry), 2)
            spectra[:, material] = dry[pick] * rng.uniform(0.35, 0.95)
            classes[material] = BARE
            continue
        pick = ways[way].pick(members, library.bands, rng) if way else rng.integers(0, len(members), 2)
        part = rng.random() * 0.5
        spectra[:, material] = (1 - part) * members[pick] + part * members[pick[::-1]]
        if hidden is not None:
            covered[:, material] = (1 - part) * hidden[pick] + part * hidden[pick[::-1]]
    return spectra, covered, classes


@dataclass(frozen=True, kw_only=True)
class _Way:
    """The part of all plants, or soils, that a scene draws from: around a rank of brightness or greenness."""

    around: float
    width: float
    by: int
    """0: by near-infrared; 1: by the ratio of near-infrared to red."""

    @staticmethod
    def drawn(rng: np.random.Generator) -> _Way:
        width = rng.uniform(0.15, 0.6) if rng.random() < _ALIKE else 1.0
        return _Way(around=float(rng.random()), width=float(width), by=int(rng.integers(2)))

    def pick(self, members: Array, bands: Sequence[str], rng: np.random.Generator) -> Index:
        """Pick two members."""
        red, infrared = (members[:, list(bands).index(band)] for band in ("red", "nir"))
        order = np.argsort(infrared if self.by == 0 else infrared / (red + 0.01), kind="stable")
        low = (1 - self.width) * self.around
        chosen: Index = order[((low + self.width * rng.random(2)) * len(order)).astype(int).clip(0, len(order) - 1)]
        return chosen
