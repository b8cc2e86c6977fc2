"""No thread meets a type that another one is just making known to msgspec: the process would be gone without a word."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest

import howgreen
from howgreen.core import known_types
from howgreen.core.known_types import known


def test_every_type_that_is_read_is_made_known_first():
    """Four threads that read one ``summary.json`` at once ended 3 of 8 processes, and `rank` with them."""
    asked = 0
    for path in Path(howgreen.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "msgspec" not in text or path.name == "known_types.py":
            continue
        for node in ast.walk(ast.parse(text)):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name not in ("msgspec.json.decode", "msgspec.convert"):
                continue
            kinds = [one.value for one in node.keywords if one.arg == "type"] or node.args[1:]
            if kinds:  # without one, plain values are read
                asked += 1
                assert ast.unparse(kinds[0]).startswith("known("), f"{path.name}:{node.lineno}"
    assert asked >= 15


def test_a_type_is_worked_out_once_and_under_the_lock(monkeypatch):
    class Figures(msgspec.Struct):
        share: float

    held = []
    decoder = msgspec.json.Decoder
    monkeypatch.setattr(msgspec.json, "Decoder", lambda kind: held.append(known_types._LOCK.locked()) or decoder(kind))
    assert known(Figures) is known(Figures) is Figures
    assert held == [True]
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"share": "x"}', type=known(Figures))
