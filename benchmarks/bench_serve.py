"""How fast map tiles come from `howgreen serve` while it works on a job: 50 visitors, 200 tiles a second, for half a minute.

Usage: bench_serve.py [--seconds 30] [--visitors 50] [--rate 200] [--cold 10]

It starts the server on Sampleton with one worker, has the city measured once, asks another question, and while that is being worked on
lets visitors ask for tiles at fixed times. Most were drawn before; ``--cold`` a second were not. A time is counted from the moment at
which the tile was due, so that waiting for a slow one before it counts too. Client, server and worker share this machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

LAYERS = ("photo", "fraction", "classes", "uncertainty", "n_clear")
SHARED_ZOOMS, COLD_ZOOM = range(10, 15), 15


@dataclass
class Times:
    """Seconds of each tile, by whether it had been drawn before."""

    kept: list[float] = field(default_factory=list)
    drawn: list[float] = field(default_factory=list)
    failed: int = 0


def get(line: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    line.request("GET", path)
    reply = line.getresponse()
    return reply.status, reply.read()


def ask(address: str, period: str) -> str:
    line = http.client.HTTPConnection(address, timeout=60)
    body = json.dumps({"inputs": {"place": {"id": "sample:sampleton"}, "period": period}})
    line.request("POST", "/processes/city/execution", body, {"Content-Type": "application/json"})
    return str(json.loads(line.getresponse().read())["jobID"])


def wait(address: str, job: str) -> dict[str, object]:
    line = http.client.HTTPConnection(address, timeout=60)
    for _ in range(1200):
        told = json.loads(get(line, f"/jobs/{job}")[1])
        if told["status"] not in {"accepted", "running"}:
            return told
        time.sleep(0.25)
    raise SystemExit("the job does not end")


def tiles(bounds: list[float], z: int) -> list[tuple[int, int, int]]:
    def place(lon: float, lat: float) -> tuple[int, int]:
        n = 2**z
        return int((lon + 180) / 360 * n), int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n)

    west, south, east, north = bounds
    (left, top), (right, bottom) = place(west, north), place(east, south)
    return [(z, x, y) for x in range(left, right + 1) for y in range(top, bottom + 1)]


def visit(address: str, due: list[tuple[float, str, bool]], times: Times, lock: threading.Lock) -> None:
    """Ask for tiles, each at its time."""
    line = http.client.HTTPConnection(address, timeout=30)
    for when, path, is_new in due:
        time.sleep(max(0.0, when - time.monotonic()))
        try:
            status, _ = get(line, path)
        except OSError:
            status = 0
            line.close()
        spent = time.monotonic() - when
        with lock:
            times.failed += status != 200
            if status == 200:
                (times.drawn if is_new else times.kept).append(spent)


def told(name: str, seconds: list[float]) -> None:
    if not seconds:
        print(f"{name:24} none")
        return
    ordered = sorted(seconds)
    cut = {share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99)}
    print(
        f"{name:24} {len(ordered):6} tiles  p50 {1000 * cut[0.5]:6.0f} ms  p95 {1000 * cut[0.95]:6.0f} ms  p99 {1000 * cut[0.99]:6.0f} ms"
    )


def measure(address: str, options: argparse.Namespace) -> None:
    first = wait(address, ask(address, "2024"))
    result = first["result"]
    line = http.client.HTTPConnection(address, timeout=60)
    bounds = json.loads(get(line, f"/results/{result}/tiles/photo/tilejson.json")[1])["bounds"]

    def path(layer: str, z: int, x: int, y: int) -> str:
        return f"/results/{result}/tiles/{layer}/{z}/{x}/{y}.png"

    shared = [path(layer, *one) for layer in LAYERS for z in SHARED_ZOOMS for one in tiles(bounds, z)]
    fresh = [path(layer, *one) for layer in LAYERS for one in tiles(bounds, COLD_ZOOM)]
    alone = []
    for one in shared:
        begun = time.monotonic()
        get(line, one)
        alone.append(time.monotonic() - begun)
    told("drawn, nobody else there", alone)
    chance = random.Random(5)
    chance.shuffle(fresh)
    job = ask(address, "2024-06/2024-08")
    start = time.monotonic() + 1
    many, every = int(options.seconds * options.rate), max(1, round(options.rate / options.cold)) if options.cold else 0
    due: list[list[tuple[float, str, bool]]] = [[] for _ in range(options.visitors)]
    for number in range(many):
        is_new = bool(every and number % every == 0 and fresh)
        one = fresh.pop() if is_new else chance.choice(shared)
        due[number % options.visitors].append((start + number / options.rate, one, is_new))
    times, lock = Times(), threading.Lock()
    visitors = [threading.Thread(target=visit, args=(address, each, times, lock)) for each in due]
    for each in visitors:
        each.start()
    for each in visitors:
        each.join()
    spent = time.monotonic() - start
    line = http.client.HTTPConnection(address, timeout=60)  # the first has been idle too long
    now = json.loads(get(line, f"/jobs/{job}")[1])
    print(
        f"{options.visitors} visitors, {many / spent:.0f} tiles a second for {spent:.0f} s, {times.failed} failed; the job: {now['status']}, {now['progress']} %"
    )
    told("drawn before", times.kept)
    told("never drawn before", times.drawn)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--cold", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "howgreen.cli", "serve", "--demo", "--port", "0", "--data", folder]
        with (
            Path(folder, "log").open("w") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
        ):
            try:
                assert server.stdout is not None
                measure(urlsplit(server.stdout.readline().split()[-1]).netloc, options)
            finally:
                server.terminate()
                with suppress(subprocess.TimeoutExpired):
                    server.wait(20)
                server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
