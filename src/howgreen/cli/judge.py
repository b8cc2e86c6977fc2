"""``judge``: compare the map with a user's labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from howgreen.cli.asked import AskedPlan
from howgreen.cli.options import FILE, place_options, plan_options
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json
from howgreen.cli.warnings import refuse_if_strict
from howgreen.core.text import one_line

if TYPE_CHECKING:
    from howgreen.estimate.judge import Judgement, Share
    from howgreen.pipeline.judging import Judged


@howgreen.command(
    "judge",
    epilog=examples(
        "howgreen judge sampleton --labels trees.gpkg --column kind",
        'howgreen judge "Lyon, France" --labels landuse.gpkg --classes 1=water,2=tree',
        "howgreen judge lyon-france --labels points.gpkg --probability",
    ),
)
@place_options
@plan_options
@click.option(
    "--labels", "file", type=FILE, required=True, help="Polygons or points with a class, in any vector format."
)
@click.option("--column", default="class", show_default=True, help="Column that holds the class.")
@click.option("--classes", "meanings", help="What the column's values mean: 1=water,2=tree,3=built.")
@click.option("--share-column", help="Column that holds the green share of each label, 0-1.")
@click.option(
    "--probability", is_flag=True, help="The labels are points drawn at random in the place, all with the same chance."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def judge_command(
    file: Path,
    column: str,
    meanings: str | None,
    share_column: str | None,
    probability: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Compare the map with labels that you have.

    NAME is the folder of a report, or a place as for `city`, whose map is then made. Labels are a tree register, land use,
    field points: polygons or points with a class (tree, low vegetation, cropland, built, bare, water or a usual
    name of these).
    """
    from howgreen.core.labels import parse_classes
    from howgreen.estimate.judge import to_json
    from howgreen.pipeline import city as pipeline
    from howgreen.pipeline import judging

    labels = judging.LabelFile(
        path=file, column=column, classes=parse_classes(meanings) if meanings else None, share_column=share_column,
        probability=probability,
    )  # fmt: skip
    judging.read(labels)  # report their faults before any work
    folder = Path(asked["query"] or "")
    if asked["query"] and judging.is_report(folder):
        mapped = judging.map_of_report(folder)
    else:
        with bars() as progress:
            planned = AskedPlan(**asked).plan(progress=progress)
            refuse_if_strict()
            mapped = judging.map_of(pipeline.run(planned, progress=progress))
            refuse_if_strict()
    judged = judging.judge_by(mapped, labels)
    if as_json:
        say_json({"map": judged.title, "labels": judged.shapes, **to_json(judged.found), "notes": list(judged.notes)})
    else:
        say("\n".join(_in_words(judged)))


def _in_words(judged: Judged) -> list[str]:
    found = judged.found
    places = "places drawn at random" if found.probability else "labelled places"
    kappa = "" if found.kappa is None else f", kappa {found.kappa:.2f}"
    bias = f"{100 * (found.bias.value or 0):+.1f} points"
    if found.bias.low is not None and found.bias.high is not None:
        bias += f" ({100 * found.bias.low:+.1f} to {100 * found.bias.high:+.1f})"
    return [
        f"{one_line(judged.title)}: {_share(found.overall)} of {found.places:,} {places} are right{kappa}",
        "a probability sample: the 95 % intervals hold for the whole place"
        if found.probability
        else "not a probability sample: this describes these places, not the whole place, so there are no intervals",
        "",
        *_table(found),
        "",
        *(
            f"where labels say {name}: {one.called_green:.0%} called green, mean green share {one.mean_green:.2f} ({one.places:,} places)"
            for name, one in found.classes.items()
        ),
        f"green share: RMSE {found.rmse:.2f}, bias {bias}",
        *(f"note: {note}" for note in judged.notes),
    ]


def _table(found: Judgement) -> list[str]:
    """Format the confusion matrix: rows are the map's classes, columns those of the labels."""
    kinds = list(found.users)
    head = f"{'map / labels':14}" + "".join(f"{kind:>12}" for kind in kinds) + "   user's accuracy"
    rows = [
        f"{kind:14}"
        + "".join(f"{found.counts[kind][other]:12,}" for other in kinds)
        + f"   {_share(found.users[kind])}"
        for kind in kinds
    ]
    return [head, *rows, *(f"producer's accuracy of {kind}: {_share(found.producers[kind])}" for kind in kinds)]


def _share(one: Share) -> str:
    if one.value is None:
        return "none there"
    span = "" if one.low is None or one.high is None else f" ({100 * one.low:.1f}-{100 * one.high:.1f} %)"
    return f"{100 * one.value:.1f} %{span}"
