"""Tokens: made, recognised, void when taken out; the file holds nothing that lets anybody in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from howgreen.core.errors import InputError
from howgreen.web.serve.tokens import Tokens, add_token


def test_a_token_lets_in_and_only_its_hash_is_kept(tmp_path: Path):
    path = tmp_path / "tokens.txt"
    first, second = add_token(path, name="parks"), add_token(path)
    known = Tokens(path)
    assert known.client(first) != known.client(second)
    assert known.client(first) == known.client(first)
    assert [known.client(wrong) for wrong in ("", first[:-1], first + "x", "hg_", "\udcff")] == [None] * 5
    text = path.read_text()
    assert first not in text
    assert "parks" in text
    assert known.client(text.split()[0]) is None  # the hash is no token
    assert path.stat().st_mode & 0o077 == 0


def test_a_line_that_is_taken_out_is_void_at_once_and_so_is_a_file(tmp_path: Path):
    path = tmp_path / "tokens.txt"
    first, second = add_token(path), add_token(path)
    known = Tokens(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("# whose?\n\n" + lines[1])
    os.utime(path, (1, 1))
    assert known.client(first) is None
    assert known.client(second) is not None
    path.unlink()
    assert known.client(second) is None


@pytest.mark.parametrize("content", [None, b"secret\n", b"\xff\xfe"])
def test_a_file_that_is_none_is_refused_at_the_start(content: bytes | None, tmp_path: Path):
    path = tmp_path / "tokens.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as told:
        Tokens(path)
    assert "secret" not in str(told.value)
