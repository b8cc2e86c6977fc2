"""The reference pages come from the code, and no public name, command or schema is left out."""

from __future__ import annotations

import inspect
from pathlib import Path

import commands
import pytest
import reference

import howgreen


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    reference.write_api(folder)
    return folder


@pytest.mark.parametrize("name", howgreen.__all__)
def test_every_public_name_has_its_page_and_stands_in_the_index(api: Path, name: str):
    assert f":: howgreen.{name}\n" in (api / f"{name}.rst").read_text(encoding="utf-8")
    assert (api / "index.rst").read_text(encoding="utf-8").count(f"* - :doc:`{name}`\n") == 1


@pytest.mark.parametrize("name", [name for name in howgreen.__all__ if name != "__version__"])
def test_every_public_name_says_in_one_sentence_what_it_is(name: str):
    first = (inspect.getdoc(getattr(howgreen, name)) or "").partition("\n\n")[0]
    assert first.endswith((".", "?"))


def test_a_name_that_no_group_knows_is_listed_all_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(howgreen, "brand_new", lambda: None, raising=False)
    assert "brand_new" in reference.groups([*howgreen.__all__, "brand_new"])["More"]


def test_pages_of_names_that_are_gone_go_too(tmp_path: Path):
    (tmp_path / "retired.rst").write_text("was public once", encoding="utf-8")
    reference.write_api(tmp_path)
    assert not (tmp_path / "retired.rst").exists()


def test_values_inside_public_values_are_described(api: Path):
    names = {part.__name__ for part in reference.parts()}
    assert {"GreenStats", "Interval", "Scene", "Composite", "LandCover", "ModelCard"} <= names | set(howgreen.__all__)
    page = (api / "values.rst").read_text(encoding="utf-8")
    assert all(f".{name}\n" in page for name in names)


def test_every_schema_has_its_page_with_all_its_fields(tmp_path: Path):
    reference.write_schemas(tmp_path)
    assert reference.schemas()
    for name, schema in reference.schemas().items():
        page = (tmp_path / name.replace(".schema.json", ".md")).read_text(encoding="utf-8")
        assert all(f"| `{field}` |" in page for field in schema["properties"])


@pytest.mark.parametrize("path", commands.walk(), ids=" ".join)
def test_every_command_has_its_options_and_an_example_on_a_page(docs: Path, path: tuple[str, ...]):
    page = (docs / "commands" / f"{path[0]}.md").read_text(encoding="utf-8")
    words = " ".join(path)
    assert f"$ howgreen {words} " in page or f"$ howgreen {words}\n" in page
    is_group = hasattr(commands.walk()[path], "commands")
    assert is_group or f"{{include}} ../reference/commands/{'-'.join(path)}.md\n" in page
    assert "](" + f"{path[0]}.md)" in (docs / "commands" / "index.md").read_text(encoding="utf-8")


def test_the_options_are_those_of_help(tmp_path: Path):
    reference.write_commands(tmp_path)
    for path, command in commands.walk().items():
        page = (tmp_path / f"{'-'.join(path)}.md").read_text(encoding="utf-8")
        assert all(option in page for parameter in command.params for option in parameter.opts if option[0] == "-")


def test_links_of_the_projects_own_pages_hold_inside_the_site():
    text = "[a](docs/field.md#x), [b](ARCHITECTURE.md), [c](src/howgreen/cli), [d](https://example.org)"
    assert reference._inside(text) == "[a](../../field.md#x), [b](architecture.md), c, [d](https://example.org)"
