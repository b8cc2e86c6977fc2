"""The command that all others hang on."""

from __future__ import annotations

import os

import click

from howgreen import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="howgreen")
def howgreen() -> None:
    """How green is my city?

    Finds a city's limits, picks clear satellite images, maps the vegetation in every pixel, and answers with the
    green ratio, how sure it is, and the map that proves it.

    Try: howgreen city Sampleton
    """  # noqa: D400 (it is a question)
    import platformdirs

    # What a drawing library keeps between runs lies with what we keep.
    os.environ.setdefault("MPLCONFIGDIR", f"{platformdirs.user_cache_dir('howgreen')}/matplotlib")


def examples(*lines: str) -> str:
    """Write the last lines of a command's help; click leaves them as they are."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])
