"""List the commands of the program."""

from __future__ import annotations

from importlib import import_module

import click

program: click.Group = import_module("howgreen.cli").howgreen


def walk(group: click.Group = program, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Return every command below ``group`` by its words: ``("store", "add")``."""
    found: dict[tuple[str, ...], click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        found[(*path, name)] = command
        if isinstance(command, click.Group):
            found.update(walk(command, (*path, name)))
    return found
