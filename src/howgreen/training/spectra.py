"""Spectra on one wavelength axis, and their values in Sentinel-2's bands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from howgreen.core.errors import ModelError
from howgreen.core.sensors import LANDSAT, SENTINEL2, Sensor, common_name

Array = npt.NDArray[np.float64]

WAVELENGTH_NM: Array = np.arange(400.0, 2501.0)
"""The axis of every spectrum here, 1 nm apart: that of PROSPECT and 4SAIL."""

MATERIALS_FILE = "spectra/slum_shortwave.csv"
RESPONSES_FILES = {
    SENTINEL2.name: "spectra/srf_Sentinel_2_Multi-Spectral_Instrument",
    LANDSAT.name: "spectra/srf_Landsat_8_Operational_Land_Imager",
}


@dataclass(frozen=True, kw_only=True)
class Responses:
    """Spectral response of each band of a sensor."""

    bands: tuple[str, ...]
    """Common names in spectral order."""
    weights: Array
    """(band, wavelength); each row sums to 1."""
    resolution_m: Array
    """(band,) native pixel sizes."""


@dataclass(frozen=True, kw_only=True)
class Materials:
    """Measured surfaces."""

    names: tuple[str, ...]
    """Names in SLUM: the letter is the kind (A asphalt, C concrete, R roofing, Z metal, ...)."""
    spectra: Array
    """(material, wavelength), reflectance 0-1."""


def existing(data: Path, name: str) -> Path:
    """Return the path of a file in the data folder.

    Raises
    ------
    ModelError
        It does not exist.
    """
    path = data / name
    if not path.is_file():
        raise ModelError(f"training data {path}: no such file; give the folder that holds {name} with --data")
    return path


def read_materials(data: Path) -> Materials:
    """Return the impervious materials of SLUM (Kotthaus et al. 2014, doi:10.5281/zenodo.4263842)."""
    table = pd.read_csv(existing(data, MATERIALS_FILE), index_col="wavelength")
    measured_nm = table.index.to_numpy(dtype=float)
    spectra = [np.interp(WAVELENGTH_NM, measured_nm, table[name].to_numpy(dtype=float) / 100) for name in table]
    return Materials(names=tuple(str(name) for name in table), spectra=np.clip(np.array(spectra), 0.001, 1.0))


def read_responses(data: Path, sensor: Sensor = SENTINEL2) -> Responses:
    """Read the spectral responses of Sentinel-2A or Landsat 8 for the bands of ``sensor``, from an ENVI library."""
    file = RESPONSES_FILES[sensor.name]
    header = existing(data, file + ".hdr").read_text()
    wavelength = np.array([float(v) for v in _listed(header, "wavelength", file)])
    # One library is in nanometres, the other in micrometres.
    wavelength_nm = wavelength * 1000 if wavelength.max() < 100 else wavelength
    names = [_band_of(name, sensor) for name in _listed(header, "spectra names", file)]
    rows = np.fromfile(existing(data, file + ".sli"), dtype="<f8").reshape(len(names), -1)
    resampled = {
        name: np.interp(WAVELENGTH_NM, wavelength_nm, row, left=0, right=0)
        for name, row in zip(names, rows, strict=True)
    }
    weights = np.array([resampled[band] for band in sensor.band_names])
    return Responses(bands=sensor.band_names, weights=weights / weights.sum(axis=1, keepdims=True),
                     resolution_m=np.array([band.resolution_m for band in sensor.bands]))  # fmt: skip


def _listed(header: str, key: str, file: str) -> list[str]:
    found = re.search(rf"^{key} = \{{(.*?)\}}", header, re.MULTILINE | re.DOTALL)
    if not found:
        raise ModelError(f"spectral library {file}.hdr: no list {key!r}")
    return [part.strip() for part in found[1].split(",")]


def _band_of(spectrum: str, sensor: Sensor) -> str | None:
    """``Sentinel-2A - Band B8A`` → ``nir08``, ``SWIR-1`` → ``swir16``; None for bands that howgreen does not use."""
    word = spectrum.rsplit(" ", 1)[-1].lower()
    return common_name({"swir-1": "swir16", "swir-2": "swir22"}.get(word, word), sensor)


def to_bands(spectra: Array, responses: Responses) -> Array:
    """Convolve spectra (..., wavelength) to a sensor's bands (..., band)."""
    return np.asarray(spectra @ responses.weights.T)


def on_axis(values: Array, wavelength_nm: Array) -> Array:
    """Interpolate spectra (n, samples) at other wavelengths to ours; gaps (NaN) are bridged."""
    rows = []
    for row in values:
        known = np.isfinite(row)
        rows.append(np.interp(WAVELENGTH_NM, wavelength_nm[known], row[known]))
    return np.array(rows)
