"""The sentences that the sources can put before a reader of the page: warnings and notes, each with values in its places."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path

import howgreen

SOURCES = Path(howgreen.__file__).parent
VALUES: Mapping[str, tuple[str, ...]] = {
    "_have(blind, plan)": ("image A has", "the images have", "2 of 7 images have"),
    "_have(told, plan)": ("image A has", "the images have", "2 of 7 images have"),
    "_how_many(len(outside), len(plan.scenes))": (
        "the only image lies", "all 7 images lie", "1 of 7 images lies", "2 of 7 images lie",
    ),
    "count(len(seen), 'date')": ("1 date", "2 dates"),
    "count(len(compared), 'month')": ("0 months", "1 month", "2 months"),
    "words.count(compared, 'month')": ("1 month", "2 months"),
    "words.plain(words.count(shared, 'year'))": ("0 years", "1 year", "2 years"),
    "days(seen)": ("3 May – 28 Sep 2024",),
    "scene['offset_check_why']": (
        "7 % of the clear pixels have negative reflectance: the offset seems subtracted twice",
        "the darkest hundredth reflects 0.12 in every visible band: an offset seems not subtracted",
    ),
    "found.what": ("7 % of the land reflects less than nothing: an offset seems subtracted twice",),
    "failed.error()": ("Lyon, 2024-06-01/2024-08-31: no image is clear enough inside its limits: 2024-06-01 (3 % clear)",),
    "error": ("Lyon, 2024-06-01/2024-08-31: no image is clear enough inside its limits: 2024-06-01 (3 % clear)",),
    "broken[0]": ("file.gpkg: the boundary crosses itself (self-intersection); redraw it without crossings",),
    "far": ("120 km from the place that it was made for", "in another season (it learned from images of 24 July; most used here are more than 45 days away)",
            "120 km from the place that it was made for; on images of landsat (it learned from sentinel-2)"),
    "source": ("coastline of OpenStreetMap, © OpenStreetMap contributors, ODbL", "land of coast.gpkg"),
    "_named(ids, len(scenes))": ("image A", "images A, B", "images A, B, C and 2 more", "all 7 images"),
    "caution.text": ("its folder lacks B01",),
    "one.text": ("its folder lacks B01",),
    "word": ("before", "after"),
    "city.admin_level or 'unknown'": ("8", "unknown"),
    "'s' * (left_out > 1)": ("", "s"),
    "left_out": ("1", "2"),
    "SKIP": ("-",),
    "answer": ("example.org answers with a web page",),
    "reason": ("the land of coast.gpkg is broken here",),
    "text": ("1 part without area left out", "2 parts without area left out"),
}  # fmt: skip
"""What stands in a place, by the expression that the source has there; ``7`` for all others."""


def texts(node: ast.expr, names: Mapping[str, list[ast.expr]]) -> list[str]:
    """Give what an expression may say; empty where that is made elsewhere."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return texts(node.body, names) + texts(node.orelse, names)
    if isinstance(node, ast.BinOp):
        return [one + other for one, other in product(texts(node.left, names), texts(node.right, names))]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"plain", "words.plain"}:
        return texts(node.args[0], names)
    if isinstance(node, ast.Starred | ast.Tuple | ast.List):
        inner = [node.value] if isinstance(node, ast.Starred) else node.elts
        return [text for one in inner for text in texts(one, names)]
    if isinstance(node, ast.BoolOp):
        return [text for one in node.values for text in texts(one, names)]
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return texts(node.elt, names)
    if isinstance(node, ast.Name):
        others = {name: values for name, values in names.items() if name != node.id}
        return [text for one in names.get(node.id, ()) for text in texts(one, others)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(one) for one in product(*(_places(part, names) for part in node.values))]
    return []


def _places(part: ast.expr, names: Mapping[str, list[ast.expr]]) -> list[str]:
    if isinstance(part, ast.Constant):
        return [str(part.value)]
    assert isinstance(part, ast.FormattedValue)
    made = texts(part.value, names) if isinstance(part.value, ast.Name) else []
    return made if any(made) else list(VALUES.get(ast.unparse(part.value), ("7",)))


def _assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    names: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.setdefault(node.targets[0].id, []).append(node.value)
    return names


@cache
def functions(folder: str = "") -> tuple[tuple[str, ast.FunctionDef], ...]:
    """List the functions of the sources, with the file they are in."""
    return tuple(_functions(folder))


def _functions(folder: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in sorted((SOURCES / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield path.relative_to(SOURCES).as_posix(), node


def warnings() -> Iterator[tuple[str, list[str]]]:
    """Yield where each caution is made, and what it may say; nothing where that is another function's."""
    for file, function in functions():
        names = _assigned(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Caution":
                text = (
                    node.args[1]
                    if len(node.args) > 1
                    else next(one.value for one in node.keywords if one.arg == "text")
                )
                yield f"{file}:{function.name}", texts(text, names)


def notes() -> Iterator[tuple[str, list[str]]]:
    """Yield what functions of places and plans may note: texts handed to ``join_notes``, ``note=``, ``notes`` and the like."""
    for folder in ("place", "pipeline", "store", "imagery/catalog", "landcover", "osm"):
        for file, function in functions(folder):
            names = _assigned(function)
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                    "join_notes",
                    "notes.append",
                    "cautions.append",
                }:
                    found = [text for one in node.args for text in texts(one, names)]
                elif isinstance(node, ast.keyword | ast.Return) and _noted(node, f"{file}:{function.name}"):
                    found = texts(node.value, names) if node.value is not None else []
                else:
                    continue
                if found := list(filter(None, found)):
                    yield f"{file}:{function.name}", found


def _noted(node: ast.keyword | ast.Return, where: str) -> bool:
    return where in NOTE_MAKERS if isinstance(node, ast.Return) else node.arg in {"note", "notes"}


NOTE_MAKERS = {
    "imagery/catalog/_select.py:look_directions", "imagery/catalog/_select.py:mixed_platforms", "landcover/_smoke_test.py:_reach", "osm/tags.py:population_of",
    "pipeline/image_sources.py:asked_period", "pipeline/image_sources.py:notes", "place/_districts.py:_one_layer", "place/_files.py:_chosen",
    "place/_files.py:_together", "place/_files.py:_usable", "place/_osm_boundaries.py:_uncovered", "place/_osm_boundaries.py:left_out",
}  # fmt: skip
"""Functions that return notes, or the text of warnings that others make."""
