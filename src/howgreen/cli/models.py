"""``models`` and ``predict-table``: what tells green from the rest."""

from __future__ import annotations

from pathlib import Path

import click

from howgreen.cli.options import FILE
from howgreen.cli.root import howgreen


@howgreen.command("predict-table")
@click.argument("table", type=FILE)
@click.option("--out", type=FILE, required=True, help="CSV to write.")
@click.option("--model", help="Name of a shipped model or an ONNX file (default: the best that the columns allow).")
def predict_table_command(table: Path, out: Path, model: str | None) -> None:
    """Run a model on rows of reflectance (0-1): adds class probabilities and green_fraction.

    Columns are named B02...B12 or blue...swir22, in any order; other columns are carried through.
    """
    from howgreen import landcover

    chosen = landcover.load_model(model or landcover.default_model(landcover.table_bands(table)))
    landcover.predict_table(table, model=chosen, out=out)
    click.echo(f"{out}: written with model {chosen.card.name}")


@howgreen.group("models")
def models_group() -> None:
    """The models that tell green from the rest."""


@models_group.command("list")
def models_list() -> None:
    """Names, bands, error on reference data."""
    from howgreen import landcover

    for model in landcover.models():
        card = model.card
        error = card.reference_error
        scored = "no reference" if error is None else f"RMSE {error.rmse:.3f}, bias {error.bias:+.3f} on {error.source}"
        click.echo(f"{card.name:12s} {card.version:6s} {len(card.bands):2d} bands: {', '.join(card.bands)}")
        click.echo(f"{'':12s} {card.description}\n{'':12s} {scored}\n{'':12s} sha256 {model.sha256}")
