"""List the commands of the program."""

from __future__ import annotations

from importlib import import_module

import click

import_module("howgreen.cli")  # it hangs all commands on the program
program: click.Group = import_module("howgreen.cli.root").howgreen


def walk(group: click.Group = program, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Return every command below ``group`` by its words: ``("store", "add")``."""
    found: dict[tuple[str, ...], click.Command] = {}
    for name, command in sorted(group.commands.items()):
        found[(*path, name)] = command
        if isinstance(command, click.Group):
            found.update(walk(command, (*path, name)))
    return found
