"""``models`` and ``predict-table``: what tells green from the rest."""

from __future__ import annotations

import json
from pathlib import Path

import click

from howgreen.cli import cards
from howgreen.cli.options import FILE
from howgreen.cli.progress import bars
from howgreen.cli.root import howgreen


@howgreen.command("predict-table")
@click.argument("table", type=FILE)
@click.option("--out", type=FILE, required=True, help="CSV to write.")
@click.option("--model", help="Name of a model or an ONNX file (default: the best that the columns allow).")
def predict_table_command(table: Path, out: Path, model: str | None) -> None:
    """Run a model on rows of reflectance (0-1): adds class probabilities, green_fraction and its
    uncertainty.

    Columns are named B02...B12 or blue...swir22, in any order; other columns are carried through.
    """
    from howgreen import landcover

    chosen = landcover.load_model(model or landcover.default_model(landcover.table_bands(table)))
    notes = landcover.predict_table(table, model=chosen, out=out)
    click.echo(f"{out}: written with model {chosen.card.name}")
    for note in notes:
        click.echo(f"note: table {table}: {note}", err=True)


@howgreen.group("models")
def models_group() -> None:
    """The models that tell green from the rest."""


@models_group.command("list")
def models_list() -> None:
    """Names, bands, error on reference data: those that come with howgreen, then those that were added."""
    from howgreen import landcover
    from howgreen.core.errors import ModelError

    for name in landcover.SHIPPED:
        click.echo(cards.brief(landcover.load_model(name), None))
    broken = []
    for name in landcover.added_names():
        try:
            click.echo(cards.brief(landcover.load_model(name), landcover.entry(name)))
        except ModelError as error:  # one that is damaged must not hide the others
            broken.append(error)
    if broken:
        raise ModelError("; ".join(str(error) for error in broken))


@models_group.command("show")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def models_show(
    model: str,
    as_json: bool,  # noqa: FBT001 (a flag of the command line)
) -> None:
    """The whole card of MODEL, a name or an ONNX file: bands, classes, scores, training data, licence, checksum."""
    from howgreen import landcover

    found = landcover.load_model(model)
    entry = None if model in landcover.SHIPPED else landcover.entry(model)
    if as_json:
        click.echo(json.dumps(cards.as_json(found, entry), indent=2, ensure_ascii=False))
    else:
        click.echo(cards.in_words(found, entry))


@models_group.command("add")
@click.argument("source", metavar="FILE|URL")
@click.option("--name", help="What to call it (default: the name on its card).")
@click.option("--sha256", help="Checksum that the file must have.")
@click.option("--replace", "replaces", is_flag=True, help="Replace a model that was added under the same name.")
def models_add(
    source: str,
    name: str | None,
    sha256: str | None,
    replaces: bool,  # noqa: FBT001 (a flag of the command line)
) -> None:
    """Check a model, try it on a tile, and keep it: from then on its name works as --model NAME.

    Any ONNX file with a complete card will do; docs/models.md says what it has to keep to.
    """
    from howgreen import landcover

    with bars() as progress:
        added = landcover.add_model(source, name=name, sha256=sha256, replaces=replaces, progress=progress)
    click.echo(
        f"{added.model.card.name}: added (sha256 {added.model.sha256}); use it with --model {added.model.card.name}"
    )
    for note in added.notes:
        click.echo(f"note: {note}")


@models_group.command("remove")
@click.argument("name")
def models_remove(name: str) -> None:
    """Forget a model that was added, and delete its file."""
    from howgreen import landcover

    landcover.remove_model(name)
    click.echo(f"{name}: removed; plans that were made with it need it again")
