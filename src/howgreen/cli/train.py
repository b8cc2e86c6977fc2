"""``train``: your own model from your own labels."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from howgreen.cli.options import DAY, FILE, json_option
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json
from howgreen.core.errors import MissingExtraError
from howgreen.core.warnings import warn


@howgreen.command(
    "train",
    epilog=examples(
        "howgreen train --labels labels.gpkg --images composite.tif --out mycity.onnx",
        'howgreen city "My City" --model mycity.onnx',
    ),
)
@click.option(
    "--labels", type=FILE, help="Polygons or points with a class, in any vector format, or a GeoTIFF of classes."
)
@click.option("--column", default="class", show_default=True, help="Column that holds the class.")
@click.option("--classes", "meanings", help="What the values of the column or the raster mean: 1=water,2=tree,3=built.")
@click.option("--osm-green", type=FILE, help="GeoPackage of `howgreen osm-green`, taken as weak labels and filtered.")
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="A GeoTIFF with named bands, one file for each band, or a SAFE or Landsat folder; several days of the same ground may be given.",
)
@click.option("--bands", help="Names of the bands in the file's order: red,green,blue,nir.")
@click.option("--scale", type=float, help="Reflectance = digital number x scale + offset.")
@click.option("--offset", type=float, help="See --scale.")
@click.option("--nodata", type=float, help="Number that means no data, where the file does not say it.")
@click.option("--date", "day", type=DAY, help="Day of the image, if its files do not say.")
@click.option("--sensor", help="Satellite of the image, where its bands do not tell: sentinel-2 or landsat.")
@click.option(
    "--algorithm",
    default="forest",
    show_default=True,
    help="ndvi-rule, ndvi-linear, knn, svm, forest, boosting, network, unet or combination.",
)
@click.option("--out", type=FILE, required=True, help="ONNX file to write.")
@json_option
def train_command(
    labels: Path | None,
    column: str,
    meanings: str | None,
    osm_green: Path | None,
    images: tuple[Path, ...],
    bands: str | None,
    scale: float | None,
    offset: float | None,
    nodata: float | None,
    day: date | None,
    sensor: str | None,
    algorithm: str,
    out: Path,
    as_json: bool,
) -> None:
    """Train a model for one city (extra [train]).

    Use it with `howgreen city NAME --model OUT`. Classes are tree, low vegetation, cropland, built, bare and water. Polygons and
    blocks of points are held out whole to judge the model; a page beside it shows where labels and map disagree.
    """
    try:
        from howgreen.store.options import Options
        from howgreen.training.own.face import LabelFiles, parse_classes, train_from_files, verdict
    except ImportError as error:
        raise MissingExtraError(f"training ({error.name})", "train") from error
    with bars() as progress:
        given = LabelFiles(
            labels=labels, column=column, classes=parse_classes(meanings) if meanings else None, osm_green=osm_green
        )
        said = Options(
            bands=bands.split(",") if bands else None, scale=scale, offset=offset,
            nodata=nodata, sensor=sensor, date=day,
        )  # fmt: skip
        trained = train_from_files(list(images), given, options=said, algorithm=algorithm, out=out, progress=progress)
    warn(*trained.cautions)
    if as_json:
        about = {"model": str(trained.path), "learned_from": dict(trained.counts), "notes": list(trained.notes)}
        say_json({**about, "verdict": verdict(trained, algorithm), "page": str(out.with_suffix(".html"))})
        return
    say(f"{trained.path}: learned from {', '.join(f'{n} {name}' for name, n in trained.counts.items())}")
    for note in trained.notes:
        say(f"note: {note}")
    say(verdict(trained, algorithm))
    say(f"{out.with_suffix('.html')}: how right it is, its map beside the image, and where labels disagree")
