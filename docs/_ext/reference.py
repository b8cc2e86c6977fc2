"""Write the reference pages that come from the code: public names, options of the commands, JSON schemas, models."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import commands

import howgreen

ROOT = Path(__file__).resolve().parents[2]
PROJECT_PAGES = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md")
"""Files of the project's root that are pages of the site as well."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "From a name to an answer": ("city", "plan", "run", "write", "read_plan"),
    "Places": (
        "where",
        "place_from_name",
        "place_from_point",
        "place_from_geometry",
        "place_from_file",
        "with_districts",
        "with_land",
    ),
    "Other maps": ("layers", "osm_green"),
    "What you can say about images and services": ("Store", "Catalogs", "Network", "Period"),
    "What comes back": ("City", "Plan", "CityResult", "GreenStats", "Summary"),
}
"""Order of the index page. A public name that stands in none of these is listed by its kind all the same."""


def groups(names: Iterable[str] = howgreen.__all__) -> dict[str, list[str]]:
    """Sort public names under headings; each name appears exactly once."""
    left = sorted(set(names))
    sorted_names = {title: [name for name in members if name in left] for title, members in GROUPS.items()}
    taken = {name for members in sorted_names.values() for name in members}
    sorted_names["Errors and warnings"] = [n for n in left if n not in taken and _kind(n) == "autoexception"]
    taken.update(sorted_names["Errors and warnings"])
    sorted_names["More"] = [name for name in left if name not in taken]
    return {title: members for title, members in sorted_names.items() if members}


def parts(names: Iterable[str] = howgreen.__all__) -> list[type]:
    """Find the value classes that public values hold in their fields, and that are not public names themselves."""
    public = [getattr(howgreen, name) for name in names]
    waiting = [found for found in public if inspect.isclass(found)]
    waiting += [part for found in public if inspect.isfunction(found) for part in _returned_classes(found)]
    seen = {id(base) for found in public for base in (found.__mro__ if inspect.isclass(found) else (found,))}
    found_parts = [part for part in dict.fromkeys(waiting) if id(part) not in seen]
    seen.update(map(id, found_parts))
    while waiting:
        value = waiting.pop()
        for part in _field_classes(value):
            if id(part) not in seen:
                seen.add(id(part))
                found_parts.append(part)
                waiting.append(part)
    return sorted(found_parts, key=lambda part: part.__name__)


def write_api(folder: Path) -> None:
    """Write ``index.rst`` and one page a name into ``folder``."""
    pages = {
        "index.rst": _index(),
        **{f"{name}.rst": _page(name) for name in howgreen.__all__},
        "values.rst": _values(),
    }
    _replace(folder, pages)


def schemas() -> dict[str, dict[str, Any]]:
    """Return the published JSON schemas that lie in the package, by file name."""
    package = Path(howgreen.__file__).parent
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.schema.json"))}


def write_schemas(folder: Path) -> None:
    """Write one page a schema, its properties as a table and its whole text below, into ``folder``."""
    pages = {"index.md": _schema_index()}
    for name, schema in schemas().items():
        pages[name] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        pages[name.replace(".schema.json", ".md")] = _schema_page(name, schema)
    _replace(folder, pages)


def write_tables(folder: Path) -> None:
    """Write parts of pages: the shipped models' errors on their reference, as their cards state them; the warnings."""
    from howgreen import landcover

    rows = []
    for name in landcover.SHIPPED:
        card = landcover.load_model(name).card
        error = card.reference_error
        if error:
            figures = f"{error.rmse:.3f} | {error.bias:+.3f} | ± {error.half_width:.3f}"
            rows.append(f"| `{name}` | {len(card.bands)} | {figures} |")
    head = "| model | bands | RMSE of a pixel | bias | half of the 95 % interval |\n|---|---|---|---|---|\n"
    _replace(folder, {"potsdam.md": head + "\n".join(rows) + "\n", "warnings.md": _warnings()})


def _warnings() -> str:
    codes = import_module("howgreen.core.warnings").CODES
    rows = "\n".join(f"| `{code}` | {_cell(meaning)} |" for code, meaning in codes.items())
    return f"| code | meaning |\n|---|---|\n{rows}\n"


def write_commands(folder: Path) -> None:
    """Write what each command's ``--help`` says, as a part for its page: ``store-add.md``."""
    _replace(folder, {f"{'-'.join(path)}.md": _options(path, command) for path, command in commands.walk().items()})


def write_project(folder: Path) -> None:
    """Write the project's own pages with links that hold inside the site."""
    _replace(folder, {name.lower(): _inside((ROOT / name).read_text(encoding="utf-8")) for name in PROJECT_PAGES})


def _inside(text: str) -> str:
    """Turn links between files of the root into links of the site, and links to other files into their text."""

    def link(found: re.Match[str]) -> str:
        label, target = found.groups()
        if target.startswith("docs/") and target.partition("#")[0].endswith(".md"):
            return f"[{label}](../../{target.removeprefix('docs/')})"
        if target in PROJECT_PAGES:
            return f"[{label}]({target.lower()})"
        return label

    return re.sub(r"(?<!!)\[([^]]+)\]\((?!https?:|mailto:|#)([^)]+)\)", link, text)


def _options(path: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=" ".join(("howgreen", *path)))
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = "\n".join(f"| `{_cell(name)}` | {_cell(meaning)} |" for name, meaning in filter(None, records) if meaning)
    about = inspect.cleandoc(command.help or "")
    return f"```text\n{usage}\n```\n\n{about}\n\n| option | meaning |\n|---|---|\n{rows}\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _kind(name: str) -> str:
    value = getattr(howgreen, name)
    if inspect.isclass(value):
        return "autoexception" if issubclass(value, BaseException) else "autoclass"
    return "autofunction" if callable(value) and hasattr(value, "__name__") else "autodata"


def _field_classes(value: type) -> list[type]:
    """Return the classes of this package in the annotations of a class's fields."""
    classes: list[type] = []
    for base in value.__mro__:
        if base.__module__.startswith("howgreen"):
            for annotation in vars(base).get("__annotations__", {}).values():
                classes += _named_classes(annotation, vars(import_module(base.__module__)))
    return classes


def _returned_classes(function: Any) -> list[type]:
    """Return the classes of this package that a function says it returns."""
    bare = inspect.unwrap(function)
    return _named_classes(bare.__annotations__.get("return", ""), bare.__globals__)


def _named_classes(annotation: object, namespace: Mapping[str, Any]) -> list[type]:
    named = (namespace.get(word) for word in re.findall(r"\w+", str(annotation)))
    return [value for value in named if inspect.isclass(value) and value.__module__.startswith("howgreen")]


def _title(text: str, mark: str = "=") -> str:
    return f"{text}\n{mark * len(text)}\n\n"


def _summary(name: str) -> str:
    if _kind(name) == "autodata":
        return "The version of the package."
    return (inspect.getdoc(getattr(howgreen, name)) or "").partition("\n")[0]


def _index() -> str:
    text = _title("Python API")
    text += (
        "Everything below is imported from ``howgreen`` itself; the rest of the package may move between releases.\n\n"
    )
    for title, members in groups().items():
        text += _title(title, "-") + ".. list-table::\n   :widths: 30 70\n\n"
        for name in members:
            text += f"   * - :doc:`{name}`\n     - {_summary(name)}\n"
        text += "\n"
    toctree = "\n".join(f"   {name}" for members in groups().values() for name in members)
    more = "The values that these hold in their fields: :doc:`values`.\n\n"
    return text + more + f".. toctree::\n   :hidden:\n\n{toctree}\n   values\n"


def _page(name: str) -> str:
    kind = _kind(name)
    text = _title(f"howgreen.{name}")
    if kind == "autodata":
        return text + f".. data:: howgreen.{name}\n\n   The version of the package: ``{getattr(howgreen, name)}``.\n"
    text += f".. {kind}:: howgreen.{name}\n"
    if kind == "autoclass":
        text += "   :inherited-members: object\n" + _members(getattr(howgreen, name))
    if kind == "autoexception":
        text += "   :exclude-members: __init__, __new__\n\n" + _kinds_of(getattr(howgreen, name))
    return text


def _members(value: type) -> str:
    """Describe a class's members; the fields of a record that has a JSON schema as a table made of that."""
    fields = getattr(value, "__struct_fields__", ())
    text = (
        "   :members:\n   :undoc-members:\n   :exclude-members: " + ", ".join(("__init__", "__new__", *fields)) + "\n"
    )
    if not fields:
        return text
    import msgspec

    name = msgspec.json.schema(value)["$ref"].rpartition("/")[2]
    properties = msgspec.json.schema(value)["$defs"][name]["properties"]
    text += "\n   .. list-table::\n      :widths: 25 25 50\n      :header-rows: 1\n\n"
    rows = [(f"``{key}``", _type(field), field.get("description", "")) for key, field in properties.items()]
    for cells in [("field", "type", "meaning"), *rows]:
        text += "      * - " + "\n        - ".join(cells) + "\n"
    return text


def _kinds_of(base: type[BaseException]) -> str:
    """Describe the errors or warnings that derive from a public one."""
    rows = [f"``{kind.__name__}``\n    {(inspect.getdoc(kind) or '').partition(chr(10))[0]}\n" for kind in _below(base)]
    return "These derive from it:\n\n" + "\n".join(rows) if rows else ""


def _below(base: type[BaseException]) -> list[type[BaseException]]:
    kinds = [kind for direct in base.__subclasses__() for kind in (direct, *_below(direct))]
    return sorted(set(kinds), key=lambda kind: kind.__name__)


def _values() -> str:
    text = _title("Values that these hold")
    text += "You receive these from the public names; you rarely make one yourself.\n\n"
    for part in parts():
        text += _title(part.__name__, "-") + f".. autoclass:: {part.__module__}.{part.__qualname__}\n"
        text += _members(part) + "\n"
    return text


def _schema_index() -> str:
    rows = "\n".join(
        f"- [{name}]({name.replace('.schema.json', '.md')}): {schema.get('description') or schema.get('title', '')}"
        for name, schema in schemas().items()
    )
    toctree = "\n".join(name.replace(".schema.json", "") for name in schemas())
    return (
        "# JSON schemas\n\nThe JSON files that howgreen writes keep to published schemas. A field is never renamed or\n"
        f"given another meaning within one version of its format.\n\n{rows}\n\n"
        f"```{{toctree}}\n:hidden:\n\n{toctree}\n```\n"
    )


def _schema_page(name: str, schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "\n".join(
        f"| `{key}` | {_type(value)} | {'always' if key in required else 'may be absent'} "
        f"| {str(value.get('description', '')).replace('|', '/')} |"
        for key, value in schema.get("properties", {}).items()
    )
    return (
        f"# {schema.get('title', name)}\n\n{schema.get('description', '')}\n\n"
        f"| field | type | present | meaning |\n|---|---|---|---|\n{rows}\n\n"
        f"## The whole schema\n\n{{download}}`{name}`\n\n```{{literalinclude}} {name}\n:language: json\n```\n"
    )


def _type(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema["enum"])
    if "$ref" in schema:
        return f"{schema['$ref'].rpartition('/')[2]}"
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(_type(one) for one in schema[several])
    kinds = schema.get("type", "any")
    if kinds == "array" and isinstance(schema.get("items"), Mapping):
        return f"array of {_type(schema['items'])}"
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def _replace(folder: Path, pages: Mapping[str, str]) -> None:
    """Make ``folder`` hold these pages and no others; a page that did not change keeps its time."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
