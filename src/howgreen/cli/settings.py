"""Verbosity (``-v``, ``-q``) and a user's defaults (a TOML file), for all commands."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONFIG = "HOWGREEN_CONFIG"
"""Environment variable that names another file than the user's own."""
FOR_ALL = (
    "store",
    "contact",
    "endpoints",
    "offline",
    "catalog",
    "sensor",
    "model",
    "osm",
    "strict",
    "quiet",
    "verbose",
)
"""Options allowed at the top of the file, for every command that has them; others belong in their command's table."""
_QUIET = "howgreen.quiet"
_MOST_BYTES = 2**20


def quiet() -> bool:
    """Tell whether ``-q`` was given: then only the answer, warnings and errors are shown."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_QUIET))


def _be_quiet(context: click.Context, _: click.Parameter, given: bool) -> None:
    context.meta[_QUIET] = given


def _be_verbose(_: click.Context, __: click.Parameter, given: int) -> None:
    if given:
        listen(logging.INFO if given == 1 else logging.DEBUG)


def listen(level: int) -> None:
    """Print our modules' log on standard error, with the seconds since the program's start."""
    from howgreen.cli.say import say

    class OnTerminal(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(f"[{record.relativeCreated / 1000:6.2f} s] {record.getMessage()}", err=True)

    log = logging.getLogger("howgreen")
    log.handlers = [handler for handler in log.handlers if type(handler).__name__ != OnTerminal.__name__]
    log.addHandler(OnTerminal())
    log.setLevel(level)


def with_common_options(command: click.Command) -> click.Command:
    """Add the options ``-v`` and ``-q`` to a command and all below it, once."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_common_options(below)
    elif not any(parameter.name == "quiet" for parameter in command.params):
        command.params += [
            click.Option(
                ["-v", "--verbose"],
                count=True,
                expose_value=False,
                callback=_be_verbose,
                help="Say what is done, with times; -vv shows every request too.",
            ),
            click.Option(
                ["-q", "--quiet"],
                is_flag=True,
                expose_value=False,
                callback=_be_quiet,
                help="Show no progress and no notes.",
            ),
        ]
    return command


def config_file() -> Path:
    """Return the file of the user's defaults, which need not exist."""
    import platformdirs

    named = os.environ.get(CONFIG)
    return Path(named).expanduser() if named else platformdirs.user_config_path("howgreen") / "config.toml"


def defaults(command: click.Command, name: str, *, commands: Iterable[str]) -> dict[str, Any]:
    """Return a command's defaults in click's form: those for all commands, then those of its own table.

    Parameters
    ----------
    commands
        Names of all commands, for which the file may also have tables.

    Raises
    ------
    click.ClickException
        The file cannot be read, or has entries that no command knows.
    """
    file = config_file()
    told = _read(file)
    tables = {key: value for key, value in told.items() if isinstance(value, dict)}
    common = {key: value for key, value in told.items() if key not in tables}
    _refuse_unknown(file, tables, commands, what="command")
    _refuse_unknown(file, common, FOR_ALL, what="option for all commands")
    return _of(command, common, tables.get(name, {}), file=file, path=name)


def _of(
    command: click.Command, common: Mapping[str, Any], own: Mapping[str, Any], *, file: Path, path: str
) -> dict[str, Any]:
    if isinstance(command, click.Group):
        _refuse_unknown(file, own, command.commands, what=f"command of {path}")
        parts = {key: own.get(key, {}) for key in command.commands}
        wrong = [key for key, part in parts.items() if not isinstance(part, dict)]
        if wrong:
            raise click.ClickException(
                f"{file}: {path}.{wrong[0]} is a command: write [{path}.{wrong[0]}] and its options below"
            )
        return {
            key: _of(command.commands[key], common, part, file=file, path=f"{path}.{key}")
            for key, part in parts.items()
        }
    options = {
        text.removeprefix("--"): option.name
        for option in command.params
        if isinstance(option, click.Option)
        for text in option.opts
        if text.startswith("--")
    }
    _refuse_unknown(file, own, options, what=f"option of {path}")
    given = {**{key: value for key, value in common.items() if key in options}, **own}
    return {str(options[key]): _value(value) for key, value in given.items()}


def _value(value: Any) -> Any:
    home = isinstance(value, str) and value.startswith("~/")
    return str(Path(value).expanduser()) if home else value


def _refuse_unknown(file: Path, told: Iterable[str], known: Iterable[str], *, what: str) -> None:
    from howgreen.core.text import closest

    there = list(known)
    for key in told:
        if key not in there:
            near = closest(key, there)
            meant = f"; did you mean {near[0]}?" if near else f" (there are: {', '.join(sorted(there))})"
            raise click.ClickException(f"{file}: {key!r} is no {what}{meant}")


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        if os.environ.get(CONFIG):
            raise click.ClickException(f"{file}: not there, though {CONFIG} names it")
        return {}
    import tomllib

    try:
        with file.open("rb") as opened:
            return tomllib.loads(opened.read(_MOST_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise click.ClickException(f"{file}: cannot be read as TOML ({' '.join(str(error).split())})") from error
