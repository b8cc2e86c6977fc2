"""Runs that are watched, killed or doubled: nothing is written elsewhere, asked of anybody, left behind or half there."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import onnx_models
from howgreen.core import files
from howgreen.core.errors import ModelError, OutputError, PlanError
from howgreen.landcover import _library, first_tile
from howgreen.pipeline import plan_json
from howgreen.report import _folder as folders

WATCH = """
import os, sys
LOG = os.open(os.environ["WATCH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def watch(event, args):
    if event.startswith("socket.") and event not in ("socket.gethostname", "socket.__new__"):
        os.write(LOG, f"{event} {args!r}\\n".encode())
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+") and isinstance(args[0], (str, bytes)):
        os.write(LOG, f"write {os.path.abspath(os.fsdecode(args[0]))}\\n".encode())
sys.addaudithook(watch)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="homes are laid out otherwise")
def test_row_1_a_run_opens_no_socket_and_writes_nothing_outside_its_own_folders(sampleton: Path, tmp_path: Path):
    """ONNX Runtime 1.32 would write a device id and a database, and ask for a host of telemetry."""
    for name in ("watch", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "watch/sitecustomize.py").write_text(WATCH)
    log = tmp_path / "watch/log"
    path = os.pathsep.join([str(tmp_path / "watch"), *sys.path])
    kept = {k: v for k, v in os.environ.items() if k not in {"ORT_DISABLE_TELEMETRY", "MPLCONFIGDIR"}}
    environment = kept | {
        "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"), "TMPDIR": str(tmp_path / "tmp"), "WATCH_LOG": str(log),
        "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "howgreen.cli",
        "city",
        "Sampleton",
        "--store",
        str(sampleton),
        "--offline",
        "--out",
        "out",
    ]
    trace = tmp_path / "watch/trace"
    if strace := shutil.which("strace"):
        command = [
            strace,
            "-f",
            "-qq",
            "-e",
            "trace=socket,connect,sendto",
            "-e",
            "signal=none",
            "-o",
            str(trace),
            *command,
        ]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    own = (tmp_path / "cache/howgreen", tmp_path / "out", tmp_path / "watch")
    there = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in there if not any(path.is_relative_to(one) for one in own)] == []
    lines = log.read_text().splitlines()
    assert [line for line in lines if not line.startswith("write ")] == []
    assert not trace.exists() or trace.read_text() == ""


def test_row_1_one_module_alone_loads_onnx_runtime():
    """Whoever else imported it would do so before its telemetry is off."""
    source = Path(first_tile.__file__).parent.parent
    direct = re.compile(r"^ *(import onnxruntime|from onnxruntime)", re.MULTILINE)
    found = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if direct.search(re.sub(r"(?s)if TYPE_CHECKING:\n(?:    .*\n|\n)*", "", path.read_text()))
    }
    assert found <= {"core/onnx_runtime.py"}


def killed_in(code: str, folder: Path) -> None:
    """A process that runs the code until it says that it is there, and is then killed."""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    process.kill()
    process.communicate()


WRITING = """
import time
from pathlib import Path
from howgreen.report._folder import new_folder
with new_folder(Path("out")) as folder:
    (folder / "big.bin").write_bytes(bytes(1000))
    print("there", flush=True)
    time.sleep(60)
"""


def report_in(out: Path, mark: str) -> None:
    with folders.new_folder(out) as folder:
        (folder / "summary.json").write_text(json.dumps({"format": folders.FORMATS[0], "files": ["a.txt"]}))
        (folder / "a.txt").write_text(mark)


def test_row_8_what_a_killed_run_left_beside_the_report_goes_with_the_next(tmp_path: Path):
    killed_in(WRITING, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    report_in(tmp_path / "out", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "summary.json"]


def test_row_8_what_a_living_run_writes_is_left_alone(tmp_path: Path):
    with folders.new_folder(tmp_path / "out") as folder:
        (folder / "half.bin").write_bytes(b"x")
        report_in(tmp_path / "out-2", "beside")
        files.sweep_scratch(tmp_path, ".out-")
        assert (folder / "half.bin").exists()


def test_row_8_a_folder_without_a_mark_is_left_alone_for_a_day(tmp_path: Path):
    new, old = tmp_path / ".out-new", tmp_path / ".out-old"
    for path in (new, old):
        path.mkdir()
    os.utime(old, (time.time() - 90_000,) * 2)
    files.sweep_scratch(tmp_path, ".out-")
    assert (new.exists(), old.exists()) == (True, False)


def test_row_8_a_killed_download_of_a_model_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_library, "folder", lambda: tmp_path / "models")
    code = f"""
import time
from pathlib import Path
from howgreen.landcover import _library as library
library.folder = lambda: Path({str(tmp_path / "models")!r})
with library.scratch() as part:
    part.write_bytes(bytes(1000))
    print("there", flush=True)
    time.sleep(60)
"""
    killed_in(code, tmp_path)
    with _library.scratch() as part:
        assert list((tmp_path / "models").iterdir()) == [part.parent]
    assert list((tmp_path / "models").iterdir()) == []


def test_row_9_an_earlier_report_is_exchanged_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if not files.exchange(*(made(tmp_path / name) for name in ("one", "two"))):
        pytest.skip("this system cannot exchange names")
    report_in(tmp_path / "out", "old")
    monkeypatch.setattr(Path, "rename", lambda *_: pytest.fail("the name was off for a moment"))
    report_in(tmp_path / "out", "new")
    assert (tmp_path / "out/a.txt").read_text() == "new"


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_row_9_a_report_that_lost_its_name_gets_it_back(tmp_path: Path):
    """Where names cannot be exchanged a process may be killed between two renames."""
    report_in(tmp_path / "out", "old")
    (tmp_path / "out").rename(tmp_path / ".out-x1y2-old")
    seen = []

    def failing() -> None:
        with folders.new_folder(tmp_path / "out"):
            seen.append((tmp_path / "out/a.txt").read_text())
            raise RuntimeError("and this run fails")

    with pytest.raises(RuntimeError):
        failing()
    assert seen == ["old"]
    assert (tmp_path / "out/a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_row_9_without_exchange_the_report_is_still_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(folders, "exchange", lambda *_: False)
    for mark in ("old", "new"):
        report_in(tmp_path / "out", mark)
    assert (tmp_path / "out/a.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


TURNS = """
import json, sys
from pathlib import Path
from howgreen.report._folder import FORMATS, new_folder
for number in range(60):
    with new_folder(Path("out")) as folder:
        (folder / "summary.json").write_text(json.dumps({"format": FORMATS[0], "files": ["a.txt"]}))
        (folder / "a.txt").write_text(sys.argv[1])
"""


@pytest.mark.parametrize("exchanged", [True, False])
def test_row_14_two_runs_into_one_folder_take_turns(tmp_path: Path, exchanged: bool):
    code = TURNS if exchanged else f"from howgreen.report import _folder as f\nf.exchange = lambda *_: False\n{TURNS}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, name], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
        )
        for name in "ab"
    ]
    for process in both:
        _, printed = process.communicate(timeout=100)
        assert process.returncode == 0, printed
    assert (tmp_path / "out/a.txt").read_text() in {"a", "b"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_row_14_what_came_there_meanwhile_is_not_replaced(tmp_path: Path):
    def late() -> None:
        with folders.new_folder(tmp_path / "out"):
            made(tmp_path / "out")
            (tmp_path / "out/thesis.txt").write_text("three years")

    with pytest.raises(OutputError, match="not part of a report"):
        late()
    assert (tmp_path / "out/thesis.txt").read_text() == "three years"


@pytest.fixture(scope="module")
def plan_text(sampleton: Path) -> str:
    from howgreen import plan

    return plan_json.to_json(plan("Sampleton", store=sampleton))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scale", 1e300),
        ("scale", 1e-12),
        ("scale", 0),
        ("scale", -1e-4),
        ("scale", 2.5),
        ("offset", 1e6),
        ("offset", -1e300),
    ],
)
def test_row_12_a_plan_is_checked_like_a_file(plan_text: str, key: str, value: float):
    edited = json.loads(plan_text)
    edited["scenes"][0][key] = value
    with pytest.raises(PlanError, match=rf"Expected `float` [<>]= .* at `\$\.scenes\[0\]\.{key}`"):
        plan_json.from_json(json.dumps(edited))


def greedy(path: Path, side: int) -> Path:
    """A model that lays a tile out side x side times larger: a constant in the file asks for gigabytes."""
    from onnx import TensorProto, helper

    nodes, tensors = onnx_models.classifier(onnx_models.weights(2, 3), (True, False, False))
    shape = helper.make_tensor("huge", TensorProto.INT64, [1], [side])
    value = helper.make_node("ConstantOfShape", ["huge"], ["wide"], name="wide")
    total = helper.make_node("ReduceSum", ["wide"], ["sum"], keepdims=0)
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])
    none = helper.make_node("Mul", ["sum", "zero"], ["none"])
    last = nodes[0]
    name = last.output[0]
    last.output[0] = "before"
    add = helper.make_node("Add", ["before", "none"], [name])
    return onnx_models.write(
        path, [value, total, none, last, add, *nodes[1:]], [*tensors, shape, zero], onnx_models.card(["red", "nir"])
    )


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux only")
def test_row_15_a_model_that_takes_gigabytes_is_refused(tmp_path: Path):
    content = greedy(tmp_path / "m.onnx", 1_200_000_000).read_bytes()
    with pytest.raises(ModelError, match="model it: takes more than 2 GiB of memory for a tile of 64 x 64 pixels"):
        first_tile.try_first_tile(content, bands=2, side=64, source="it", seconds=60)
    small = greedy(tmp_path / "s.onnx", 1000).read_bytes()
    first_tile.try_first_tile(small, bands=2, side=64, source="it", seconds=60)


def test_row_15_a_model_that_breaks_its_process_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(first_tile.sys, "executable", "/bin/sh")
    monkeypatch.setattr(first_tile.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -signal.SIGSEGV))
    with pytest.raises(ModelError, match=r"breaks off the process that runs it \(signal 11\)"):
        first_tile.try_first_tile(b"", bands=1, side=8, source="it", seconds=5)
