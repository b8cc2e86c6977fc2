"""Judge the detectors on real images beside s2cloudless: ``python -m howgreen.training.clouds.judge --data DATA``.

Prints the tables of ``docs/clouds.md``, and draws each image beside its detections. No image here was used for training
or tuning.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import rasterio

from howgreen import clouds

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

TEN = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")
SIX = ("blue", "green", "red", "nir", "swir16", "swir22")
BRIGHT = 0.2
"""Mean visible reflectance of bright ground."""
COLOURS = np.array([(70, 130, 70), (255, 255, 255), (60, 60, 160), (120, 220, 255)], np.uint8)
PEER_MODEL = "models/pixel_s2_cloud_detector_lightGBM_v0.1.txt"
PEER_BANDS = (0, 1, 3, 4, 7, 8, 9, 10, 11, 12)
"""The bands used by s2cloudless, of Sentinel-2's thirteen."""
PEER_CLOUD = 0.4
PEER_AROUND_PX = 9
"""Side of the averaging window over its probability; its own default is a disk of 4 pixels."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One real image on cells."""

    name: str
    light: dict[str, Floats]
    """Reflectance (y, x) by band."""
    cell_m: float
    day: date
    latitude: float
    cloud: Bools | None = None
    """Cloud in its reference, if there is one."""
    reference: str = ""

    def found(self, detector: str) -> npt.NDArray[np.uint8]:
        """Classify the cells of this image by one detector."""
        return clouds.alone(self.look(detector), cell_m=self.cell_m, latitude=self.latitude, day=self.day)

    def look(self, detector: str) -> clouds.Look:
        """Run a detector on it."""
        bands = clouds.bands_of(detector)
        stack = np.stack([self.light[band] for band in bands]).astype(np.float32)
        chance = np.rint(clouds.probabilities(detector, stack) * 255).astype(np.uint8)
        return clouds.Look(probability=chance, visible=stack[0], nir=stack[bands.index("nir")])


def coarse(values: npt.NDArray[np.floating], k: int) -> Floats:
    """Average squares of k x k pixels (y, x)."""
    height, width = (side // k * k for side in values.shape)
    parts = values[:height, :width].reshape(height // k, k, width // k, k)
    return np.asarray(parts.mean(axis=(1, 3)), np.float32)


def _read(path: Path) -> npt.NDArray[np.float32]:
    with rasterio.open(path) as file:
        return np.asarray(file.read(), np.float32)


def _image(name: str, planes: dict[str, Floats], k: int, pixel_m: float, day: date, latitude: float) -> Image:
    return Image(
        name=name,
        light={band: coarse(plane, k) for band, plane in planes.items()},
        cell_m=pixel_m * k,
        day=day,
        latitude=latitude,
    )


SLOVENIA = (date(2015, 8, 20), date(2015, 7, 31), date(2015, 9, 9), date(2015, 8, 30), date(2015, 7, 11))


def slovenia(data: Path) -> list[Image]:
    """Read five dates at the top of the atmosphere: one fully clouded, one veiled, three clear."""
    scenes = np.load(data / "slovenia_dates" / "REFERENCE_SCENES.npy")
    columns = dict(zip(TEN, (1, 2, 3, 4, 5, 6, 7, 8, 11, 12), strict=True))
    return [
        _image(f"Slovenia {day}", {band: scenes[i, ..., c] for band, c in columns.items()}, 4, 10, day, 45.9)
        for i, day in enumerate(SLOVENIA)
    ]


def others(data: Path) -> Iterator[Image]:
    """Read all other images."""
    names = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}
    for title, stem in (("Lommel, top of atmosphere", "ref_input_S2"), ("Lommel, corrected", "ref_check_icor_S2")):
        planes = {band: _read(data / "lommel" / f"{stem}_{code}.tif")[0] for band, code in names.items()}
        planes = {band: np.where(plane == 65535, np.nan, plane / 1e4) for band, plane in planes.items()}
        yield _image(title, planes, 4, 10, date(2019, 4, 11), 51.2)
    folder = data / "fort_mcmurray"
    planes = {band: _read(folder / f"{code}.tif")[0] / 1e4 for band, code in names.items()}
    scl = _read(folder / "SCL.tif")[0]
    fort = _image("Fort McMurray", planes, 3, 12, date(2019, 5, 22), 56.7)
    marked = coarse(np.isin(scl, (8, 9, 10)).astype(float), 3) > 0.5
    yield replace(fort, cloud=marked, reference="SCL 8, 9, 10")
    probable = coarse((_read(folder / "CLP.tif")[0] / 255 >= 0.4).astype(float), 3) > 0.5
    yield replace(fort, cloud=probable, reference="cloud probability 40 %")
    for file, day in (
        ("LE70220491999322_stack.tif", date(1999, 11, 18)),
        ("LE70220492002106_stack.tif", date(2002, 4, 16)),
    ):
        stack = _read(data / "tabasco_l7" / file)
        light = np.where(stack[:6] < -9000, np.nan, stack[:6] / 1e4)
        made = _image(f"Tabasco {day}", dict(zip(SIX, light, strict=True)), 2, 30, day, 17.5)
        yield replace(made, cloud=coarse((stack[7] == 4).astype(float), 2) > 0.5, reference="Fmask")
    detroit = _read(data / "detroit_l5" / "LT05_020030_merge_19950712_stack_clip.tiff")
    light = np.where(detroit < -9000, np.nan, detroit / 1e4)
    yield _clear(_image("Detroit", dict(zip(SIX, light, strict=True)), 2, 30, date(1995, 7, 12), 42.3))
    for title, file, scale, day, latitude in (
        ("Tlaxcala", "tlaxcala/Tlaxcala_allbands.tiff", 1e4, date(2020, 2, 1), 19.3),
        ("Aberystwyth", "aberystwyth/sen2_20210527_aber_mosaic.tif", 1e3, date(2021, 5, 27), 52.4),
    ):
        stack = _read(data / file)
        stack[:, (stack == 0).all(axis=0)] = np.nan
        yield _clear(_image(title, dict(zip(TEN, stack / scale, strict=True)), 4, 10, day, latitude))
    bolzano = _read(data / "bolzano" / "S2_L2A_sample.tif")
    light = np.where(bolzano[:1] == 0, np.nan, bolzano[:4] / 1e4)
    yield _clear(
        _image("Bolzano", dict(zip(("red", "green", "blue", "nir"), light, strict=True)), 4, 10, date(2023, 7, 1), 46.5)
    )


def _clear(image: Image) -> Image:
    """Make an image in which people see no cloud."""
    return replace(image, cloud=np.zeros(image.light["red"].shape, bool), reference="clear by eye")


def detectors(image: Image) -> list[str]:
    """List all detectors whose bands an image has."""
    return [
        name
        for name in ("clouds-10", "clouds-6", "clouds-4", "clouds-3")
        if set(clouds.bands_of(name)) <= set(image.light)
    ]


def row(image: Image, detector: str) -> str:
    """Format one table row: the share hidden, the detected share of the reference, and the bright clear ground lost."""
    found, data = image.found(detector), np.isfinite(image.light["red"])
    cloud = (found == clouds.CLOUD_CELL) | (found == clouds.SNOW_CELL)
    shares = [100 * float(part[data].mean()) for part in (cloud, found == clouds.SHADOW_CELL)]
    told = [f"{share:.1f}" for share in shares]
    if image.cloud is None:
        return f"| {image.name} | {detector} | {told[0]} | {told[1]} | – | – | – |"
    clear = data & ~image.cloud
    bright = clear & (np.mean([image.light[band] for band in ("green", "red")], axis=0) > BRIGHT)
    hit = 100 * float(cloud[image.cloud & data].mean()) if (image.cloud & data).any() else None
    lost = 100 * float(cloud[bright].mean()) if bright.any() else 0.0
    return (
        f"| {image.name} ({image.reference}) | {detector} | {told[0]} | {told[1]} | {'–' if hit is None else f'{hit:.0f}'} "
        f"| {100 * float(cloud[clear].mean()):.1f} | {lost:.1f} of {bright.sum()} cells |"
    )


def peer(data: Path) -> list[float] | None:
    """Return the percentage of each Slovenian date that s2cloudless calls cloud; None if it is not installed.

    Its model on its ten bands at the top of the atmosphere, with its probability averaged over nine pixels, cloud from
    40 %.
    """
    spec = importlib.util.find_spec("s2cloudless")
    if spec is None or spec.origin is None:
        return None
    from lightgbm import Booster
    from scipy import ndimage

    booster = Booster(model_file=str(Path(spec.origin).parent / PEER_MODEL))
    scenes = np.load(data / "slovenia_dates" / "REFERENCE_SCENES.npy")[..., list(PEER_BANDS)]
    shares = []
    for scene in scenes:
        chance = np.asarray(booster.predict(scene.reshape(-1, len(PEER_BANDS)))).reshape(scene.shape[:2])
        shares.append(100 * float((ndimage.uniform_filter(chance, PEER_AROUND_PX) >= PEER_CLOUD).mean()))
    return shares


def picture(image: Image, detector: str) -> npt.NDArray[np.uint8]:
    """Draw an image beside its detections (y, x, 3)."""
    light = np.stack([image.light[band] for band in ("red", "green", "blue")], axis=-1)
    photo = (np.clip(np.nan_to_num(light) / 0.35, 0, 1) ** 0.7 * 255).astype(np.uint8)
    return np.concatenate([photo, COLOURS[image.found(detector)]], axis=1)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of real images.")
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder for a picture of each.")
def main(data: Path, pictures: Path | None) -> None:
    """Print the tables, and draw the pictures."""
    images = [*slovenia(data), *others(data)]
    click.echo("| image (reference) | detector | cloud, haze, snow % | shadow % | of the reference's cloud found % | of clear ground lost % | of bright clear ground lost % |")  # fmt: skip
    click.echo("|---|---|--:|--:|--:|--:|--:|")
    for image in images:
        for name in detectors(image):
            click.echo(row(image, name))
    together = clouds.together(
        [image.look("clouds-10") for image in images[:5]], cell_m=40, latitude=45.9, days=list(SLOVENIA)
    )
    shares = peer(data)
    click.echo("\n| Slovenia | alone % | all five together % | s2cloudless % |\n|---|--:|--:|--:|")
    for i, image in enumerate(images[:5]):
        other = "not installed" if shares is None else f"{shares[i]:.0f}"
        alone = 100 * float((image.found("clouds-10") == clouds.CLOUD_CELL).mean())
        both = 100 * float((together[i] == clouds.CLOUD_CELL).mean())
        click.echo(f"| {image.day} | {alone:.0f} | {both:.0f} | {other} |")
    if pictures is not None:
        from PIL import Image as Picture

        pictures.mkdir(parents=True, exist_ok=True)
        for image in images:
            name = "".join(sign if sign.isalnum() else "-" for sign in image.name.lower())
            Picture.fromarray(picture(image, detectors(image)[0])).save(pictures / f"{name}.png")


if __name__ == "__main__":
    main()
