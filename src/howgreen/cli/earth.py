"""``ee-export``: run a plan on Google's machines."""

from __future__ import annotations

from pathlib import Path

import click

from howgreen.cli.options import FILE, json_option
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json


@howgreen.command(
    "ee-export",
    epilog=examples(
        'howgreen plan "Lyon, France" --catalog earth-engine --out plan.json', "howgreen ee-export plan.json"
    ),
)
@click.argument("plan_file", metavar="PLAN.json", type=FILE)
@click.option("--folder", default="howgreen", show_default=True, help="Folder in your Google Drive.")
@click.option("--name", help="Name of the file there (default: after the city).")
@json_option
def ee_export_command(
    plan_file: Path,
    folder: str,
    name: str | None,
    as_json: bool,
) -> None:
    """Compute the green mask in Google Earth Engine.

    The mask is written to your Google Drive. PLAN.json comes from `howgreen plan NAME --catalog earth-engine --out PLAN.json`.
    """
    from howgreen.core.text import slug
    from howgreen.pipeline import city, drive_export

    plan = city.read_plan(plan_file)
    called = name or f"{slug(plan.city.name)}_green_mask"
    task = drive_export.export(plan, folder=folder, name=called)
    if as_json:
        say_json({"task": task, "file": f"{folder}/{called}.tif"})
        return
    say(f"task {task} is under way: https://code.earthengine.google.com/tasks shows it\nfile: {folder}/{called}.tif")
