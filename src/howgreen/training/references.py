"""Real spectra, fractions and pixels that judge models, and end members for training.

None of it is part of the project: the files are in the data folder, each with its source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.training.evaluate import Reference
from howgreen.training.mixtures import BARE, BUILT, CLASSES, DRY, GREEN, LOW, TREE, EndMembers, Mixtures
from howgreen.training.spectra import Array, existing

AUSTRALIA_FILE = "reference/australia_field_fractions.csv"
HABITATS_FILE = "reference/southern_bug_habitats.csv"
HYDICE_FILE = "reference/hydice_urban_fractions.csv"
HYDICE_PURE_FILE = "reference/hydice_urban_pure.csv"
KLUM_FILE = "reference/klum_urban_materials.csv"
TURF_FILE = "reference/pasadena_turf_and_lawn.csv"
MUUFL_FILE = "reference/muufl_field_spectra_vnir.csv"
TABASCO_FILE = "reference/tabasco_landsat7_pixels.csv"

_ROWS_OF_A_BLOCK = 50
"""Adjacent rows of the Australian table that count as one site: it names no place, and fields were visited in
sequence."""
_PIXELS_OF_A_BLOCK = 12
"""Side of the blocks of the Texan scene used as error clusters."""

FULL_COVER = ("T11", "T13", "T19", "T1E", "T1H", "S35", "S36")
"""Habitats of closed woods and scrub: full cover by definition (EUNIS). Reed is partly dead and stands in water."""
OPEN_WATER = ("C2.2", "C2.3")


def read_australia(data: Path, *, kept: bool = True) -> Reference:
    """Read field-measured green fractions of Landsat pixels in Australian rangeland; ``blue`` is imputed there.

    Every third site is ``kept`` for judging; the others may train (:func:`field_pixels`).
    """
    table = _australia(data, kept=kept)
    return Reference(
        reflectance=table[list(LANDSAT.band_names)].to_numpy(dtype=float),
        bands=LANDSAT.band_names,
        green=table["fraction"].to_numpy(dtype=float),
        group=("Australia",) * len(table),
        cluster=table.index.to_numpy() // _ROWS_OF_A_BLOCK,
    )


def read_dry_of_australia(data: Path) -> Array:
    """Read the measured share of dry plants (n,) on the pixels of :func:`read_australia` kept for judging."""
    return _australia(data, kept=True)["npv"].to_numpy(dtype=float)


def _australia(data: Path, *, kept: bool) -> pd.DataFrame:
    table = pd.read_csv(existing(data, AUSTRALIA_FILE))
    chosen: pd.DataFrame = table[(table.index // _ROWS_OF_A_BLOCK % 3 == 0) == kept]
    return chosen


_SPARSE = 0.5
"""Largest green fraction of field-measured training pixels: above, point samples see gaps in crowns that count as
closed in a city."""


def field_pixels(data: Path, count: int, *, rng: np.random.Generator) -> Mixtures:
    """Draw training pixels from two thirds of the Australian sites: green, dry and bare fractions as measured."""
    table = _australia(data, kept=False)
    table = table[table["fraction"] < _SPARSE]
    rows = table.iloc[rng.integers(0, len(table), count)]
    shares = np.zeros((count, len(CLASSES)))
    shares[:, LOW], shares[:, DRY], shares[:, BARE] = (rows[name].clip(0) for name in ("fraction", "npv", "bare"))
    seen = rows[list(LANDSAT.band_names)].to_numpy(dtype=float)
    # Blue was imputed from green and red, which must not give it away.
    gain = np.exp(rng.normal(0, 0.03, (count, 1)) + rng.normal(0, 0.02, seen.shape))
    seen[:, 0] *= np.exp(rng.normal(0, 0.12, count))
    return Mixtures(
        reflectance=seen * gain, shares=shares / shares.sum(axis=1, keepdims=True), bands=LANDSAT.band_names
    )


def read_hydice(data: Path) -> Reference:
    """Read green fractions of a Texan car park and its lawns; weak, as their truth is a vegetation index at 2 m."""
    table = pd.read_csv(existing(data, HYDICE_FILE))
    block = table["row"] // _PIXELS_OF_A_BLOCK * 100 + table["col"] // _PIXELS_OF_A_BLOCK
    return Reference(
        reflectance=_bands(table),
        bands=SENTINEL2.band_names,
        green=table["fraction_psf"].to_numpy(dtype=float),
        group=("Texas",) * len(table),
        cluster=block.to_numpy(),
    )


def read_habitats(data: Path) -> tuple[Reference, npt.NDArray[np.str_]]:
    """Read Sentinel-2 pixels of habitats along the Southern Bug, clustered by polygon, and each one's habitat.

    ``green`` is 1 for closed woods and scrub, 0 for open water, and NaN if a habitat does not define cover.
    """
    table = pd.read_csv(existing(data, HABITATS_FILE))
    habitat = table["label"].to_numpy(dtype=str)
    green = np.where(np.isin(habitat, FULL_COVER), 1.0, np.where(np.isin(habitat, OPEN_WATER), 0.0, np.nan))
    polygon = pd.factorize(table["label"] + "/" + table["id"].astype(str).str.split("_").str[0])[0]
    reference = Reference(
        reflectance=_bands(table),
        bands=SENTINEL2.band_names,
        green=green,
        group=("Southern Bug",) * len(table),
        cluster=polygon,
    )
    return reference, habitat


def read_tabasco(data: Path) -> tuple[Reference, npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Read clear Landsat 7 pixels of one place in a wet and in a dry season, with each one's label and season."""
    table = pd.read_csv(existing(data, TABASCO_FILE))
    table = table[table["fmask"] == 0]
    season = np.where(table["scene"].str.endswith("1999322"), "wet", "dry")
    reference = Reference(
        reflectance=table[list(LANDSAT.band_names)].to_numpy(dtype=float),
        bands=LANDSAT.band_names,
        green=np.where(table["label"] == "forest", 1.0, np.where(table["label"] == "water", 0.0, np.nan)),
        group=("Tabasco",) * len(table),
        cluster=table["poly"].to_numpy(dtype=int),
    )
    return reference, table["label"].to_numpy(dtype=str), season


@dataclass(frozen=True, kw_only=True)
class Table:
    """Spectra with their attributes."""

    rows: pd.DataFrame
    spectra: Array
    """(n, band) in Sentinel-2's bands."""

    def of(self, **wanted: str) -> Array:
        """Select the spectra whose columns have these values."""
        return self.spectra[self._holds(wanted)]

    def samples_of(self, **wanted: str) -> npt.NDArray[np.int_]:
        """Return the sample number of each spectrum that :meth:`of` selects: its file, or itself if there are none."""
        chosen = self._holds(wanted)
        sample = pd.factorize(self.rows["file"])[0] if "file" in self.rows else np.arange(len(self.rows))
        return sample[chosen]

    def _holds(self, wanted: Mapping[str, str]) -> npt.NDArray[np.bool_]:
        return np.asarray(
            np.logical_and.reduce([(self.rows[name] == value).to_numpy() for name, value in wanted.items()])
        )


def read_table(data: Path, name: str) -> Table:
    """Read a table of spectra in Sentinel-2's bands."""
    rows = pd.read_csv(existing(data, name))
    for key in rows:
        if pd.api.types.is_string_dtype(rows[key]):
            rows[key] = rows[key].str.strip()
    return Table(rows=rows, spectra=_bands(rows))


def read_materials_in_bands(data: Path, *, bands: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """Read roofs, walls, paints, metals and cloth (n, band) missing from the full spectra, and each one's kind.

    Karlsruhe (KLUM), Gulfport (MUUFL) and Pasadena. Gulfport's were measured only to 1,000 nm: their short-wave
    infrared is set to the near-infrared. Texas (HYDICE) is not used for training: a judging place is worth more than
    its roofs.
    """
    klum, muufl, turf = (pd.read_csv(existing(data, name)) for name in (KLUM_FILE, MUUFL_FILE, TURF_FILE))
    parts = [
        (klum[klum["fraction"] == 0], "klum"),
        (muufl[muufl["label"].isin(_GULFPORT)], "gulfport"),
        (turf[turf["label"] == "turf"], "turf"),
    ]
    kinds = tuple(kind for rows, kind in parts for _ in range(len(rows)))
    spectra = np.concatenate([_bands(rows) for rows, _ in parts])
    return _chosen(spectra, bands), kinds


_GULFPORT = ("BlueCloth", "GreenCloth", "RedCloth", "BlackCloth", "YellowCurb", "Building", "ConcreteAndMetalSquare",
             "Pillar", "BeachStairWood", "Sidewalk")  # fmt: skip


def read_dirt(data: Path, *, bands: Sequence[str]) -> Array:
    """Read dirt and sand (n, band) from Gulfport."""
    muufl = pd.read_csv(existing(data, MUUFL_FILE))
    return _chosen(_bands(muufl[muufl["label"].isin(["Dirt", "SandInSun", "BeachSand"])]), bands)


def read_texas(data: Path) -> Reference:
    """Read pure airborne spectra of a Texan car park, its roofs, lawns and trees, as labelled by the authors."""
    table = pd.read_csv(existing(data, HYDICE_PURE_FILE))
    code = np.array([_TEXAN[label] for label in table["label"]])
    return Reference(reflectance=_bands(table), bands=SENTINEL2.band_names, green=GREEN[code].astype(float),
                     group=("Texas",) * len(code), code=code,
                     cluster=pd.factorize(table["label"] + (table.index // _SPECTRA_OF_A_BLOCK).astype(str))[0])  # fmt: skip


_TEXAN = {"Asphalt": BUILT, "Roof": BUILT, "Metal": BUILT, "Dirt": BARE, "Grass": LOW, "Tree": TREE}
_SPECTRA_OF_A_BLOCK = 10
"""Adjacent spectra of the Texan table that count as one spot: it names none."""


# In the order of Sentinel-2's bands.
_NAMES = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


def _bands(table: pd.DataFrame) -> Array:
    """Reflectance (n, band) in Sentinel-2's bands; unmeasured bands are set to the near-infrared."""
    values = [table[name] if name in table else table["B8A"] for name in _NAMES]
    return np.asarray(np.clip(np.stack([np.asarray(value, dtype=float) for value in values], axis=1), 0.001, 1.2))


def _chosen(spectra: Array, bands: Sequence[str]) -> Array:
    """Columns of a sensor; Landsat's near-infrared is the narrow one."""
    landsat = len(bands) < len(SENTINEL2.band_names)
    names = ["nir08" if landsat and band == "nir" else band for band in bands]
    return spectra[:, [SENTINEL2.band_names.index(name) for name in names]]


def end_members(data: Path, *, bands: Sequence[str]) -> EndMembers:
    """Read all measured training surfaces, in a sensor's bands."""
    spectra, kinds = read_materials_in_bands(data, bands=bands)
    source = np.array(kinds)
    turf = source == "turf"
    return EndMembers(built=spectra[~turf], source=source[~turf], turf=spectra[turf], bare=read_dirt(data, bands=bands))
