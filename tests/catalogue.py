"""A STAC API that nobody here wrote (``rustac serve``) on the loopback, in front of the scenes of a store."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from howgreen.store import items


def natives(store: Path, *, files: str, base: Path) -> list[dict]:
    """The store's items with the addresses that a file server over ``base`` gives their files."""
    found = []
    for item in items(store):
        native = item.to_dict(include_self_link=False, transform_hrefs=False)
        folder = Path(item.get_self_href()).parent.relative_to(base)
        for asset in native["assets"].values():
            asset["href"] = f"{files}/{folder}/{Path(asset['href']).name}"
        found.append(native | {"links": []})
    return found


@contextmanager
def served(features: list[dict], folder: Path) -> Iterator[str]:
    """The API's address; its listing lies in ``folder``."""
    program = shutil.which("rustac", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if not program:
        pytest.skip("no rustac here: pip install rustac")
    listing = folder / "items.json"
    listing.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "serve", str(listing), "--create-collections", "--addr", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                urlopen(f"http://127.0.0.1:{port}", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(5)
