"""A file is whole or not there, whatever goes wrong on the way; and what is promised to outlive a power cut is synced."""

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from howgreen.core.files import PREFIX, atomic_path, scratch_folder, sweep_scratch, write_atomic


def test_a_file_appears_under_its_name_only_when_it_is_whole(tmp_path: Path):
    path = tmp_path / "plan.json"
    path.write_text("old")
    with atomic_path(path) as scratch:
        scratch.write_text("ne")
        assert path.read_text() == "old"
        assert scratch.parent == path.parent
        assert scratch.name.startswith(PREFIX)
        assert scratch.suffix == ""  # no one who looks for *.json takes it for a plan
        scratch.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def _write_half(path: Path, fault: BaseException) -> None:
    with atomic_path(path) as scratch:
        scratch.write_text("half")
        raise fault


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, fault: BaseException):
    path = tmp_path / "plan.json"
    path.write_text("old")
    with pytest.raises(type(fault)):
        _write_half(path, fault)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("durable", "synced"), [(True, ["file", "folder"]), (False, [])])
def test_the_bytes_are_synced_before_the_name_and_the_name_after(tmp_path: Path, monkeypatch, durable, synced):
    calls = []
    real = os.fsync

    def spy(handle: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        assert (tmp_path / "a").exists() == (calls[-1] == "folder")
        real(handle)

    monkeypatch.setattr(os, "fsync", spy)
    write_atomic(tmp_path / "a", "å", durable=durable)
    assert calls == synced
    assert (tmp_path / "a").read_bytes() == "å".encode()


def test_memory_and_bytes_are_written_as_they_are(tmp_path: Path):
    write_atomic(tmp_path / "a", memoryview(b"\0\xff"))
    assert (tmp_path / "a").read_bytes() == b"\0\xff"


def test_a_scratch_folder_that_another_process_swept_before_it_was_marked_is_made_anew(tmp_path, monkeypatch):
    acquire, swept = FileLock.acquire, []

    def late(lock, *inputs, **options):
        if not swept:
            swept.append(Path(lock.lock_file).parent)
            shutil.rmtree(swept[0])  # by who took it for left over
            raise FileNotFoundError(lock.lock_file)
        return acquire(lock, *inputs, **options)

    monkeypatch.setattr(FileLock, "acquire", late)
    with scratch_folder(tmp_path, ".out-") as folder:
        assert folder != swept[0]
        sweep_scratch(tmp_path, ".out-")
        assert folder.is_dir()  # ours, and marked
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError), scratch_folder(tmp_path / "gone", ".out-"):
        pytest.fail("made where nothing is")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file_is_written_into_and_stays(tmp_path: Path):
    """``--out /dev/stdout``, and ``--out /dev/null`` by root, put a file in the place of the device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_atomic(pipe, "whole")
    reader.join(10)
    assert read == [b"whole"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]
