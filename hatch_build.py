"""The README as a package index shows it: alone, without the files that its pictures and links lead to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n+", re.MULTILINE)
RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]*\)")


def alone(readme: str) -> str:
    """Take the pictures out, and of links that lead into the checkout keep the words."""
    return RELATIVE_LINK.sub(r"\1", PICTURE.sub("", readme))


class Readme(MetadataHookInterface):
    """Make ``readme`` of the metadata out of README.md."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill it in."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": alone(text)}
