"""The command line: each command is one call of the pipeline or of a stage."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import re
import signal
import sys
from collections.abc import Sequence

import click

from howgreen.cli.root import howgreen
from howgreen.core.errors import HowgreenError
from howgreen.core.wording import for_a_shell


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: every error that a user can meet becomes one line and a non-zero exit code."""
    _open_streams()
    with for_a_shell():
        _main(arguments)


def _open_streams() -> None:
    """Redirect standard streams that were closed before the start to the null device.

    Otherwise Python has None in their place, and the next opened file gets their number: a library's standard error
    would then go into that file.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)  # noqa: FBT003 (as the standard library has it)
    os.close(number)
    # Kept open for the life of the process.
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (kept open)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (kept open)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (kept open)


def _main(arguments: Sequence[str] | None) -> None:
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the shell has set Ctrl-C to be ignored
        signal.signal(signal.SIGINT, _stop)
    collect_seldom()
    # Image libraries print their errors in addition to raising them; only our one line counts.
    os.environ.setdefault("CPL_LOG", os.devnull)
    try:
        sys.exit(howgreen.main(_southern(arguments), prog_name="howgreen", standalone_mode=False) or 0)
    except click.exceptions.Exit as finished:
        sys.exit(finished.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort, ImportError, SystemError) as error:
        # If a signal interrupts the loading of a compiled library, the library reports a failure of its own.
        if isinstance(error, ImportError | SystemError) and not _stops:
            raise
        number = _stops[-1] if _stops else signal.SIGINT  # 128 plus the signal's number, as shells report it
        _fail("stopped; nothing half-written is left, and the same command goes on from here", 128 + number)
    except HowgreenError as error:
        _fail(str(error), 1)
    except MemoryError:
        _fail("not enough memory: close other programs, or ask for a smaller area", 1)
    except OSError as error:
        if error.errno is None:
            raise
        _fail(_file_error(error), 1)


def collect_seldom() -> None:
    """Make Python's garbage collection rare.

    Loading libraries creates a million objects that all stay: collecting among them takes a tenth of the time, and once
    more at the end, where all of them go anyway, as much again.
    """
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)


_DECIMAL = re.compile(r"-?\d{1,3}\.\d+,?")


def _southern(arguments: Sequence[str] | None) -> list[str]:
    """Return the arguments, with coordinates ("-18.14, 178.44") not parsed as options, and joined if unquoted."""
    joined: list[str] = []
    for argument in sys.argv[1:] if arguments is None else arguments:
        alone = len(joined) > 1 and not joined[-2].startswith("--")  # not the value of an option
        if alone and _DECIMAL.fullmatch(joined[-1]) and _DECIMAL.fullmatch(argument):
            joined[-1] = f"{joined[-1].removesuffix(',')}, {argument}"
        else:
            joined.append(argument)
    return [f" {argument}" if re.match(r"-\d[\d.]*\s*[,; ]", argument) else argument for argument in joined]


_stops: list[int] = []  # signals received that ask this process to stop


def _stop(number: int, _: object) -> None:
    _stops.append(number)
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> None:
    from howgreen.cli.say import say

    say(f"howgreen: {message}", err=True)
    sys.exit(code)


def _file_error(error: OSError) -> str:
    import platformdirs

    where = error.filename or "the disk"
    cache = platformdirs.user_cache_dir("howgreen")
    if error.errno == errno.EACCES and cache.startswith(str(where)):
        return f"{where}: {error.strerror}; the cache belongs there: change its permissions, or (on Linux) set XDG_CACHE_HOME"
    cures = {
        errno.ENOSPC: "free some space and run the same command again; it goes on where it stopped",
        errno.EACCES: "choose a folder that you may write to (--out, --store)",
        errno.ENOENT: "check the path",
    }
    return f"{where}: {error.strerror or error}; {cures.get(error.errno or 0, 'check the path and the disk')}"
