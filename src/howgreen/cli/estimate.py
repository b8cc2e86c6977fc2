"""``sample``, ``label``, ``estimate``: from a hundred interpreted places to a publishable number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from howgreen import __version__
from howgreen.cli.asked import plan_of
from howgreen.cli.options import FILE, FOLDER, is_typed, json_option, place_options, plan_options
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json
from howgreen.cli.warnings import refuse_if_strict
from howgreen.core import words
from howgreen.core.text import one_line

if TYPE_CHECKING:
    from howgreen.estimate.answers import Agreement
    from howgreen.estimate.change import ChangeEvaluation
    from howgreen.estimate.estimators import Estimate
    from howgreen.estimate.evaluate import Evaluation
    from howgreen.estimate.sample import Sample

_MOST_LISTED = 12


@howgreen.command(
    "sample",
    epilog=examples(
        "howgreen sample Sampleton --half-width 3",
        "howgreen sample Lyon --districts arrondissements.gpkg --half-width 3",
        "howgreen sample --change sampleton-change --looks 250",
    ),
)
@place_options
@plan_options
@click.option("--plan", "plan_file", type=FILE, help="Sample the place of a saved plan.json.")
@click.option(
    "--change",
    "change_folder",
    type=FOLDER,
    help="Sample what changed: a folder that `howgreen change` wrote, or a report with that section.",
)
@click.option(
    "--looks", type=click.IntRange(20, 5000), help="How many places to look at (default: as --half-width needs)."
)
@click.option(
    "--half-width",
    type=click.FloatRange(0.5, 20),
    default=3.0,
    show_default=True,
    help="Wanted interval: plus or minus so many points.",
)
@click.option("--dots", type=click.Choice(["1", "9", "25"]), default="9", show_default=True, help="Dots in each place.")
@click.option(
    "--design",
    type=click.Choice(["stratified", "simple", "systematic"]),
    default="stratified",
    show_default=True,
    help="How places are drawn.",
)
@click.option(
    "--by-district/--no-by-district",
    default=None,
    help="Give each district at least ten looks, for an estimate of its own (default: where --districts FILE is given "
    "and no --design).",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed draws the same places."
)
@click.option("--out", type=FOLDER, help="Folder to write (default: NAME-sample).")
@json_option
def sample_command(
    plan_file: Path | None,
    change_folder: Path | None,
    looks: int | None,
    half_width: float,
    dots: str,
    design: Any,
    by_district: bool | None,
    seed: int,
    out: Path | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Draw places to look at, for a number to publish.

    One or two hundred looks, combined with the map, narrow the interval to two or three points. With --change people look
    at two dates, for the area that was lost and gained; half of the looks go to the map's change and to the ground beside it.
    """
    from howgreen.core.text import slug
    from howgreen.pipeline import city as pipeline
    from howgreen.pipeline import sampling

    if by_district and is_typed("design"):
        raise click.UsageError("--by-district draws by districts: leave --design out, or --by-district")
    if by_district is None:
        by_district = asked["districts"] is not None and not is_typed("design")
    options = sampling.SampleOptions(
        looks=looks, half_width=half_width / 100, dots=int(dots), design=design, by_district=by_district, seed=seed
    )
    if change_folder is not None:
        _refuse_beside_change(asked, plan_file)
        folder = out or Path(f"{change_folder.name}-sample")
        _tell_drawn(sampling.sample_of_change(change_folder, options, folder), folder, as_json=as_json)
        return
    with bars() as progress:
        planned = plan_of(plan_file, asked, progress=progress)
        refuse_if_strict()
        folder = out or Path(f"{slug(planned.city.name)}-sample")
        sampling.check_out(folder)
        result = pipeline.run(planned, progress=progress)
        refuse_if_strict()
        sample = sampling.sample(result, options, folder)
    _tell_drawn(sample, folder, as_json=as_json)


def _refuse_beside_change(asked: dict[str, Any], plan_file: Path | None) -> None:
    """Refuse options that a change determines itself, and that would be ignored silently."""
    given = [name for name in (*asked, "half_width", "design", "by_district") if is_typed(name)]
    given += ["plan"] if plan_file is not None else []
    if given:
        name = "NAME" if given[0] == "query" else f"--{given[0].replace('_', '-')}"
        raise click.UsageError(f"--change decides place, strata and images: leave {name} out")


def _tell_drawn(sample: Sample, folder: Path, *, as_json: bool) -> None:
    """Report the sample drawn, and the next step."""
    if as_json:
        about = {
            "place": sample.place,
            "folder": str(folder),
            "places_to_look_at": len(sample.units),
            "dots": sample.dots,
        }
        say_json({**about, "strata": len(sample.weights)})
        return
    click.echo(
        f"{one_line(sample.place)}: {len(sample.units)} places to look at in {folder}, {sample.dots} dots each, "
        f"{'one stratum' if len(sample.weights) == 1 else f'{len(sample.weights)} strata'}\n"
        f"next: howgreen label {folder} --reader YOUR-NAME"
    )


@howgreen.command(
    "label",
    epilog=examples(
        "howgreen label sampleton-sample --reader ann",
        "howgreen label sampleton-sample --reader ann --agree",
    ),
)
@click.argument("folder", type=FOLDER)
@click.option(
    "--reader",
    required=True,
    help="Your name: answers are kept under it, and a part of the places is read by two people.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="FILE|URL|ign",
    help="A finer image: a GeoTIFF, an address with {z} {x} {y} or {bbox}, or ign (France). May be repeated.",
)
@click.option("--image-date", "dates", multiple=True, help="Day or year of each --image: the estimate is of that time.")
@click.option("--image-licence", "licences", multiple=True, help="Who made each --image, and its licence.")
@click.option(
    "--agree",
    is_flag=True,
    help="Two readers agree on the places that they told apart, and on as many others, or more: 30 in all if so many were read twice.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port on this computer; 0 for any that is free.",
)
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def label_command(
    folder: Path,
    reader: str,
    images: tuple[str, ...],
    dates: tuple[str, ...],
    licences: tuple[str, ...],
    agree: bool,
    port: int,
    browser: bool,
) -> None:
    """Look at the places of a sample in a browser.

    Every answer is kept at once; stop with Ctrl-C and go on with the same command.
    """
    import webbrowser

    from howgreen import report
    from howgreen.estimate.sample import load
    from howgreen.pipeline.sampling import PICTURES
    from howgreen.web.labelling import Server, Session, keep_images
    from howgreen.web.pictures import SERVICES, picture

    named = [SERVICES.get(image.strip().lower()) for image in images]
    if len(dates) != len(images):
        why = "".join(f"; {one.dated}" for one in dict.fromkeys(named) if one is not None)
        raise click.UsageError(f"give --image-date with each --image: the estimate is of that day{why}")
    if len(licences) not in {len(images), named.count(None)}:
        raise click.UsageError(
            "give --image-licence with each --image (not with a service that is known by its name): its maker is named"
        )
    given = iter(licences)
    of_images = [next(given) if one is None or len(licences) == len(images) else "" for one in named]
    sample = load(folder / "sample.json")
    shown = [
        picture(image, date=date, licence=licence)
        for image, date, licence in zip(images, dates, of_images, strict=True)
    ]
    keep_images(folder, shown)
    if sample.change is not None:
        of_dates = zip(report.PHOTOS, (f"before: {sample.change.before}", f"after: {sample.change.after}"), strict=True)
        shown = [picture(str(folder / file), name=name) for file, name in of_dates if (folder / file).exists()] + shown
    shown += [picture(str(folder / file), name=name) for file, name in PICTURES if (folder / file).exists()]
    with Server(Session(folder=folder, sample=sample, reader=reader, pictures=shown, agree=agree), port=port) as server:
        click.echo(f"{one_line(sample.place)}: look at {server.url} (on this computer only; Ctrl-C ends it)")
        if browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            click.echo(f"every answer is kept in {folder}; next: howgreen estimate {folder}")


@howgreen.command(
    "estimate",
    epilog=examples(
        "howgreen estimate sampleton-sample",
    ),
)
@click.argument("folder", type=FOLDER)
@click.option(
    "--answers",
    "tables",
    type=FILE,
    multiple=True,
    help="Answers: our tables, Collect Earth Online's or AcATaMa's (default: all answers-*.csv in FOLDER).",
)
@click.option(
    "--count",
    type=click.Choice(["vegetation", "vegetation-without-cropland", "canopy"]),
    default="vegetation",
    show_default=True,
    help="What counts as green; canopy is trees alone.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def estimate_command(
    folder: Path,
    tables: tuple[Path, ...],
    count: str,
    as_json: bool,
) -> None:
    """Estimate green, or what changed, from what people saw.

    FOLDER is what `howgreen sample` wrote. Everything is also kept in FOLDER/estimate.json.
    """
    from howgreen.core.files import write_atomic
    from howgreen.estimate.answers import read_answers
    from howgreen.estimate.change import change_to_json, evaluate_change
    from howgreen.estimate.evaluate import evaluate, to_json
    from howgreen.estimate.sample import load
    from howgreen.web.labelling import all_answers, images_of

    sample = load(folder / "sample.json")
    answers = read_answers(tables, sample) if tables else all_answers(folder, sample)
    looked = {"looks": sorted(one.time for one in answers if one.time), "images": images_of(folder)}
    if sample.change is not None:
        change = evaluate_change(sample, answers)
        values, lines = change_to_json(sample, change), _change_in_words(sample, change)
    else:
        found = evaluate(sample, answers, count=count)
        values, lines = to_json(sample, found), _in_words(sample, found)
    record = {"howgreen": __version__, **values, **looked}
    write_atomic(folder / "estimate.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    say_json(record) if as_json else say("\n".join(lines))


def _change_in_words(sample: Sample, found: ChangeEvaluation) -> list[str]:
    """List the areas first, then their basis."""

    def shown(area_m2: float) -> str:
        return words.plain(words.signed_area(area_m2))

    who = f"{found.looked} places read by {len(found.readers)} {'person' if len(found.readers) == 1 else 'people'}"
    lines = [f"{one_line(sample.place)}, what changed: {who} on two dates ({found.level:.0%} intervals)"]
    for kind in ("lost", "gained"):
        one, mapped = found.areas[kind], shown(found.mapped_m2[kind])
        lines.append(
            f"  green {kind}: {shown(one.area_m2)} ({shown(one.low_m2)} to {shown(one.high_m2)}); pixels that the map calls so: {mapped}"
        )
    net = found.areas["net"]
    lines.append(f"  gained less lost: {shown(net.area_m2)} ({shown(net.low_m2)} to {shown(net.high_m2)})")
    for kind in ("kept", "neither"):
        one = found.areas[kind]
        name = "green on both dates" if kind == "kept" else "green on neither"
        lines.append(f"  {name}: {shown(one.area_m2)} ({shown(one.low_m2)} to {shown(one.high_m2)})")
    for kind in found.users:
        right, all_of_it = found.users[kind].value, found.producers[kind].value
        lines.append(
            f"of what the map calls {kind}, {right:.0%} is (user's accuracy); of what is, it finds {all_of_it:.0%} (producer's)"
        )
    if found.unseen_m2:
        lines.append(
            f"note: nobody found change where the map sees none; up to {shown(found.unseen_m2)} could be there all the same"
        )
    if found.bounds_m2:
        between = [f"{kind} between {shown(low)} and {shown(high)}" for kind, (low, high) in found.bounds_m2.items()]
        lines.append(f"{found.unknown_share:.1%} of the dots could not be told: {', '.join(between)}")
    if found.agreement:
        lines.append(f"two readers: {found.agreement.units} places, {_kappa(found.agreement)}")
    if found.skipped:
        lines.append(
            f"note: {len(found.skipped)} places were passed over: look at them, for what is hard to see is not there by chance"
        )
    return lines


def _points(one: Estimate) -> str:
    ratio = min(max(one.ratio, 0.0), 1.0)  # the map's help may take it slightly beyond 0-1
    return f"{100 * ratio:.1f} % ({one.level:.0%} interval {100 * one.low:.1f}-{100 * one.high:.1f} %)"


def _in_words(sample: Sample, found: Evaluation) -> list[str]:
    """Give the answer first, then its basis, then all caveats."""
    who = f"{found.looked} places read by {len(found.readers)} {'person' if len(found.readers) == 1 else 'people'}"
    lines = [
        f"{one_line(sample.place)} is {_points(found.headline)} {words.counted(found.counted)}: {who}, and the map",
        f"without the map: {_points(found.plain)}; of everything inside the limits, water included: {_points(found.of_total)}",
    ]
    if found.by_regression:
        lines.append(f"by regression on the map, to compare: {_points(found.by_regression)}")
    lines += [f"counting {name}: {_points(one)}" for name, one in found.definitions.items() if name != found.counted]
    if found.two_phase:
        lines.append(f"free of readers' errors (agreed answers): {_points(found.two_phase)}")
    if found.corrected:
        c = found.corrected
        lines.append(
            f"corrected by the reader's error rates (bare read as green {c.bare_as_green:.1%}, green as bare {c.green_as_bare:.1%}): "
            f"{_points(c.estimate)}"
        )
    if found.agreement:
        a = found.agreement
        lines.append(f"two readers: {a.units} places, {_kappa(a)}, {len(a.disagreements)} told apart")
    table = ", ".join(f"{row.error:.0%}: {100 * row.ratio:.1f} %" for row in found.reader_errors)
    lines.append(f"if readers erred either way in so many of 100 dots, it would be {table}")
    if found.bounds:
        lines.append(
            f"{found.bounds.unknown_share:.1%} of the dots could not be told: between {100 * found.bounds.low:.1f} and {100 * found.bounds.high:.1f} %"
        )
    lines += [_district(one) for one in found.districts]
    lines.append(
        "cover of the whole area: " + ", ".join(f"{kind} {100 * one.ratio:.1f} %" for kind, one in found.cover.items())
    )
    errors = found.map_errors
    bias = (
        f", bias {100 * errors.bias.ratio:+.1f} points ({100 * errors.bias.low:+.1f} to {100 * errors.bias.high:+.1f})"
        if errors.bias
        else ""
    )
    lines.append(
        f"the map at these places: RMSE {errors.rmse:.2f} ({errors.rmse_low:.2f} to {errors.rmse_high:.2f}){bias}, slope of answers on map "
        f"{errors.slope:.2f} ({errors.slope_low:.2f} to {errors.slope_high:.2f})"
    )
    if errors.classes:
        lines += _classes(errors.classes)
    if found.looks_in_all:
        sizes = ", ".join(f"±{points} points {looks:,}" for points, looks in found.looks_in_all.items())
        lines.append(f"looks in all, by the answers so far: {sizes}; {len(sample.units):,} places are drawn")
    if found.skipped:
        lines.append(
            f"note: {len(found.skipped)} places were passed over ({', '.join(map(str, found.skipped[:_MOST_LISTED]))}): look at them, for what is hard to see is not there by chance"
        )
    if found.untold:
        lines.append(f"note: at {len(found.untold)} places no dot could be told; they are left out, see the bounds")
    if found.systematic:
        lines.append(
            "note: the sample is systematic and its interval that of a simple one, or wider where the map shows that the grid meets a "
            "pattern: mostly wider than it need be"
        )
    return lines


def _kappa(found: Agreement) -> str:
    """Format the agreement of two readers; if both see a single kind, chance explains everything and kappa is undefined."""
    if found.kappa != found.kappa:
        return "all of one kind to both: kappa cannot be told"
    return f"kappa {found.kappa:.2f} ({found.kappa_low:.2f}-{found.kappa_high:.2f})"


def _classes(found: Any) -> list[str]:
    """Report the map's accuracy class by class."""

    def shown(one: Any) -> str:
        return "none" if one.value != one.value else f"{one.value:.0%} ({one.low:.0%}-{one.high:.0%})"

    return [
        f"the map is right on {shown(found.overall)} of the area",
        *(
            f"  {name}: of what the map calls so {shown(found.users[name])} is (user's accuracy), of what is so it finds {shown(found.producers[name])} (producer's)"
            for name in found.users
        ),
    ]


def _district(one: Any) -> str:
    interval = (
        "no interval: too few districts were looked at"
        if one.low is None
        else f"{100 * one.low:.1f}-{100 * one.high:.1f} %"
    )
    source = f"{one.looks} places" if not one.from_map else f"from the map, {one.looks} places: fewer than ten"
    ratio = min(max(one.ratio, 0.0), 1.0)
    return f"  {one_line(one.name)}: {100 * ratio:.1f} % ({interval}; {source})"
