"""``train``: a model of one's own from one's own labels."""

from __future__ import annotations

from pathlib import Path

import click

from howgreen.cli.options import FILE
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say
from howgreen.core.errors import MissingExtraError


@howgreen.command(
    "train",
    epilog=examples(
        "howgreen train --labels labels.gpkg --images composite.tif --out mycity.onnx",
        'howgreen city "My City" --model mycity.onnx',
    ),
)
@click.option("--labels", type=FILE, help="Polygons or points with a class, in any vector format.")
@click.option("--column", default="class", show_default=True, help="Column that holds the class.")
@click.option("--osm-green", type=FILE, help="GeoPackage of `howgreen osm-green`, taken as weak labels and filtered.")
@click.option(
    "--images", type=FILE, multiple=True, required=True, help="A GeoTIFF with named bands, or one file for each band."
)
@click.option("--bands", help="Names of the bands in the file's order: red,green,blue,nir.")
@click.option("--scale", type=float, help="Reflectance = digital number x scale + offset.")
@click.option("--offset", type=float, help="See --scale.")
@click.option(
    "--algorithm",
    default="forest",
    show_default=True,
    help="ndvi-rule, ndvi-linear, knn, svm, forest, boosting, network, unet or combination.",
)
@click.option("--out", type=FILE, required=True, help="ONNX file to write.")
def train_command(
    labels: Path | None,
    column: str,
    osm_green: Path | None,
    images: tuple[Path, ...],
    bands: str | None,
    scale: float | None,
    offset: float | None,
    algorithm: str,
    out: Path,
) -> None:
    """Train a model for one city (extra [train]).

    Use it with `howgreen city NAME --model OUT`. Classes are tree, low vegetation, cropland, built, bare and water. A third
    of the polygons is held out whole to judge the model.
    """
    try:
        from howgreen.training.own.face import train_from_files
    except ImportError as error:
        raise MissingExtraError(f"training ({error.name})", "train") from error
    with bars() as progress:
        trained = train_from_files(
            list(images), labels=labels, column=column, osm_green=osm_green, scale=scale, offset=offset, algorithm=algorithm,
            bands=tuple(name.strip() for name in bands.split(",")) if bands else None, out=out, progress=progress,
        )  # fmt: skip
    say(f"{trained.path}: {algorithm}, learned from {', '.join(f'{n} {name}' for name, n in trained.counts.items())}")
    for note in trained.notes:
        say(f"note: {note}")
    scores = trained.card.scores
    if scores:
        say(
            f"on {scores['held_out_n']:.0f} pixels of polygons held out: {scores['held_out_oa']:.1%} right, green or not"
        )
    else:
        say("not judged: a class has a single polygon, so none could be held out")
