"""The root command."""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import NamedTuple

import click

from howgreen import __version__


class _Home(NamedTuple):
    module: str
    """Module in ``howgreen.cli``; imported when the command is invoked."""
    purpose: str
    """The first sentence of the command's own help."""


COMMANDS = {
    "benchmark": _Home("benchmark", "Judge the models, compare the algorithms (extra [train])."),
    "cache": _Home("cache", "Show or clear the cache."),
    "change": _Home("change", "Show what changed between two periods or images."),
    "city": _Home("cities", "Answer how green a place is, and write the report."),
    "ee-export": _Home("earth", "Compute the green mask in Google Earth Engine."),
    "estimate": _Home("estimate", "Estimate green, or what changed, from what people saw."),
    "judge": _Home("judge", "Compare the map with labels that you have."),
    "label": _Home("estimate", "Look at the places of a sample in a browser."),
    "layers": _Home("layers", "Compare the answer with other land-cover maps."),
    "models": _Home("models", "List, show, add, wrap and remove models."),
    "nrr": _Home("nrr", "Count green space and tree cover as EU law does."),
    "osm-green": _Home("cities", "Write what OpenStreetMap maps as green."),
    "people": _Home("people", "Show how much green people live near."),
    "plan": _Home("cities", "Show what `city` would do: images, dates, bytes."),
    "predict-table": _Home("models", "Run a model on the rows of a table of reflectances."),
    "rank": _Home("rank", "Rank many cities, with ties called ties."),
    "sample": _Home("estimate", "Draw places to look at, for a number to publish."),
    "serve": _Home("serve", "Open a page and an API to visitors (extra [web])."),
    "store": _Home("stores", "Keep images on this computer."),
    "train": _Home("train", "Train a model for one city (extra [train])."),
    "trend": _Home("trend", "Compare years, and say how small a trend would show."),
    "where": _Home("cities", "List the places that a name may mean."),
}
"""The module of every command, so that ``--help`` imports none of them."""


class _Program(click.Group):
    """A group that imports its commands on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        from howgreen.cli.settings import defaults, with_common_options

        import_module(f"howgreen.cli.{COMMANDS[cmd_name].module}")
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            with_common_options(command)
            ctx.default_map = {cmd_name: defaults(command, cmd_name, commands=COMMANDS)}
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in ("-q", "--quiet", "-v", "--verbose", "--json"):
                raise
            told = f"{error.message} Put it after the command: howgreen city NAME {error.option_name}"
            raise click.UsageError(told, ctx=ctx) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from howgreen.core.text import closest

            near = closest(args[0], COMMANDS) if args[0].islower() else []
            if args[0] in COMMANDS or not args[0].strip():
                raise
            place = f'"{args[0]}"' if re.search(r"\W", args[0]) else args[0]
            cure = f"Did you mean {near[0]!r}?" if near else f"For a place write: howgreen city {place}"
            raise click.UsageError(f"{error.message} {cure}", ctx=ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].purpose) for name in self.list_commands(ctx)])


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="howgreen")
@click.pass_context
def howgreen(context: click.Context) -> None:
    """How green is my city?

    Finds a city's limits, picks clear satellite images, maps the vegetation in every pixel, and answers with the
    green ratio, how sure it is, and the map that proves it.

    Try: howgreen city Sampleton
    """  # noqa: D400 (it is a question)
    import platformdirs

    from howgreen.cli.warnings import on_terminal

    # The drawing library's cache is kept with ours.
    os.environ.setdefault("MPLCONFIGDIR", f"{platformdirs.user_cache_dir('howgreen')}/matplotlib")
    context.with_resource(on_terminal())


def examples(*lines: str) -> str:
    """Format the last lines of a command's help so that click leaves them unwrapped."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])
