"""What a tutorial says of its answer is what it prints."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"


@pytest.mark.usefixtures("at_home")
def test_the_image_that_is_half_green_is(monkeypatch, capsys):
    """Its stone must be no cloud to the detector, and no doubt may arise while it is added."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    runpy.run_path(str(TUTORIALS / "02_your_own_images.py"))
    assert "green ratio 0.50, pixel ratio 0.50" in capsys.readouterr().out
