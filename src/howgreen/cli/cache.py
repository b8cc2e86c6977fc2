"""``cache``: files that howgreen keeps for speed, which may be deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from howgreen.cli.options import json_option
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json

KINDS = {
    "runs": "finished blocks of runs that were stopped",
    "places": "answers of services",
    "sampleton-": "the sample city",
    "matplotlib": "what matplotlib knows of fonts",
}
"""Name prefixes in the cache, and their contents; anything else there is not ours."""


@howgreen.command("cache", epilog=examples("howgreen cache", "howgreen cache --clear"))
@click.option("--clear", is_flag=True, help="Delete all of it but the blocks of runs that are under way.")
@json_option
def cache_command(
    clear: bool,
    as_json: bool,
) -> None:
    """Show or clear the cache.

    Everything in it can be made or fetched again. Stores, reports and models that you added are not part of it.
    """
    from howgreen.pipeline import locks
    from howgreen.pipeline.image_sources import cache_folder

    home = cache_folder()
    if clear:
        for folder, _ in _kept(home):
            for run in folder.iterdir() if folder.name == "runs" else ():
                locks.discard(run)
            if folder.name != "runs":
                shutil.rmtree(folder, ignore_errors=True)
    rows = [(folder.name, text, _size(folder)) for folder, text in _kept(home)]
    if as_json:
        say_json({"folder": str(home), "kept": [{"name": n, "what": t, "size_bytes": s} for n, t, s in rows]})
        return
    say(str(home))
    for name, text, size in rows:
        say(f"{size / 2**20:8.1f} MiB  {name}: {text}")


def _kept(home: Path) -> list[tuple[Path, str]]:
    """List our folders in the cache, with their contents."""
    folders = sorted(path for path in home.iterdir() if path.is_dir()) if home.is_dir() else []
    return [(path, text) for path in folders for start, text in KINDS.items() if path.name.startswith(start)]


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
