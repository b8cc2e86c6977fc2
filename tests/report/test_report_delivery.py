"""Folders sent elsewhere: whole or marked, in any order of breaks; a storage in memory stands for all."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from howgreen.core.errors import OutputError
from howgreen.report._delivery import address_of, check_target, is_url, new_target
from howgreen.report._folder import FORMATS


@pytest.fixture
def storage():
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


def fill(folder, *names):
    for name in names:
        (folder / name).write_text(f"of {name}")
    (folder / "summary.json").write_text(json.dumps({"format": FORMATS[0], "files": [*names, "summary.json"]}))


def names(storage, folder="/x/report"):
    return sorted(Path(path).name for path in storage.find(folder))


def test_a_folder_arrives_whole_and_its_summary_last(storage, monkeypatch):
    order, put = [], MemoryFileSystem.put_file
    monkeypatch.setattr(
        MemoryFileSystem, "put_file", lambda self, a, b, **k: (order.append(Path(b).name), put(self, a, b, **k))[1]
    )
    told = []
    with new_target("memory://x/report", progress=lambda *step: told.append(step)) as folder:
        fill(folder, "a.tif", "z.html")
    assert order == ["a.tif", "z.html", "summary.json"]
    assert names(storage) == ["a.tif", "summary.json", "z.html"]
    assert storage.cat_file("/x/report/z.html") == b"of z.html"
    assert told[-1] == ("send", 3, 3)


def test_a_report_is_replaced_and_its_old_files_go(storage):
    with new_target("memory://x/report") as folder:
        fill(folder, "a.tif", "old.tif")
    with new_target("memory://x/report") as folder:
        fill(folder, "a.tif")
    assert names(storage) == ["a.tif", "summary.json"]


def test_what_is_not_ours_is_not_touched(storage):
    storage.pipe_file("/x/report/thesis.doc", b"mine")
    with pytest.raises(OutputError, match=r"memory://x/report: holds 'thesis\.doc', which is not part of a report"):
        check_target("memory://x/report")
    with pytest.raises(OutputError), new_target("memory://x/report") as folder:
        fill(folder, "a.tif")
    assert names(storage) == ["thesis.doc"]


@pytest.mark.parametrize("breaks_at", ["a.tif", "b.tif", "summary.json"])
@pytest.mark.parametrize("how", [OSError("quota"), KeyboardInterrupt()])
def test_sending_that_breaks_off_leaves_no_summary_and_can_be_run_again(storage, monkeypatch, breaks_at, how):
    with new_target("memory://x/report") as folder:  # an earlier report lies there
        fill(folder, "a.tif", "c.tif")
    put = MemoryFileSystem.put_file

    def broken(self, local, remote, **more):
        if remote.endswith(breaks_at):
            raise how
        return put(self, local, remote, **more)

    monkeypatch.setattr(MemoryFileSystem, "put_file", broken)
    with pytest.raises((OutputError, KeyboardInterrupt)) as told, new_target("memory://x/report") as folder:
        fill(folder, "a.tif", "b.tif")
    if isinstance(how, OSError):
        assert f"broke off after {['a.tif', 'b.tif', 'summary.json'].index(breaks_at)} of 3 files (quota)" in str(
            told.value
        )
    assert "summary.json" not in names(storage)
    monkeypatch.setattr(MemoryFileSystem, "put_file", put)
    with new_target("memory://x/report") as folder:
        fill(folder, "a.tif", "b.tif")
    assert names(storage) == ["a.tif", "b.tif", "summary.json"]


def test_a_file_that_arrives_short_is_noticed(storage, monkeypatch):
    info = MemoryFileSystem.info
    monkeypatch.setattr(MemoryFileSystem, "info", lambda self, path, **k: {**info(self, path, **k), "size": 3})
    with pytest.raises(OutputError, match="arrived with 3 of"), new_target("memory://x/report") as folder:
        fill(folder, "a.tif")


def test_nothing_is_sent_when_making_the_folder_fails(storage):
    with pytest.raises(OutputError, match="no room"), new_target("memory://x/report"):
        raise OutputError("no room")
    assert names(storage) == []


@pytest.mark.parametrize(("url", "cure"), [
    ("gdrive://folder/x", "gdrive://folder/x: its driver is not installed; pip install gdrive-fsspec"),
    ("az://user:secret@box/x", "az://box/x: its driver is not installed; pip install adlfs"),
    ("nosuch://x/y", "nosuch://x/y: no storage is known as nosuch://"),
    ("memory://", "memory://: is the root of a storage; name a folder in it"),
])  # fmt: skip
def test_every_refusal_says_what_to_do_and_shows_no_password(url, cure):
    with pytest.raises(OutputError) as told:
        check_target(url)
    assert str(told.value).startswith(cure)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("out", ["gdrive:folder", "gdrive:/folder", "GDrive:folder", "s3:folder"])
def test_a_storage_misspelt_is_no_folder_here(out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=r"write (gdrive|s3)://folder"):
        check_target(out)
    with pytest.raises(OutputError, match=r"write (gdrive|s3)://folder"):
        check_target(Path(out))


@pytest.mark.parametrize(("raised", "told"), [
    (webbrowser.Error("could not locate runnable browser"), "GOOGLE_APPLICATION_CREDENTIALS"),
    (EOFError("no terminal"), "GOOGLE_APPLICATION_CREDENTIALS"),
    (ValueError("Service account info was not in the expected format"), "cannot be reached"),
    (KeyError("access_token"), "cannot be reached"),
    (AttributeError("'NoneType' object has no attribute 'refresh'"), "cannot be reached"),
])  # fmt: skip
def test_a_driver_that_cannot_log_in_is_one_line(raised, told, monkeypatch):
    """As gdrive-fsspec 0.4 does on a computer without a browser, with a broken key, without an answer."""
    asked = {}

    class Broken(MemoryFileSystem):
        protocol = "gdrive"
        cachable = False

        def __init__(self, **options):
            asked.update(options)
            raise raised

    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setitem(_registry, "gdrive", Broken)
    with pytest.raises(OutputError, match=told):
        check_target("GDRIVE://folder/x")
    assert "creds" not in asked
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "key.json")
    with pytest.raises(OutputError, match=r"GOOGLE_APPLICATION_CREDENTIALS (names|to the key file)"):
        check_target("gdrive://folder/x")
    assert (asked["token"], asked["creds"]) == ("service_account", "key.json")


def test_paths_stay_paths(tmp_path):
    assert not is_url(tmp_path)
    assert not is_url(str(tmp_path))
    assert address_of(tmp_path, "a") == str(tmp_path / "a")
    assert address_of("s3://key:secret@b/x/", "a") == "s3://b/x/a"
    with new_target(tmp_path / "new") as folder:
        fill(folder, "a.tif")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.tif", "summary.json"]


def test_a_folder_by_its_file_url_is_a_storage_too(tmp_path):
    with new_target(f"file://{tmp_path}/sent") as folder:
        fill(folder, "a.tif")
    assert sorted(path.name for path in (tmp_path / "sent").iterdir()) == ["a.tif", "summary.json"]
