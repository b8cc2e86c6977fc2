"""The golden answers: what howgreen answered before it was rebuilt, to the pixel, and whether it still does.

Everything goes through the command line and the few names of ``import howgreen``, so that the same script asks any commit::

    python tests/golden/make.py --check                 # all cases against answers.json: exit 1 with what differs
    python tests/golden/make.py --check --case 'town*'  # some of them
    python tests/golden/make.py --write                 # make answers.json anew; say in the commit why it had to change
    python tests/golden/make.py --check --src ../before/src  # another tree's code

Cases that need the real data beside the checkout (../shared/data) are left out, and named, where it is absent.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import golden_inputs as inputs
from golden_record import Record, differences, fingerprint, record

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ANSWERS = HERE / "answers.json"
REAL = ROOT.parent / "shared" / "data"
TEN = "blue,green,red,rededge1,rededge2,rededge3,nir,nir08,swir16,swir22"
MOST_LINES = 40
"""Differences of a case that are shown."""
SEASON = ("--period", "2024-05/2024-09")


@dataclass(frozen=True)
class Bench:
    """A folder to work in, and the environment that the commands get."""

    folder: Path
    env: dict[str, str]

    def howgreen(self, *arguments: object) -> str:
        """Run a command; what it printed."""
        return self.python("-m", "howgreen.cli", *arguments)

    def python(self, *arguments: object) -> str:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def city(self, *arguments: object, out: str = "out") -> Record:
        """Record what ``howgreen city`` writes; it may ask no service but the catalogue that it is given."""
        alone = () if "--catalog" in arguments else ("--offline",)
        self.howgreen("city", *arguments, *alone, "--out", self.folder / out)
        return record(self.folder / out)

    def sampleton(self) -> Path:
        """The sample city's store, simulated at first use."""
        cache = Path(self.env["XDG_CACHE_HOME"]) / "howgreen"
        if not list(cache.glob("sampleton-*/catalog.json")):
            self.howgreen("plan", "Sampleton", "--offline")
        (found,) = cache.glob("sampleton-*/catalog.json")
        return found.parent

    def stored(self, city: str, images: list[tuple[Path, str]], *more: object) -> Path:
        """A store of some images, each with its day."""
        for image, day in images:
            self.howgreen("store", "add", image, "--store", self.folder / "store", "--city", city, "--date", day, *more)
        return self.folder / "store"

    def town(self) -> Path:
        """The store of the synthetic town."""
        given = ("--bands", ",".join(inputs.BANDS), "--scale", 0.0001, "--area", inputs.LIMITS.wkt)
        return self.stored("Town", inputs.town(self.folder), *given)


Case = Callable[[Bench], Record]
CASES: dict[str, Case] = {}
NEED_DATA = ("bolzano", "tlaxcala", "aberystwyth", "vaduz")


def case(function: Case) -> Case:
    """Enter a case under its function's name."""
    CASES[function.__name__] = function
    return function


def _sampleton(name: str, *more: object) -> None:
    def answer(bench: Bench) -> Record:
        bench.sampleton()
        return bench.city("Sampleton", *more)

    CASES[f"sampleton_{name}"] = answer


for _name in ("mixture-10", "mixture-6", "mixture-4", "ndvi", "unet-10"):
    _sampleton(_name, "--model", _name)
_sampleton("one_month", "--period", "2024-07")
_sampleton("landsat", "--sensor", "landsat")
_sampleton("landsat_ndvi", "--sensor", "landsat", "--model", "ndvi")


@case
def sampleton_own_districts(bench: Bench) -> Record:
    store = bench.sampleton()
    place = json.loads((store / "places" / "sampleton.geojson").read_text(encoding="utf-8"))
    west, south, east, north = inputs.shapely.from_geojson(json.dumps(place)).bounds
    file = inputs.quarters((west, south, east, north), bench.folder / "quarters.geojson")
    return bench.city("Sampleton", "--districts", file)


@case
def drawn_area(bench: Bench) -> Record:
    ring = [[-33.0, 45.03], [-32.96, 45.025], [-32.955, 45.05], [-32.98, 45.06], [-33.0, 45.03]]
    area = json.dumps({"type": "Polygon", "coordinates": [ring]})
    return bench.city("Drawn", "--area", area, "--store", bench.sampleton())


@case
def point_and_radius(bench: Bench) -> Record:
    return bench.city("45.045, -32.98", "--radius", 1500, "--store", bench.sampleton())


@case
def python_door(bench: Bench) -> Record:
    """From Python: plan, run, write, the plan read again, and all at once."""
    bench.sampleton()
    code = """
import howgreen
plan = howgreen.plan("Sampleton")
howgreen.write(howgreen.run(plan), "first")
howgreen.write(howgreen.run(howgreen.read_plan("first/plan.json")), "again")
result = howgreen.city("Sampleton")
result.save("whole")
print(repr((result.stats.green_ratio, result.stats.interval.low, result.stats.interval.high)))
"""
    printed = bench.python("-c", code)
    first, again, whole = (record(bench.folder / name) for name in ("first", "again", "whole"))
    if first != again or first != whole:
        other = [*differences(first, again, alike=True), *differences(first, whole, alike=True)]
        raise RuntimeError(f"the same plan gave another answer: {other}")
    ratio, low, high = json.loads(printed.replace("(", "[").replace(")", "]"))
    return first | {"stats": {"green_ratio": ratio, "low": low, "high": high}}


@case
def layers(bench: Bench) -> Record:
    raster, polygons = inputs.maps(bench.sampleton() / "truth" / "classes_10m.tif", bench.folder)
    given = ("--worldcover", raster, "--corine", polygons, "--cropland", "left-out")
    bench.howgreen("layers", "Sampleton", *given, "--offline", "--out", bench.folder / "out")
    return record(bench.folder / "out")


@case
def town(bench: Bench) -> Record:
    return bench.city("Town", "--store", bench.town())


@case
def town_radar(bench: Bench) -> Record:
    """Radar alone, by a model that takes nothing else."""
    store = bench.stored("Town", inputs.radar(bench.folder), "--bands", "vv,vh", "--scale", 0.01, "--unit", "dB")
    model = inputs.model(bench.folder / "radar.onnx", vv=0.0, vh=-0.05)
    return bench.city("Town", "--store", store, "--sensor", "sentinel-1", "--model", model)


@case
def town_radar_beside_reflectance(bench: Bench) -> Record:
    store = bench.town()
    bench.stored("Town", inputs.radar(bench.folder), "--bands", "vv,vh", "--scale", 0.01, "--unit", "dB")
    model = inputs.model(bench.folder / "both.onnx", red=1.0, nir=0.5, vv=-0.02)
    return bench.city("Town", "--store", store, "--model", model, "--period", "2024-06")


@case
def town_osm_green(bench: Bench) -> Record:
    file = inputs.osm(bench.folder)
    given = ("--area", inputs.LIMITS.wkt, "--osm", file, "--offline", "--out", bench.folder / "out")
    bench.howgreen("osm-green", "Town", *given)
    return record(bench.folder / "out")


@case
def town_layers_osm(bench: Bench) -> Record:
    given = ("--store", bench.town(), "--osm", inputs.osm(bench.folder), "--layer", "osm-green", "--offline")
    bench.howgreen("layers", "Town", *given, "--out", bench.folder / "out")
    return record(bench.folder / "out")


@case
def antimeridian(bench: Bench) -> Record:
    images, limits = inputs.suva(bench.folder)
    store = bench.stored("Suva", images, "--bands", ",".join(inputs.BANDS), "--scale", 0.0001, "--area", limits)
    return bench.city("Suva", "--store", store)


@case
def http(bench: Bench) -> Record:
    """The sample city out of a STAC API and a file server on the loopback."""
    sys.path.insert(0, str(HERE.parent))
    from faults import Faults

    store = bench.sampleton()
    with Faults(root=store) as files, _api(store, files.url, bench.folder) as url:
        area = store / "places" / "sampleton.geojson"
        found = bench.city("Sampleton", "--area", area, "--catalog", url, *SEASON)
        if files.count()["bytes"] < 1_000_000:
            raise RuntimeError("the images did not come over HTTP")
        return found


@case
def predict_table(bench: Bench) -> Record:
    table = bench.folder / "rows.csv"
    rows = [f"{i},{0.1 + 0.004 * i:.3f},{0.2 - 0.002 * i:.3f},{0.1:.2f},{0.05:.2f}" for i in range(60)]
    table.write_text("\n".join(["id,B08,B04,B03,B02", *rows]) + "\n", encoding="utf-8")
    bench.howgreen("predict-table", table, "--out", bench.folder / "out.csv")
    head, *lines = (line.split(",") for line in (bench.folder / "out.csv").read_text(encoding="utf-8").splitlines())
    column = head.index("green_fraction")
    return {"columns": head, "green_fraction": [float(line[column]) for line in lines]}


@case
def bolzano(bench: Bench) -> Record:
    image, limits = REAL / "bolzano" / "S2_L2A_sample.tif", REAL / "bolzano" / "boundary.geojson"
    given = ("--bands", "red,green,blue,nir,scl", "--scale", 0.0001, "--area", limits)
    return bench.city("Bolzano", "--store", bench.stored("Bolzano", [(image, "2023-07-01")], *given))


@case
def tlaxcala(bench: Bench) -> Record:
    image = REAL / "tlaxcala" / "Tlaxcala_allbands.tiff"
    return bench.city("Tlaxcala", "--store", bench.stored("Tlaxcala", [(image, "2020-02-01")], "--bands", TEN))


@case
def aberystwyth(bench: Bench) -> Record:
    image = REAL / "aberystwyth" / "sen2_20210527_aber_mosaic.tif"
    store = bench.stored("Aberystwyth", [(image, "2021-05-27")], "--bands", TEN, "--scale", 0.001)
    return bench.city("Aberystwyth", "--store", store)


@case
def vaduz(bench: Bench) -> Record:
    extract = REAL / "osm" / "liechtenstein.osm.pbf"
    where = bench.howgreen("where", "Vaduz", "--osm", extract, "--offline")
    bench.howgreen("osm-green", "Vaduz", "--osm", extract, "--offline", "--out", bench.folder / "out")
    return record(bench.folder / "out") | {"where": re.findall(r"\bR\d+", where)}


@contextlib.contextmanager
def _api(store: Path, files: str, folder: Path) -> Iterator[str]:
    """A STAC API that nobody here wrote, in front of a store whose files another server hands out."""
    features = []
    for path in sorted(store.glob("*/*/*.json")):
        item = json.loads(path.read_text(encoding="utf-8")) | {"links": []}
        for asset in item["assets"].values():
            asset["href"] = f"{files}/{path.parent.relative_to(store)}/{Path(asset['href']).name}"
        features.append(item)
    listing = folder / "items.json"
    listing.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    program = shutil.which("rustac", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if not program:
        raise RuntimeError("no rustac here: pip install rustac")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{free.getsockname()[1]}"
    command = [program, "serve", str(listing), "--create-collections", "--addr", url]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                urlopen(f"http://{url}", timeout=1).close()
                break
            time.sleep(0.05)
        yield f"http://{url}"
    finally:
        server.terminate()
        server.wait(5)


def environment(src: Path, home: Path) -> dict[str, str]:
    """What the commands get: the code of a tree, and a cache and a store of their own."""
    private = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "DATA", "CONFIG")}
    return {**os.environ, **private, "PYTHONPATH": str(src), "PYTHONWARNINGS": "ignore"}


def answer(name: str, env: dict[str, str]) -> Record:
    """Run one case in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix=f"golden-{name}-") as folder:
        found = CASES[name](Bench(Path(folder), env))
    return json.loads(json.dumps(found))


def answers() -> Record:
    """The committed answers: ``made_on`` and, by case, what was recorded."""
    return json.loads(ANSWERS.read_text(encoding="utf-8"))


def _text(value: Record) -> str:
    """JSON with one line a figure and short lists on one line."""
    lines = ['{"made_on": ' + json.dumps(value["made_on"]) + ","]
    for number, (name, parts) in enumerate(value["cases"].items()):
        lines.append(('"cases": {' if number == 0 else "") + json.dumps(name) + ": {")
        lines += [f" {json.dumps(key)}: {json.dumps(part, ensure_ascii=False)}," for key, part in parts.items()]
        lines[-1] = lines[-1].removesuffix(",")
        lines.append("},")
    lines[-1] = "}}}"
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with answers.json")
    parser.add_argument("--write", action="store_true", help="make answers.json anew")
    parser.add_argument("--case", default="*", help="only the cases that match this pattern")
    parser.add_argument("--src", type=Path, default=ROOT / "src", help="the code to ask (default: this tree's)")
    parser.add_argument("--exact", action="store_true", help="figures to the last bit too, not within 1e-9")
    asked = parser.parse_args()
    names = [name for name in CASES if fnmatch.fnmatch(name, asked.case)]
    if not REAL.is_dir():
        print(f"left out, for there is no {REAL}: {', '.join(n for n in names if n in NEED_DATA)}", file=sys.stderr)
        names = [name for name in names if name not in NEED_DATA]
    found: Record = {"made_on": fingerprint(), "cases": {}}
    expected = answers() if ANSWERS.exists() else {"made_on": {}, "cases": {}}
    alike = expected["made_on"] == found["made_on"]
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="golden-home-") as home:
        env = environment(asked.src.resolve(), Path(home))
        for name in names:
            start = time.monotonic()
            try:
                found["cases"][name] = answer(name, env)
            except RuntimeError as error:
                wrong += 1
                print(f"{name}: {error}", flush=True)
                continue
            lines = list(differences(expected["cases"].get(name, {}), found["cases"][name], alike=alike))
            bad = [line for line in lines if not line.startswith("new ")]
            print(
                f"{name}: {time.monotonic() - start:.0f} s, {len(bad)} differences, {len(lines) - len(bad)} new",
                flush=True,
            )
            if asked.check:
                wrong += bool(bad) or name not in expected["cases"]
                print("".join(f"  {line}\n" for line in lines[:MOST_LINES]), end="")
            if asked.exact and found["cases"][name] != expected["cases"].get(name):
                wrong += 1
                print("  not equal to the last bit")
    if asked.write:
        cases = {**expected["cases"], **found["cases"]} if asked.case != "*" else found["cases"]
        ANSWERS.write_text(_text(found | {"cases": dict(cases)}), encoding="utf-8")
        print(f"{ANSWERS}: written")
    if asked.check:
        print("another processor or library than that of answers.json: pixels were compared by counts and sums"
              if not alike else "same processor and libraries as answers.json: pixels were compared to the last bit")  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
