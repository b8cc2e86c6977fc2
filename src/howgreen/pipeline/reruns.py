"""Reuse of earlier answers: the same plan needs no second run."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import howgreen
from howgreen.core.errors import HowgreenError
from howgreen.core.known_types import known
from howgreen.pipeline import plan_json, workdir
from howgreen.pipeline._provenance import LIBRARIES

if TYPE_CHECKING:
    from howgreen.core.types import Plan
    from howgreen.report import Summary

SHIPPED = (".py", ".onnx", ".html", ".css", ".js", ".po")


def earlier(plan: Plan, folder: Path) -> Summary | None:
    """Return the figures of an earlier report of this same plan; None if it has to be run.

    The report must hold an identical plan (including the images' checksums, the model and its version), have all its
    files unchanged, come from the library versions now installed, and be newer than the program's own code; local
    images must be as catalogued.
    """
    try:
        if (folder / "plan.json").read_text(encoding="utf-8") != plan_json.to_json(plan):
            return None
    except (OSError, ValueError):
        return None
    return still_valid(plan, folder)


def still_valid(plan: Plan, folder: Path) -> Summary | None:
    """Return the figures of a report known to be of this plan, if nothing else has changed; see :func:`earlier`."""
    import msgspec

    from howgreen import report

    try:
        if (folder / "plan.json").stat().st_mtime < code_changed():
            return None
        summary = msgspec.json.decode((folder / "summary.json").read_bytes(), type=known(report.Summary))
        workdir.check_files(plan)
    except (OSError, ValueError, msgspec.MsgspecError, HowgreenError):
        return None
    made_by = summary.provenance.get("libraries")
    others = summary.denominators
    more = summary.estimate is not None or (others is not None and others.populated is not None)
    if more or made_by != {name: version(name) for name in LIBRARIES}:
        return None
    return summary if report.is_unaltered(folder) else None


def code_changed() -> float:
    """Return when the program's own files last changed: an older answer may come from other code."""
    package = Path(howgreen.__file__).parent
    return max(path.stat().st_mtime for path in package.rglob("*") if path.suffix in SHIPPED)
