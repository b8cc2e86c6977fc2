"""Removal of local paths: nothing published names a folder of the computer that it was made on."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from howgreen.core.types import Plan

_PATH = re.compile(
    r"(?<![^\s'\"(=,;\[])(?:file://)?(?:[A-Za-z]:[\\/]|/(?=[^/\s]+/)|\\\\)[^\s'\"<>|;,)\]]*[^\s'\"<>|;,)\].:]"
)
"""An absolute file system path at the start of a word, but not a web address."""


def roots_of(plan: Plan) -> list[str]:
    """List local folders that texts about a plan may name, longest first."""
    known = {str(Path.home()), str(Path.cwd()), tempfile.gettempdir()}
    for text in (
        plan.source,
        plan.model,
        *(asset.href for scene in (*plan.scenes, *plan.radar) for asset in scene.assets),
    ):
        if _is_local(text):
            known |= {text, str(Path(text).parent)}
    return sorted((root for root in known if len(root) > 1), key=len, reverse=True)


def _is_local(text: str) -> bool:
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def without_paths(value: Any, roots: Collection[str]) -> Any:
    """Replace paths in all texts of a JSON value by their last component; keys and other values stay."""
    if isinstance(value, str):
        return _cut(value, roots)
    if isinstance(value, dict):
        return {key: without_paths(item, roots) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(item, roots) for item in value]
    return value


def _cut(text: str, roots: Collection[str]) -> str:
    if "/" not in text and "\\" not in text:
        return text
    for root in roots:  # these may contain spaces, which end a path in the pattern
        name = re.split(r"[\\/]", root.rstrip("\\/"))[-1]
        text = re.sub(rf"(?:file://)?{re.escape(root)}(?=$|[\\/\s'\",;:)\]])", name.replace("\\", ""), text)
    return _PATH.sub(lambda match: re.split(r"[\\/]", match.group().rstrip("\\/"))[-1], text)
