"""``layers``: compare the city's own answer with other maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from howgreen.cli.asked import network_of, plan_of
from howgreen.cli.options import (
    FILE,
    json_option,
    language_option,
    new_folder,
    out_option,
    overwrite_option,
    place_options,
    plan_options,
)
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json
from howgreen.cli.warnings import refuse_if_strict

_LAYERS = ("corine", "worldcover", "dynamic-world", "osm-green", "clcplus", "tree-cover", "imperviousness")
_FILES = ("corine", "worldcover", "dynamic_world", "clcplus", "tree_cover", "imperviousness")
_CROPLAND = ("green", "not-green", "left-out")


@howgreen.command("layers", epilog=examples('howgreen layers "Lyon, France" --layer worldcover'))
@place_options
@plan_options
@click.option("--plan", "plan_file", type=FILE, help="Run this saved plan instead of making a new one.")
@click.option(
    "--layer", "names", type=click.Choice(_LAYERS), multiple=True, help="Compare with this map; may be repeated "
    "(default: those whose file is given, or all that can be had)."
)  # fmt: skip
@click.option("--corine", help="CORINE: GeoTIFF, GeoPackage or FileGDB (default: the EEA's service).")
@click.option("--worldcover", help="WorldCover: file, address, or planetary-computer (default: ESA's public tiles).")
@click.option("--dynamic-world", help="Dynamic World: file or address of its labels or probabilities.")
@click.option("--clcplus", help="CLCplus Backbone: file or address.")
@click.option("--tree-cover", help="High Resolution Layer Tree Cover Density: file or address.")
@click.option("--imperviousness", help="High Resolution Layer Imperviousness Density: file or address.")
@click.option(
    "--cropland",
    type=click.Choice(_CROPLAND),
    default="green",
    show_default=True,
    help="What fields on the other maps count as.",
)
@out_option
@overwrite_option
@language_option
@json_option
def layers_command(
    plan_file: Path | None,
    names: tuple[str, ...],
    out: str | Path | None,
    overwrite: bool,
    language: str,
    as_json: bool,
    cropland: Any,
    **asked: Any,
) -> None:
    """Compare the answer with other land-cover maps.

    Answers as `city` does, and compares with CORINE, CLCplus, WorldCover, Dynamic World, High Resolution Layers and
    OpenStreetMap on the same ground.
    """
    from howgreen import report
    from howgreen.pipeline import city as pipeline
    from howgreen.pipeline import compare_maps, workdir

    wanted = compare_maps.LayerOptions(
        layers=tuple(dict.fromkeys(names)),
        cropland=cropland,
        osm=asked["osm"],
        network=network_of(asked["endpoints"], offline=asked["offline"]),
        **{name: asked.pop(name) for name in _FILES},
    )
    with bars() as progress:
        planned = plan_of(plan_file, asked, beside=("osm", "endpoints", "offline"), progress=progress)
        refuse_if_strict()
        folder = out or new_folder(planned.city)
        report.check_target(folder, overwrite=overwrite)
        result = pipeline.run(planned, progress=progress)
        refuse_if_strict()
        found = compare_maps.layers(result, wanted, out=folder, language=language, progress=progress)
        workdir.forget(planned)
    if as_json:
        say_json(found.to_dict())
    else:
        say("\n".join(_lines(found.to_dict())))
        say(f"page: {report.address_of(folder, 'layers.html')}")


def _lines(found: dict[str, Any]) -> list[str]:
    """Format one line per map: both ratios on the land known to both, and the agreement of the pixels."""
    lines = [f"{found['city']['label']}: ours beside other maps, on the land that both know"]
    for layer in found["layers"]:
        city = layer["city"]
        kappa = "-" if city["kappa"] is None else f"{city['kappa']:.2f}"
        lines.append(
            f"{layer['label']}: ours {city['our_ratio']:.0%} green, theirs {city['their_ratio']:.0%}; "
            f"{city['overall_agreement']:.0%} of pixels the same, kappa {kappa}"
        )
    return [*lines, *(f"note: {note}" for note in found["notes"])]
