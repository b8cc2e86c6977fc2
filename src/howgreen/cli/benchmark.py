"""``benchmark``: measure again which algorithm maps green best."""

from __future__ import annotations

from pathlib import Path

import click

from howgreen.cli.options import FOLDER, json_option
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json
from howgreen.core.errors import MissingExtraError


@howgreen.command("benchmark", epilog=examples("howgreen benchmark --data reference-data --quick --algorithm forest"))
@click.option("--data", type=FOLDER, required=True, help="Folder with spectra/, reference/ and aberystwyth/.")
@click.option(
    "--out",
    type=FOLDER,
    default=Path("benchmark"),
    show_default=True,
    help="Folder for benchmark.md, contest.md, img/ and models/.",
)
@click.option("--work", type=FOLDER, help="Folder for finished parts and the models (default: OUT/parts).")
@click.option(
    "--bands",
    "band_sets",
    multiple=True,
    type=click.Choice(["sentinel-2", "four", "landsat"]),
    default=("sentinel-2",),
    show_default=True,
    help="Bands that the algorithms may use; may be repeated.",
)
@click.option("--algorithm", "names", multiple=True, help="Only this algorithm, or combination; may be repeated.")
@click.option(
    "--no-real-pictures",
    is_flag=True,
    help="Draw no real image, only the maps made of it: a page to pass on, whatever the licence of the data.",
)
@click.option("--shipped", is_flag=True, help="Judge only the shipped models: no algorithm is trained.")
@click.option("--quick", is_flag=True, help="Use tiny samples to see it run: the figures mean nothing.")
@json_option
def benchmark_command(
    data: Path,
    out: Path,
    work: Path | None,
    band_sets: tuple[str, ...],
    names: tuple[str, ...],
    no_real_pictures: bool,
    shipped: bool,
    quick: bool,
    as_json: bool,
) -> None:
    """Judge the models, compare the algorithms (extra [train]).

    Judges the shipped models on land that was not used to train them; then trains every algorithm on the same samples and judges each
    on cities that it never saw; writes a page about either, with pictures of every algorithm, and all models as files for
    `howgreen city --model`. Takes about 15 minutes on two cores for one set of bands, two with
    --shipped; a run that was stopped continues from its finished parts.
    """
    try:
        from howgreen.training.contest.face import Asked, contest_page, shipped_page
    except ImportError as error:
        raise MissingExtraError(f"the benchmark ({error.name})", "train") from error
    asked = Asked(band_sets=band_sets, names=names, quick=quick, real_pictures=not no_real_pictures)
    with bars() as progress:
        pages = [] if quick else [shipped_page(data, out=out, progress=progress)]
        if not shipped:
            kept = work or out / "parts"
            pages.append(contest_page(data, out=out, work=kept, ask=asked, progress=progress))
    if as_json:
        say_json({"pages": [str(page) for page in pages]})
        return
    for page in pages:
        say(f"{page}: written")
