"""``models`` and ``predict-table``: the classifiers of green."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from howgreen.cli import cards
from howgreen.cli.options import FILE, json_option
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json

if TYPE_CHECKING:
    from howgreen.landcover.wrap import Answers, Kind


@howgreen.command("predict-table", epilog=examples("howgreen predict-table spectra.csv --out predicted.csv"))
@click.argument("table", type=FILE)
@click.option("--out", type=FILE, required=True, help="CSV to write.")
@click.option("--model", help="Name of a model or an ONNX file (default: the best that the columns allow).")
@click.option(
    "--prefix", help="Before the names of the new columns (default: howgreen_ where the table has such names)."
)
@json_option
def predict_table_command(
    table: Path,
    out: Path,
    model: str | None,
    prefix: str | None,
    as_json: bool,
) -> None:
    """Run a model on the rows of a table of reflectances.

    Adds class probabilities, green_fraction and its uncertainty. Columns are named B02...B12 or blue...swir22, in any
    order, and hold reflectance between 0 and 1. Other columns are carried through.
    """
    from howgreen import landcover

    chosen = landcover.load_model(model or landcover.default_model(landcover.table_bands(table)))
    notes = landcover.predict_table(table, model=chosen, out=out, prefix=prefix)
    if as_json:
        say_json({"out": str(out), "model": chosen.card.name, "notes": list(notes)})
        return
    say(f"{out}: written with model {chosen.card.name}")
    for note in notes:
        say(f"note: table {table}: {note}", err=True)


@howgreen.group("models")
def models_group() -> None:
    """List, show, add, wrap and remove models."""


@models_group.command("list", epilog=examples("howgreen models list"))
@json_option
def models_list(
    as_json: bool,
) -> None:
    """List the models.

    Names, bands and errors on reference data: first those that come with howgreen, then those that you added.
    """
    from howgreen import landcover
    from howgreen.core.errors import ModelError

    found: list[tuple[landcover.Model, landcover.Entry | None]] = [
        (landcover.load_model(name), None) for name in landcover.SHIPPED
    ]
    broken = []
    for name in landcover.added_names():
        try:
            found.append((landcover.load_model(name), landcover.entry(name)))
        except ModelError as error:  # a damaged model must not hide the others
            broken.append(error)
    if as_json:
        say_json([cards.as_json(*one) for one in found])
    else:
        for one in found:
            say(cards.brief(*one))
    if broken:
        raise ModelError("; ".join(str(error) for error in broken))


@models_group.command("show", epilog=examples("howgreen models show mixture-10"))
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def models_show(
    model: str,
    as_json: bool,
) -> None:
    """Show everything on a model's card.

    MODEL is a name or an ONNX file. The card has bands, classes, scores, training data, licence and checksum.
    """
    from howgreen import landcover

    found = landcover.load_model(model)
    entry = None if model in landcover.SHIPPED else landcover.entry(model)
    if as_json:
        say_json(cards.as_json(found, entry))
    else:
        click.echo(cards.in_words(found, entry))


@models_group.command("add", epilog=examples("howgreen models add mycity.onnx", "howgreen city Bolzano --model mycity"))
@click.argument("source", metavar="FILE|URL")
@click.option("--name", help="What to call it (default: the name on its card).")
@click.option("--sha256", help="Checksum that the file must have.")
@click.option("--replace", "replaces", is_flag=True, help="Replace a model that was added under the same name.")
@json_option
def models_add(
    source: str,
    name: str | None,
    sha256: str | None,
    replaces: bool,
    as_json: bool,
) -> None:
    """Check a model, and keep it under its name.

    The model is tried on a tile first. From then on, --model NAME uses it. Any ONNX file with a complete card will do;
    docs/models.md says what it must contain.
    """
    from howgreen import landcover

    with bars() as progress:
        added = landcover.add_model(source, name=name, sha256=sha256, replaces=replaces, progress=progress)
    if as_json:
        say_json({"name": added.model.card.name, "sha256": added.model.sha256, "notes": list(added.notes)})
        return
    say(f"{added.model.card.name}: added (sha256 {added.model.sha256}); use it with --model {added.model.card.name}")
    for note in added.notes:
        say(f"note: {note}")


@models_group.command(
    "wrap",
    epilog=examples(
        "howgreen models wrap forest.onnx --out mine.onnx --bands B02,B03,B04,B08 \\",
        "    --classes tree:green,grass:green,built,water --kind table --answers probability --scale 10000",
    ),
)
@click.argument("source", metavar="FILE", type=FILE)
@click.option("--out", type=FILE, required=True, help="ONNX file to write.")
@click.option(
    "--bands", required=True, help="Bands in the order of the model's input: blue,green,red,nir or B02,B03,B04,B08."
)
@click.option(
    "--classes", required=True, help="Classes in the order of its output: tree:green,grass:green,built,bare,water."
)
@click.option(
    "--kind",
    type=click.Choice(["table", "nchw", "nhwc"]),
    required=True,
    help="Rows of bands, or images with the bands' axis second or last.",
)
@click.option(
    "--answers",
    type=click.Choice(["logits", "probability", "labels", "fraction"]),
    required=True,
    help="What the classifier returns for a pixel.",
)
@click.option(
    "--scale",
    type=float,
    default=1.0,
    show_default=True,
    help="The classifier was trained on reflectance times this: 10000 for the usual digital numbers.",
)
@click.option("--mean", help="One number for each band, subtracted after scaling: 0.1,0.2,...")
@click.option("--std", help="One number for each band; the difference is divided by it.")
@click.option(
    "--resolution",
    "resolution_m",
    type=float,
    default=10.0,
    show_default=True,
    help="Pixel size in metres that it was trained on.",
)
@click.option(
    "--tile",
    "tile_px",
    type=click.IntRange(1, 4096),
    help="Width of a tile in pixels (default: as its graph says, otherwise 128).",
)
@click.option(
    "--halo",
    "halo_px",
    type=click.IntRange(0, 1024),
    help="Pixels around a tile that influence it (default: 0 for rows, 16 for images).",
)
@json_option
def models_wrap(
    source: Path,
    out: Path,
    bands: str,
    classes: str,
    kind: Kind,
    answers: Answers,
    scale: float,
    mean: str | None,
    std: str | None,
    resolution_m: float,
    tile_px: int | None,
    halo_px: int | None,
    as_json: bool,
) -> None:
    """Turn a classifier of another tool into a model.

    Takes ONNX files of scikit-learn, LightGBM, XGBoost, PyTorch or TensorFlow, and writes one that `models add` takes.
    """
    from howgreen.core.sensors import common_name
    from howgreen.landcover.wrap import Wrapping, parse_classes, wrap_model

    given = [name.strip() for name in bands.split(",")]
    unknown = [name for name in given if not common_name(name)]
    if unknown:
        raise click.BadParameter(
            f"{', '.join(unknown)}: no band's name; write B02 ... B12 or blue ... swir22", param_hint="--bands"
        )
    wrapping = Wrapping(
        bands=tuple(common_name(name) or name for name in given), classes=parse_classes(classes), kind=kind, answers=answers,
        scale=scale, mean=_numbers(mean, "--mean"), std=_numbers(std, "--std"), resolution_m=resolution_m, tile_px=tile_px, halo_px=halo_px,
    )  # fmt: skip
    card = wrap_model(source, out, name=out.stem, wrapping=wrapping)
    if as_json:
        say_json({"model": str(out), "bands": list(card.bands), "classes": [one.name for one in card.classes]})
        return
    say(
        f"{out}: wrapped, {len(card.bands)} bands, classes {', '.join(one.name for one in card.classes)}; now `howgreen models add {out}`"
    )


def _numbers(text: str | None, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(",")) if text else ()
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: write numbers parted by commas", param_hint=option) from error


@models_group.command("remove", epilog=examples("howgreen models remove mycity"))
@click.argument("name")
@json_option
def models_remove(name: str, as_json: bool) -> None:
    """Delete a model that was added."""
    from howgreen import landcover

    landcover.remove_model(name)
    if as_json:
        say_json({"removed": name})
        return
    say(f"{name}: removed; plans that were made with it need it again")
