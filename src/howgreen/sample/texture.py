"""Random textures: smooth noise, fractal noise, and a tile of tree crowns. All seeded, all float32 or uint8."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import fft, ndimage

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

TILE_PX = 1024
"""Side of the repeating tiles; every user shifts them, so that the repetition is invisible."""


def resized(values: Floats, shape: tuple[int, int]) -> Floats:
    """Resample a 2-D array to ``shape`` by bicubic interpolation."""
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC), np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], *, wavelength_px: float) -> Floats:
    """Return noise of one scale, mean 0, standard deviation about 1."""
    coarse = (int(shape[0] / wavelength_px) + 5, int(shape[1] / wavelength_px) + 5)
    values = rng.standard_normal(coarse).astype(np.float32)
    big = (round(coarse[0] * wavelength_px), round(coarse[1] * wavelength_px))
    pad = int(wavelength_px)
    return resized(values, big)[pad : pad + shape[0], pad : pad + shape[1]] * np.float32(1.25)


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], *, wavelength_px: float, octaves: int, gain: float = 0.5
) -> Floats:
    """Return isotropic noise from ``wavelength_px`` down over some octaves, each ``gain`` as strong as the one before.

    Made in the frequency domain, where no lattice shows; mean 0, standard deviation 1; periodic.
    """
    spectrum = fft.rfft2(rng.standard_normal(shape, np.float32))
    down, across = (fft.fftfreq(shape[0]) * wavelength_px) ** 2, (fft.rfftfreq(shape[1]) * wavelength_px) ** 2
    f2 = down.astype(np.float32)[:, None] + across.astype(np.float32)
    f2[0, 0] = 1
    # f ** (log2(gain) - 1) x exp(-(f / 2 ** octaves) ** 2), in one exponential
    power = np.exp(np.log(f2) * np.float32((np.log2(gain) - 1) / 2) - f2 * np.float32(4.0**-octaves))
    power[0, 0] = 0
    power[f2 < 0.36] = 0
    noise = np.asarray(fft.irfft2(spectrum * power, s=shape), np.float32)
    return noise / np.float32(noise.std() + 1e-12)


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Repeating 1 m textures, (TILE_PX, TILE_PX) flattened, twice over, so that a shifted one needs no wrapping."""

    rank: Bytes
    """Tree crowns: each has one rank 0-254, and exists where rank < 255 x density; 255 between crowns."""
    height: Bytes
    """Height of the crown's surface in metres."""
    hue: Bytes
    """One random value 0-255 per crown."""
    grain: Floats
    """Noise over several scales from 1 m to 60 m, deviation 1."""
    patch: Floats
    """Noise of 30-120 m, deviation 1, for patches, paths and ponds."""


def _wrapped_noise(rng: np.random.Generator, scales: tuple[float, ...]) -> Floats:
    total = np.zeros((TILE_PX, TILE_PX), np.float32)
    for scale in scales:
        layer = ndimage.gaussian_filter(
            rng.standard_normal((TILE_PX, TILE_PX)).astype(np.float32), scale, mode="wrap", truncate=3
        )
        total += layer / layer.std()
    noise: Floats = total / total.std()
    return noise


def _crowns(rng: np.random.Generator, number: int) -> tuple[Bytes, Bytes, Bytes]:
    rank = np.full((TILE_PX, TILE_PX), 255, np.uint8)
    height, hue = np.zeros((2, TILE_PX, TILE_PX), np.uint8)
    quarters = np.sort(np.round(np.clip(rng.gamma(6.0, 0.62, number), 1.4, 7.5) * 4).astype(np.int64))
    for quarter in np.unique(quarters):  # small first, as tall trees overtop them
        radius, n = quarter / 4, int((quarters == quarter).sum())
        reach = int(radius) + 1
        dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        dome = 1 - (dy**2 + dx**2) / radius**2
        disc = dome > 0
        middle = rng.integers(0, TILE_PX, (2, n, 1))
        rows, cols = (middle[0] + dy[disc]) % TILE_PX, (middle[1] + dx[disc]) % TILE_PX
        tall = (3 + 2.4 * radius * rng.uniform(0.8, 1.2, (n, 1))) * (0.45 + 0.55 * np.sqrt(dome[disc]))
        rank[rows, cols], hue[rows, cols] = rng.integers(0, 255, (n, 1)), rng.integers(0, 256, (n, 1))
        height[rows, cols] = np.clip(tall, 2, 26).astype(np.uint8)
    return rank, height, hue


def make_tiles(seed: int) -> Tiles:
    """Make the tiles of a seed."""
    rng = np.random.default_rng([seed, 11])
    rank, height, hue = _crowns(rng, 60_000)
    grain, patch = _wrapped_noise(rng, (0.7, 3.0, 15.0)), _wrapped_noise(rng, (18.0, 34.0))
    return Tiles(
        rank=np.tile(rank.reshape(-1), 2),
        height=np.tile(height.reshape(-1), 2),
        hue=np.tile(hue.reshape(-1), 2),
        grain=np.tile(grain.reshape(-1), 2),
        patch=np.tile(patch.reshape(-1), 2),
    )
