"""How commands behave towards people and scripts: exit codes, overwriting, JSON, hints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from command_line import call as run
from howgreen import cli, place
from howgreen.cli import options
from howgreen.core.sensors import SENSORS
from towns import GRASS, limits, put_image, put_town


@pytest.fixture
def store(tmp_path: Path) -> Path:
    put_image(tmp_path / "shelf", "s1", datetime(2024, 6, 1, 10, tzinfo=UTC), GRASS)
    put_town(tmp_path / "shelf")
    return tmp_path / "shelf"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    return run


def test_the_sensors_of_the_option_are_those_that_there_are():
    assert set(options.SENSORS) == set(SENSORS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["city", "X", "--sensor", "kite"], "'kite' is not one of"),
        (["city"], "give a place"),
        (["layers"], "give a place"),
        (["store", "sync"], "give a place"),
        (["plan", "X", "--period", "summer"], "write YYYY"),
        (["city", "X", "--no-such"], "No such option"),
        (["cities"], "No such command"),
        (["Sampleton"], "For a place write: howgreen city Sampleton"),
        (["Lyon, France"], 'howgreen city "Lyon, France"'),
        (["citty"], "Did you mean 'city'?"),
        (["city", "X", "--radius", "far"], "not a length; write it in metres"),
        (["store", "add", "x.tif", "--city", "X", "--date", "2019-02"], "not a day; write it as YYYY-MM-DD"),
        (["city", "X", "--store", __file__], "is a file; name a folder"),
        (["plan", "X", "--out", str(Path(__file__).parent)], "is a folder; name a file"),
        (["store", "sync", "Lyon", "--plan", "plan.json"], "leave NAME out"),
    ],
)
def test_slips_of_the_pen_exit_2_and_say_what_to_write(
    call: Callable[..., int], arguments: list[str], words: str, capsys
):
    assert call(*arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (["city", "52.4", "-4.05", "--radius", "1.5km"], ["city", "52.4, -4.05", "--radius", "1.5km"]),
        (["city", "-18.14,", "178.44"], ["city", " -18.14, 178.44"]),
        (["store", "add", "--offset", "-0.1", "0.5"], ["store", "add", "--offset", "-0.1", "0.5"]),
    ],
)
def test_coordinates_need_no_quotes(typed: list[str], kept: list[str]):
    assert cli._southern(typed) == kept


@pytest.mark.parametrize("written", ["2019:2021", "2019-2021", "2019/2021", "2019–2021", "2019,2020,2021"])
def test_years_may_be_joined_as_people_join_them(written: str):
    assert options.read_years(None, None, written) == (2019, 2020, 2021)


@pytest.mark.parametrize(("written", "metres"), [("1500", 1500), ("1.5km", 1500), ("300 m", 300), (" 2 KM ", 2000)])
def test_a_radius_may_have_its_unit(written: str, metres: float):
    assert options._Metres().convert(written, None, None) == metres


def test_a_file_is_not_asked_for_as_a_place(call: Callable[..., int], store: Path, tmp_path: Path, capsys):
    (tmp_path / "plan.json").write_text("{}")
    assert call("city", "plan.json", "--store", store, "--offline") == 1
    assert "'plan.json' is a file, not a place's name" in capsys.readouterr().err


def test_a_report_is_not_put_into_a_folder_that_is_called_like_a_file(call: Callable[..., int], store: Path, capsys):
    assert call("city", "Small", "--store", store, "--out", "small.html", "--model", "ndvi") == 1
    assert "small.html: is a file's name, and a report is a folder of files; name a folder, such as small" in (
        capsys.readouterr().err
    )


def test_labels_are_looked_at_before_a_map_is_made_for_them(call: Callable[..., int], tmp_path: Path, capsys):
    (tmp_path / "labels.geojson").write_text(json.dumps(limits().boundary.__geo_interface__))
    assert call("judge", "A place that nobody looks up", "--labels", "labels.geojson") == 1
    assert "no column 'class'" in capsys.readouterr().err


def test_no_catalogue_is_asked_for_a_simulated_city(call: Callable[..., int], sampleton: Path, capsys):
    assert call("plan", "Sampleton", "--period", "2018") == 1
    assert "Sampleton (synthetic), 2018-05-01/2018-09-30: no Sentinel-2 L2A image shows it; the store has" in (
        capsys.readouterr().err
    )


def test_another_answer_is_replaced_only_when_asked_and_before_any_work(
    call: Callable[..., int], store: Path, tmp_path: Path, capsys
):
    assert call("city", "Small", "--store", store, "--out", "out", "--model", "ndvi") == 0
    first = (tmp_path / "out" / "summary.json").stat().st_ino
    before = (tmp_path / "out" / "summary.json").read_bytes()
    capsys.readouterr()
    assert call("city", "Small", "--store", store, "--out", "out") == 1
    told = capsys.readouterr().err
    assert "howgreen: out: holds an earlier answer; add --overwrite to replace it, or name another folder\n" in told
    assert (tmp_path / "out" / "summary.json").read_bytes() == before
    assert call("city", "Small", "--store", store, "--out", "out", "--overwrite") == 0
    assert (tmp_path / "out" / "summary.json").stat().st_ino != first  # made anew
    (tmp_path / "empty").mkdir()
    assert call("city", "Small", "--store", store, "--out", "empty") == 0


@pytest.fixture
def answered(call: Callable[..., int], store: Path, capsys) -> Callable[[], bool]:
    """Ask the same thing again: whether it was answered from what was there."""
    assert call("city", "Small", "--store", store) == 0
    assert "made before" not in capsys.readouterr().out

    def again(*more: object) -> bool:
        assert call("city", "Small", "--store", store, *more) == 0
        return "made before" in capsys.readouterr().out

    return again


def test_the_same_question_is_answered_at_once_and_says_so(answered: Callable[..., bool], tmp_path: Path, monkeypatch):
    from howgreen.pipeline import city

    monkeypatch.setattr(city, "run", None)  # nothing is computed
    assert answered()
    assert answered("--out", "small")
    assert [path.name for path in tmp_path.glob("small*")] == ["small"]


def test_the_same_question_in_json_is_the_whole_summary(answered, call, store: Path, tmp_path: Path, capsys):
    assert call("city", "Small", "--store", store, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "small" / "summary.json").read_text())


def test_an_altered_or_incomplete_report_is_made_anew(answered: Callable[..., bool], tmp_path: Path):
    (tmp_path / "small" / "map.png").unlink()
    assert not answered()  # beside it, as small-2
    assert (tmp_path / "small-2" / "map.png").exists()
    assert answered()
    for folder in (tmp_path / "small", tmp_path / "small-2"):
        with (folder / "green_mask.tif").open("ab") as file:
            file.write(b"0")
    assert not answered()


def test_other_images_models_and_periods_are_other_questions(answered: Callable[..., bool], store: Path):
    assert not answered("--model", "ndvi")
    assert not answered("--period", "2024-06")
    put_image(store, "s2", datetime(2024, 6, 9, 10, tzinfo=UTC), dict.fromkeys(GRASS, 900))
    assert not answered()


def test_other_code_and_other_libraries_answer_anew(answered: Callable[..., bool], monkeypatch: pytest.MonkeyPatch):
    from howgreen.pipeline import reruns

    with monkeypatch.context() as patched:
        patched.setattr(reruns, "version", lambda name: "0.0")
        assert not answered()
    with monkeypatch.context() as patched:
        patched.setattr(reruns, "code_changed", lambda: 1e12)
        assert not answered()
    assert answered()


def test_overwriting_is_never_answered_from_what_is_there(answered: Callable[..., bool]):
    assert not answered("--out", "small", "--overwrite")


def test_the_same_holds_for_storages_elsewhere(call: Callable[..., int], store: Path, capsys):
    assert call("city", "Small", "--store", store, "--out", "memory://here/out") == 0
    assert call("city", "Small", "--store", store, "--out", "memory://here/out") == 1
    assert "add --overwrite" in capsys.readouterr().err
    assert call("city", "Small", "--store", store, "--out", "memory://here/out", "--overwrite") == 0


def test_where_and_models_answer_in_json(call: Callable[..., int], store: Path, capsys):
    assert call("where", "Small", "--store", store, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["number"], found["label"], found["kind"]) == (1, "Small", "drawn shape")
    assert call("models", "list", "--json") == 0
    names = [card["name"] for card in json.loads(capsys.readouterr().out)]
    assert {"mixture-10", "ndvi"} <= set(names)
    assert call("plan", "Small", "--store", store, "--json") == 0
    assert json.loads(capsys.readouterr().out)["howgreen_plan"] == 1


def test_json_holds_no_character_that_a_terminal_obeys_and_stays_what_it_was(capsys):
    from howgreen.cli.say import say, say_json

    value = {"name": "a\x1b[31m\x9b2J\u202eb", "città": "北京"}
    say_json(value)
    text = capsys.readouterr().out
    assert json.loads(text) == value
    assert "北京" in text
    assert not {"\x1b", "\x9b", "\u202e"} & set(text)
    say("  1. a\x1b[2Jb\n  two  blanks\r")
    assert capsys.readouterr().out == "  1. a [2Jb\n  two  blanks \n"


def test_a_slip_in_the_samples_name_is_asked_back(call: Callable[..., int], capsys):
    assert call("city", "Samplton", "--offline") == 1
    assert "did you mean Sampleton" in capsys.readouterr().err
    assert call("city", "Zzyzx", "--offline") == 1
    assert "Sampleton" not in capsys.readouterr().err


def test_a_folder_is_named_in_the_places_own_letters():
    named = options.new_folder(place.from_shape(limits().boundary, name="北京市 القاهرة"))
    assert named.name == "北京市-القاهرة"
    assert options.new_folder(place.from_shape(limits().boundary, name="Saint-Étienne (42)")).name == "saint-etienne-42"
    assert options.new_folder(place.from_shape(limits().boundary, name="..")).name.startswith("x")


def test_the_cache_is_shown_and_cleared_and_nothing_else_is_touched(
    call: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    from howgreen.pipeline import image_sources, locks

    home = tmp_path / "cache"
    monkeypatch.setattr(image_sources, "cache_folder", lambda: home)
    assert call("cache") == 0  # none yet
    for name in ("runs/a", "runs/b", "places", "sampleton-2-7-9000", "of-another-program"):
        (home / name).mkdir(parents=True)
        (home / name / "file").write_bytes(b"x" * 2**20)
    locks.hold(home / "runs" / "b")
    capsys.readouterr()
    assert call("cache", "--json") == 0
    kept = {one["name"]: one["size_bytes"] for one in json.loads(capsys.readouterr().out)["kept"]}
    assert set(kept) == {"places", "runs", "sampleton-2-7-9000"}
    assert kept["places"] == 2**20
    assert call("cache", "--clear") == 0
    assert (home / "of-another-program" / "file").exists()
    assert (home / "runs" / "b" / "file").exists()
    assert not (home / "runs" / "a").exists()
    assert not (home / "places").exists()
    locks.release(home / "runs" / "b")


def test_the_store_may_be_named_once_for_all_commands(call: Callable[..., int], store: Path, monkeypatch, capsys):
    monkeypatch.setenv("HOWGREEN_STORE", str(store))
    assert call("where", "Small") == 0
    assert "Small" in capsys.readouterr().out
    assert call("city", "Small", "--out", "out") == 0
    assert call("city", "--plan", "out/plan.json", "--out", "again") == 0


@pytest.mark.parametrize("closed", ["2>&-", "2>&- >&-", "2>&- >&- <&-"])
def test_streams_that_are_closed_before_the_start_stop_nothing(closed):
    """As cron jobs and daemons start programs: it ended with 1 and without a word, and a file could get the number of standard error."""
    code = "import sys; from howgreen.cli import main; sys.argv[1:] = ['models', 'list']; main()"
    assert subprocess.run(["/bin/sh", "-c", f'exec "{sys.executable}" -c "{code}" {closed}'], check=False, capture_output="2>&- >&-" not in closed).returncode == 0  # fmt: skip
    probe = (
        "import os, sys; from howgreen import cli; cli._open_streams(); file = open(os.devnull); "
        "sys.exit(file.fileno() <= 2 or None in (sys.stdin, sys.stdout, sys.stderr))"
    )
    assert (
        subprocess.run(["/bin/sh", "-c", f'exec "{sys.executable}" -c "{probe}" {closed}'], check=False).returncode == 0
    )
