"""Writers that are killed at every step, or at any moment: what they leave is a store that verifies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("needs fork and SIGKILL", allow_module_level=True)

# One process imports everything once and forks a child for each case; the child kills itself with SIGKILL right
# before its n-th change of the file system, which an audit hook sees coming.
DRIVER = r'''
import json, os, random, shutil, signal, sys, time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen import store
from howgreen.core import cog
from howgreen.core import stac as item
from howgreen.store import _footprint, read, write
from howgreen.core.errors import StoreError
from howgreen.core.types import City

root, job = Path(sys.argv[1]), sys.argv[2]
GRID = GeoBox((16, 16), Affine(10, 0, 674000, 0, -10, 5154960), "EPSG:32632")
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink"}


def values(seed):
    return np.random.default_rng(seed).integers(1, 4000, (16, 16)).astype("u2")


def put(name, seed):
    rasters = {"red": (values(seed), GRID), "nir": (values(seed + 1), GRID)}
    sensor, moment = item.SENSORS["sentinel-2"], datetime(2023, 7, 1, tzinfo=UTC)
    store.put_scene(root, item.Header(id=name, sensor=sensor, time=moment, scale=1e-4, offset=0.0, nodata=0), rasters)


def place():
    from shapely import box
    store.put_place(root, City(name="X", label="X", id="x", boundary=box(11, 46, 12, 47), crs="EPSG:32632", area_m2=1.0))


JOBS = {"first": lambda: put("new", 1), "second": lambda: put("new", 1), "replace": lambda: put("old", 7), "place": place}


def killing(step):
    """Kills this process before its ``step``-th change; tells the parent when there are fewer."""
    count = [0]

    def hook(event, args):
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or event in CHANGES:
            count[0] += 1
            if count[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def child(run):
    pid = os.fork()
    if pid == 0:
        try:
            run()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(9)
        os._exit(0)
    return pid


def check(before):
    """What is left is a store of whole scenes, and the next writer finishes it."""
    if (root / "catalog.json").exists():
        faults = store.verify(root)
        ids = {s.id for s in store.scenes(root)}
    else:
        faults, ids = [], set()
    assert not faults, faults
    assert before <= ids, (before, ids)
    put("after", 3)
    assert not store.verify(root)
    import pystac
    linked = {i.id for i in pystac.Catalog.from_file(str(root / "catalog.json")).get_items(recursive=True)}
    assert linked == {s.id for s in store.scenes(root)} >= ids | {"after"}, linked
    left = [p for p in root.rglob(".*") if p.name != ".lock"]
    assert not left, left


def reset():
    shutil.rmtree(root, ignore_errors=True)
    if job != "first":
        put("old", 5)
    return {s.id for s in store.scenes(root)} if job != "first" else set()


def every_step():
    step = 0
    while True:
        step += 1
        before = reset()
        def run():
            killing(step)
            JOBS[job]()
        status = os.waitpid(child(run), 0)[1]
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, status
            check(before)
            return step - 1
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        check(before)


def any_moment():
    chance, kills = random.Random(int(sys.argv[3])), 0
    deadline = time.monotonic() + 2.5
    before = reset()
    while time.monotonic() < deadline:
        def run():
            for seed in range(1000):
                put("old", seed) if seed % 2 else put(f"s{seed}", seed)
                place()
        pid = child(run)
        time.sleep(chance.uniform(0, 0.12))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
        check(before)
        before = {s.id for s in store.scenes(root)}
    return kills


def together():
    reset()
    pids = [child(lambda n=n: [put(f"s{n}-{i}", i) for i in range(4)]) for n in range(4)]
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids)
    assert len(store.scenes(root)) == 17, store.scenes(root)
    check({"old"})
    return 16


os.fsync = lambda handle: None  # a killed process loses nothing that it wrote; only a power cut would
cog._PACKERS = 1  # threads do not live through a fork
put("warm", 1); shutil.rmtree(root)
cases = {"any": any_moment, "together": together}
print(json.dumps(cases.get(job, every_step)()))
'''


def drive(tmp_path: Path, job: str, *more: str) -> int:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path / "store"), job, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout))


@pytest.mark.parametrize(("job", "least"), [("first", 15), ("second", 12), ("replace", 12), ("place", 5)])
def test_killed_before_each_change(tmp_path, job, least):
    assert drive(tmp_path, job) >= least


def test_killed_at_any_moment(tmp_path):
    assert drive(tmp_path, "any", "7") >= 5


def test_writers_at_the_same_time(tmp_path):
    assert drive(tmp_path, "together") == 16
