"""Spectra on one wavelength axis, and what Sentinel-2's bands see of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from howgreen.errors import ModelError
from howgreen.sensors import SENTINEL2, common_name

Array = npt.NDArray[np.float64]

WAVELENGTH_NM: Array = np.arange(400.0, 2501.0)
"""The axis of every spectrum here, 1 nm apart: that of PROSPECT and 4SAIL."""

MATERIALS_FILE = "spectra/slum_shortwave.csv"
RESPONSES_FILE = "spectra/srf_Sentinel_2_Multi-Spectral_Instrument"


@dataclass(frozen=True, kw_only=True)
class Responses:
    """How strongly each band of a sensor answers to each wavelength."""

    bands: tuple[str, ...]
    """Common names in spectral order."""
    weights: Array
    """(band, wavelength); each row sums to 1."""


@dataclass(frozen=True, kw_only=True)
class Materials:
    """Measured surfaces."""

    names: tuple[str, ...]
    """As SLUM calls them: the letter is the kind (A asphalt, C concrete, R roofing, Z metal, ...)."""
    spectra: Array
    """(material, wavelength), reflectance 0-1."""


def existing(data: Path, name: str) -> Path:
    """A file of the data folder.

    Raises
    ------
    ModelError
        Where it is not there.
    """
    path = data / name
    if not path.is_file():
        raise ModelError(f"training data {path}: no such file; give the folder that holds {name} with --data")
    return path


def read_materials(data: Path) -> Materials:
    """The impervious materials of SLUM (Kotthaus et al. 2014, doi:10.5281/zenodo.4263842)."""
    table = pd.read_csv(existing(data, MATERIALS_FILE), index_col="wavelength")
    measured_nm = table.index.to_numpy(dtype=float)
    spectra = [np.interp(WAVELENGTH_NM, measured_nm, table[name].to_numpy(dtype=float) / 100) for name in table]
    return Materials(names=tuple(str(name) for name in table), spectra=np.clip(np.array(spectra), 0.001, 1.0))


def read_responses(data: Path) -> Responses:
    """Sentinel-2A's spectral responses for the bands of :data:`howgreen.sensors.SENTINEL2`, from an ENVI library."""
    header = existing(data, RESPONSES_FILE + ".hdr").read_text()
    wavelength_nm = np.array([float(v) for v in _listed(header, "wavelength")])
    names = [_band_of(name) for name in _listed(header, "spectra names")]
    rows = np.fromfile(existing(data, RESPONSES_FILE + ".sli"), dtype="<f8").reshape(len(names), -1)
    resampled = {name: np.interp(WAVELENGTH_NM, wavelength_nm, row) for name, row in zip(names, rows, strict=True)}
    weights = np.array([resampled[band] for band in SENTINEL2.band_names])
    return Responses(bands=SENTINEL2.band_names, weights=weights / weights.sum(axis=1, keepdims=True))


def _listed(header: str, key: str) -> list[str]:
    found = re.search(rf"^{key} = \{{(.*?)\}}", header, re.MULTILINE | re.DOTALL)
    if not found:
        raise ModelError(f"spectral library {RESPONSES_FILE}.hdr: no list {key!r}")
    return [part.strip() for part in found[1].split(",")]


def _band_of(spectrum: str) -> str | None:
    """``Sentinel-2A - Band B8A`` → ``nir08``; None for the bands that howgreen leaves out."""
    return common_name(spectrum.rsplit(" ", 1)[-1])


def to_bands(spectra: Array, responses: Responses) -> Array:
    """Spectra (..., wavelength) as a sensor's bands (..., band)."""
    return np.asarray(spectra @ responses.weights.T)


def on_axis(values: Array, wavelength_nm: Array) -> Array:
    """Spectra (n, samples) measured at other wavelengths, interpolated to ours; gaps (NaN) are bridged."""
    rows = []
    for row in values:
        known = np.isfinite(row)
        rows.append(np.interp(WAVELENGTH_NM, wavelength_nm[known], row[known]))
    return np.array(rows)
