"""Access tokens, of which the file holds only hashes. They have 256 random bits, so that a plain hash protects them."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path

from howgreen.core.errors import InputError
from howgreen.core.files import atomic_path

_LINE = re.compile(r"([0-9a-f]{64})(?: (.{0,100}))?")
_MOST_BYTES = 2**20
PREFIX = "hg_"
"""Makes a leaked token recognisable."""


class Tokens:
    """The tokens of a file, which is reread when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: frozenset[str] = frozenset()
        self._stamp: tuple[int, int] | None = None
        self._read()

    def client(self, token: str) -> str | None:
        """Return the client id of a token; None if it is not in the file."""
        self._read()
        # Only hashes are compared: timing reveals nothing about a token.
        digest = _hash(token)
        return f"token-{digest[:32]}" if digest in self._known else None

    def _read(self) -> None:
        try:
            state = self._path.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            if stamp == self._stamp:
                return
            with self._path.open(encoding="utf-8") as file:
                lines = file.read(_MOST_BYTES).splitlines()
        except (OSError, ValueError) as error:
            if self._stamp is not None:  # the file existed before: its tokens are revoked
                self._known, self._stamp = frozenset(), (0, 0)
                return
            raise InputError(
                f"--tokens {self._path}: cannot be read; make one: howgreen serve token --tokens {self._path}"
            ) from error
        told = [line for line in (line.strip() for line in lines) if line and not line.startswith("#")]
        found = [_LINE.fullmatch(line) for line in told]
        if None in found and self._stamp is None:
            raise InputError(f"--tokens {self._path}: line {found.index(None) + 1} is no hash of a token")
        self._known, self._stamp = frozenset(one[1] for one in found if one), stamp


def add_token(path: Path, *, name: str = "") -> str:
    """Make a token, and append its hash to a file that only its owner can read."""
    token = PREFIX + secrets.token_urlsafe(32)
    there = path.read_text(encoding="utf-8") if path.exists() else ""
    with atomic_path(path) as scratch:
        scratch.touch(mode=0o600)
        scratch.write_text(f"{there}{_hash(token)} {name}".rstrip() + "\n", encoding="utf-8")
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
