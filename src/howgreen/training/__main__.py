"""``python -m howgreen.training --data ../shared/data``: rebuild the shipped models."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from howgreen.core.errors import HowgreenError, MissingExtraError


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder with spectra/ and reference/.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(__file__).parents[1] / "landcover" / "models",
    show_default=True,
    help="Where the .onnx files go.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    default=Path("build/models"),
    show_default=True,
    help="Keeps what is finished: a run that was stopped goes on from there.",
)
@click.option(
    "--clouds-out",
    type=click.Path(path_type=Path),
    default=Path(__file__).parents[1] / "clouds" / "models",
    show_default=True,
    help="Where the detectors of clouds go.",
)
def main(data: Path, out: Path, work: Path, clouds_out: Path) -> None:
    """Simulate, train, judge and export every shipped model: a quarter of an hour of one core."""
    try:
        try:
            from howgreen.training.clouds.make import make as make_detectors
            from howgreen.training.make import make
        except ImportError as error:
            raise MissingExtraError(f"training ({error.name})", "train") from error
        written = make_detectors(data, out=clouds_out, progress=_tell)
        written += make(data, out=out, work=work, progress=_tell)
    except HowgreenError as error:
        click.echo(f"howgreen.training: {error}", err=True)
        sys.exit(1)
    for path in written:
        click.echo(f"{path}  {path.stat().st_size:,} bytes")


def _tell(stage: str, done: int, total: int) -> None:
    click.echo(f"\r{stage}: {done}/{total}", err=True, nl=done == total)


if __name__ == "__main__":
    main()
