"""Pictures that we pack ourselves are read by others as they were."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from howgreen.report._png import png
from howgreen.report.shades import palette


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8)


def test_colours_come_back_as_they_were_with_title_and_size(noise):
    read = Image.open(io.BytesIO(png(Image.fromarray(noise), title="Wie grün ist Zürich? 北京", dpi=130)))
    read.load()
    assert np.array_equal(np.asarray(read), noise)
    assert read.text == {"Title": "Wie grün ist Zürich? 北京"}
    assert read.info["dpi"] == pytest.approx((130, 130), abs=0.02)


@pytest.mark.parametrize("hidden", [0, 7, 255])
def test_codes_come_back_in_their_colours_and_one_is_transparent(noise, hidden):
    picture = palette(noise[..., 0], {code: f"#{code:02x}10{255 - code:02x}" for code in range(256)})
    picture.info["transparency"] = hidden
    read = Image.open(io.BytesIO(png(picture)))
    assert read.mode == "P"
    assert np.array_equal(np.asarray(read), noise[..., 0])
    assert np.array_equal(np.asarray(read.convert("RGB")), np.asarray(picture.convert("RGB")))
    assert np.array_equal(np.asarray(read.convert("RGBA"))[..., 3] == 0, noise[..., 0] == hidden)


def test_one_pixel_and_a_picture_without_a_hidden_code():
    one = Image.fromarray(np.zeros((1, 1, 3), np.uint8))
    assert np.asarray(Image.open(io.BytesIO(png(one)))).shape == (1, 1, 3)
    plain = Image.new("P", (3, 2), 1)
    plain.putpalette([0, 0, 0, 200, 100, 50])
    read = Image.open(io.BytesIO(png(plain)))
    assert "transparency" not in read.info
    assert read.convert("RGB").getpixel((0, 0)) == (200, 100, 50)


def test_what_is_seen_through_comes_back_as_it_was(noise):
    four = np.dstack([noise, noise[..., 1]])
    read = Image.open(io.BytesIO(png(Image.fromarray(four))))
    assert read.mode == "RGBA"
    assert np.array_equal(np.asarray(read), four)
