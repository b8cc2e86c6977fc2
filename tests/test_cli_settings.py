"""``-v``, ``-q``, the file of defaults, and what every command has."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from command_line import call as run
from howgreen import cli
from howgreen.cli import root, settings

WITHOUT_JSON = {"label", "serve"}
"""They open a page and wait: there is no answer to print."""


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., int]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOWGREEN_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text("")
    yield run
    log = logging.getLogger("howgreen")
    log.handlers, log.level = [], logging.NOTSET


def every_command() -> list[tuple[str, click.Command]]:
    context = click.Context(root.howgreen)

    def below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if isinstance(command, click.Group):
            for name, one in command.commands.items():
                yield from below(f"{path} {name}", one)
        else:
            yield path, command

    names = root.howgreen.list_commands(context)
    found = [(name, root.howgreen.get_command(context, name)) for name in names]
    return [pair for name, command in found if command for pair in below(name, command)]


COMMANDS = every_command()


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[path for path, _ in COMMANDS])
def test_every_command_has_an_example_a_sentence_json_and_both_voices(path: str, command: click.Command):
    assert "Example" in (command.epilog or "")
    assert f"howgreen {path}" in command.epilog
    assert (command.help or "").partition("\n")[0].endswith(".")
    options = {text for option in command.params for text in option.opts}
    assert {"-v", "-q"} <= options
    assert ("--json" in options) == (path not in WITHOUT_JSON)


def test_every_line_of_the_command_list_is_a_whole_sentence():
    for home in root.COMMANDS.values():
        assert home.purpose[0].isupper()
        assert home.purpose.endswith(".")
        assert not home.purpose.partition(" ")[0].endswith(("s", "ing"))  # an imperative


def test_options_for_all_commands_are_options_of_city():
    city = dict(COMMANDS)["city"]
    known = {text.removeprefix("--") for option in city.params for text in option.opts}
    assert set(settings.FOR_ALL) <= known


def test_the_file_says_what_is_not_typed(call, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "config.toml").write_text(
        'sensor = "sentinel-1"\nmodel = "top"\n[plan]\nmodel = "own"\nperiod = "2020"\n'
    )
    seen: list[dict[str, object]] = []
    monkeypatch.setattr("howgreen.cli.cities.AskedPlan.plan", lambda self, **_: seen.append(vars(self)) or 1 / 0)
    for typed, expected in ([], ("sentinel-1", "own", "2020")), (["--model", "typed"], ("sentinel-1", "typed", "2020")):
        with pytest.raises(ZeroDivisionError):
            cli.main(["plan", "X", *typed])
        assert (seen[-1]["sensor"], seen[-1]["model"], seen[-1]["period"]) == expected


def test_what_is_set_in_the_environment_goes_before_the_file(call, tmp_path: Path, capsys, monkeypatch):
    (tmp_path / "config.toml").write_text(f'store = "{tmp_path / "of-the-file"}"\n')
    assert call("store", "list") == 1
    assert "of-the-file" in capsys.readouterr().err
    monkeypatch.setenv("HOWGREEN_STORE", str(tmp_path / "of-the-shell"))
    assert call("store", "list") == 1
    assert "of-the-shell" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('stroe = "x"', "'stroe' is no option for all commands; did you mean store?"),
        ('[ctiy]\nmodel = "x"', "'ctiy' is no command; did you mean city?"),
        ('[city]\nmodle = "x"', "'modle' is no option of city; did you mean model?"),
        ("[store]\nadd = 3", "store.add is a command"),
        ("city = [", "cannot be read as TOML"),
    ],
)
def test_a_slip_in_the_file_is_one_line_that_names_it(call, tmp_path: Path, capsys, text: str, words: str):
    (tmp_path / "config.toml").write_text(text)
    assert call(*(("store", "list") if "add" in text else ("city", "X", "--offline"))) == 1
    told = capsys.readouterr().err
    assert words in told
    assert "config.toml" in told
    assert told.count("\n") == 1


def test_a_file_that_is_named_and_not_there_is_told(call, monkeypatch, capsys):
    monkeypatch.setenv("HOWGREEN_CONFIG", "nowhere.toml")
    assert call("where", "X", "--offline") == 1
    assert "HOWGREEN_CONFIG" in capsys.readouterr().err


def test_no_file_is_no_matter(call, monkeypatch, tmp_path: Path):
    monkeypatch.delenv("HOWGREEN_CONFIG")
    monkeypatch.setattr("platformdirs.user_config_path", lambda _: tmp_path / "none")
    assert call("models", "list", "-q") == 0


def test_a_mistyped_command_is_asked_back(call, capsys):
    assert call("citty", "X") == 2
    assert "Did you mean 'city'?" in capsys.readouterr().err
    assert call("xyzzy") == 2
    assert "Did you mean" not in capsys.readouterr().err


def test_an_option_of_the_commands_before_them_says_where_it_goes(call, capsys):
    assert call("-q", "city", "Sampleton") == 2
    assert "Put it after the command: howgreen city NAME -q" in capsys.readouterr().err


def test_verbose_tells_and_quiet_does_not(call, capsys):
    log = logging.getLogger("howgreen.net.http")
    assert call("models", "list", "-vv") == 0
    capsys.readouterr()
    log.debug("GET https://example.org: %d", 200)
    assert "GET https://example.org: 200" in capsys.readouterr().err
    assert log.getEffectiveLevel() == logging.DEBUG
    assert call("models", "list", "-v") == 0
    assert log.getEffectiveLevel() == logging.INFO
    assert len(logging.getLogger("howgreen").handlers) == 1


def test_what_will_be_read_is_told_a_person_first_and_a_script_only_when_asked(capsys, monkeypatch):
    from howgreen.cli.progress import tell_first

    tell_first("8 images: about 51 MiB to read")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    tell_first("8 images: about 51 MiB to read")
    assert capsys.readouterr().err == "8 images: about 51 MiB to read\n"


def test_stores_answer_in_json(call, tmp_path: Path, capsys):
    import numpy as np
    import rasterio
    from affine import Affine

    bands = [np.full((60, 60), number, "uint16") for number in (350, 700, 300, 4500)]
    profile = {"driver": "GTiff", "width": 60, "height": 60, "count": 4, "dtype": "uint16", "crs": "EPSG:32632"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, transform=Affine(10, 0, 680_000, 0, -10, 5_152_000)) as file:
        file.write(np.stack(bands))
    given = ("--city", "Here", "--bands", "red,green,blue,nir", "--scale", 0.0001, "--date", "2024-07-01")
    assert call("store", "add", "a.tif", "--store", "shelf", *given, "--json") == 0
    (added,) = json.loads(capsys.readouterr().out)["added"]
    assert call("store", "list", "--store", "shelf", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["id"] == added
    assert set(row["bands"]) == {"red", "green", "blue", "nir"}
    assert call("store", "verify", "--store", "shelf", "--json") == 0
    assert json.loads(capsys.readouterr().out)["faults"] == []
    next((tmp_path / "shelf").rglob("*.tif")).write_bytes(b"")
    assert call("store", "verify", "--store", "shelf", "--json") == 1
    assert json.loads(capsys.readouterr().out)["faults"]
