"""What tests of the page share: sizes of a window, a screenshot, the server's own words."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from pathlib import Path

SHOTS = Path(os.environ.get("HOWGREEN_SCREENSHOTS", "build/screenshots"))
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
GRAPHICS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]  # WebGL without a card
PATIENT_MS = 60_000


def told(asked: str | urllib.request.Request) -> dict:
    """What the server says, its connection closed."""
    with urllib.request.urlopen(asked, timeout=20) as said:
        return json.load(said)


def shot(tab, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    tab.wait_for_timeout(600)  # tiles fade in
    tab.screenshot(path=SHOTS / f"{name}.png")


def km2(tab) -> float:
    return float(re.match(r"[\d.,]+", tab.text_content(".size")).group().replace(",", ""))
