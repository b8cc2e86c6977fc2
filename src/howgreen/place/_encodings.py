"""Character encoding of old tables: declared, found by the requested name, or guessed with a warning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import charset_normalizer

from howgreen.core.errors import AreaError
from howgreen.core.text import is_called
from howgreen.core.warnings import Caution

ENCODINGS = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874", "cp932", "cp949",
             "gb18030", "big5", "cp850", "cp437", "mac_roman")  # fmt: skip
"""Encodings tried for a table without a declared one: those of Windows, of East Asia, and of older systems."""
_MANGLED = re.compile("[\u00c2-\u00df\u00e0-\u00f4][\u0080-\u00bf\u0152-\u0192\u02c6\u02dc\u2013-\u2122]")
_MOST_BYTES = 8 * 2**20
# ESRI's programs write "ANSI" for any encoding.
_SAYS_NOTHING = frozenset({0x00, 0x57})


def shapefile_encoding(shp: Path, *, given: str | None, name: str | None) -> tuple[str | None, tuple[Caution, ...]]:
    """Find the encoding of a Shapefile's attributes; None if the file declares it, or is plain ASCII.

    Parameters
    ----------
    shp
        Its ``.shp``.
    given
        Encoding given by the user.
    name
        A name that the table is expected to hold.

    Raises
    ------
    AreaError
        When the given encoding does not exist.

    """
    if given:
        return _checked(given), ()
    dbf, cpg = shp.with_suffix(".dbf"), shp.with_suffix(".cpg")
    dbf = dbf if dbf.exists() else shp.with_suffix(".DBF")
    if not dbf.exists():
        return None, ()
    values, says = _texts(dbf)
    unplain = [value for value in values if not value.isascii()]
    if not unplain or _is_utf8(unplain):
        return ("UTF-8" if unplain else None), ()
    declared = cpg.read_text(errors="replace").strip() if cpg.exists() else ""
    if declared and declared.lower() not in {"utf-8", "utf8", "65001"}:
        return None, ()
    if not declared and says not in _SAYS_NOTHING:
        return None, ()
    return _found(unplain, name=name, what=dbf.name)


def utf8_copy(path: Path, scratch: Path, *, given: str | None, name: str | None) -> tuple[Path, tuple[Caution, ...]]:
    """Return a JSON file in UTF-8: the file itself if it is, else a copy in a temporary folder.

    Raises
    ------
    AreaError
        When the given encoding does not exist, or does not fit.

    """
    body = path.read_bytes()
    if given is None and _is_utf8([body]):
        return path, ()
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        given = "utf-16"
    lines = [line for line in body.splitlines() if not line.isascii()][:2000]
    encoding, cautions = (_checked(given), ()) if given else _found(lines, name=name, what=path.name)
    try:
        text = body.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        raise AreaError(f"{path}: its letters are not {encoding}; give another --encoding") from error
    copy = scratch / f"utf-8 {path.name}"
    copy.write_text(text, encoding="utf-8")
    return copy, cautions


def unmangled(text: str) -> str:
    """Repair UTF-8 decoded as a Windows code page: ``ZÃ¼rich`` becomes ``Zürich``; leave other text unchanged."""
    if text.isascii() or not _MANGLED.search(text):
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:  # SÃO PAULO is correct as it is
        return text


def _checked(encoding: str) -> str:
    try:
        "".encode(encoding)
    except LookupError as error:
        raise AreaError(
            f"encoding {encoding!r} is not known; write one such as utf-8, cp1252, cp932 or gb18030"
        ) from error
    return encoding


def _found(values: Sequence[bytes], *, name: str | None, what: str) -> tuple[str | None, tuple[Caution, ...]]:
    """Find the encoding in which the table holds the name; else guess, with a warning."""
    if name:
        for encoding in ENCODINGS:
            if any(is_called(value.decode(encoding, "replace"), name) for value in values):
                return encoding, ()
    guess = charset_normalizer.from_bytes(b"\n".join(values), cp_isolation=list(ENCODINGS)).best()
    encoding = guess.encoding if guess else "cp1252"
    return encoding, (
        Caution(
            "encoding-assumed", f"the letters of {what} were taken for {encoding}; if names look wrong, give --encoding"
        ),
    )


def _is_utf8(values: Sequence[bytes]) -> bool:
    try:
        for value in values:
            value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _texts(dbf: Path) -> tuple[list[bytes], int]:
    """Read the values of a dBASE table's text columns as bytes (at most 8 MB of rows), and its language driver id."""
    with dbf.open("rb") as file:
        head = file.read(32)
        if len(head) < 32:
            return [], 0
        header, record = int.from_bytes(head[8:10], "little"), int.from_bytes(head[10:12], "little")
        fields = file.read(max(header - 32, 0))
        rows = file.read(_MOST_BYTES)
    columns, start = [], 1  # a row begins with its deletion flag
    for at in range(0, len(fields) - 31, 32):
        if fields[at] == 0x0D:
            break
        width = fields[at + 16]
        columns += [(start, start + width)] if fields[at + 11 : at + 12] == b"C" else []
        start += width
    whole = [rows[at : at + record] for at in range(0, len(rows) - record + 1, record)] if record else []
    return [text for row in whole for a, b in columns if (text := row[a:b].strip(b" \0"))], head[29]
