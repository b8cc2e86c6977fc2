"""Reading over HTTP through a server with every fault: the right pixels or one clear error, never a poorer image."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from far import FRAME, SIDE, TILE, cog, local, read, red, scene
from faults import Faults
from howgreen.core.errors import ImageError, NetworkError
from howgreen.core.grid import Window
from howgreen.imagery import composite
from howgreen.imagery.read._coarse import read_coarse
from howgreen.imagery.read.opener import Files
from howgreen.net import _ranges, http, sas_tokens

PASSING = {
    "asked too often": {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}, "times": 2},
    "asked too often, with a date": {
        "kind": "status", "status": 429, "headers": {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "times": 1},
    "asked too often, unreadable": {"kind": "status", "status": 429, "headers": {"Retry-After": "soon"}, "times": 1},
    "a burst of 503": {"kind": "status", "status": 503, "times": 4},
    "500 now and then": {"kind": "status", "status": 500, "after": 1, "times": 2},
    "hangs once": {"kind": "hang", "seconds": 1.0, "times": 1},
    "hangs up once": {"kind": "refuse", "times": 2},
    "breaks off in the middle": {"kind": "drop", "times": 3},
    "hands out less": {"kind": "short", "times": 2},
    "hands out other bytes": {"kind": "shifted", "after": 1, "times": 0},
    "says no ETag": {"kind": "no etag"},
    "says another weak ETag each time": {"kind": "weak etag"},
    "knows no ranges": {"kind": "whole"},
}  # fmt: skip


@pytest.mark.parametrize("trouble", sorted(PASSING))
def test_what_passes_gives_the_right_pixels(far, trouble):
    asset = red(far)
    far.fail(**PASSING[trouble])
    np.testing.assert_array_equal(read(asset), read(local(asset, far)))


LASTING = {
    "never in order": ({"kind": "status", "status": 503}, "is out of order (HTTP 503)"),
    "always asked too often": ({"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}, "too often"),
    "hangs": ({"kind": "hang", "seconds": 1.0}, "in time"),
    "drips": ({"kind": "drip", "seconds": 0.05}, "too slowly"),
    "refuses": ({"kind": "refuse"}, "breaks the connection off"),
    "always breaks off": ({"kind": "drop"}, ""),
    "always hands out less": ({"kind": "short"}, "other bytes"),
    "gone": ({"kind": "status", "status": 404}, "no such page"),
    "forbidden": ({"kind": "status", "status": 403}, "refuses (HTTP 403)"),
    "gone later": ({"kind": "status", "status": 404, "after": 1}, "no such page"),
    "breaks off later": ({"kind": "drop", "after": 1}, ""),
    "hands out less later": ({"kind": "short", "after": 1}, "other bytes"),
    "changed ETag": ({"kind": "etag", "after": 1}, "has changed while it was read"),
    "changed size": ({"kind": "grown", "after": 1}, "has changed while it was read"),
    "another file": ({"kind": "shifted", "after": 1}, "has changed while it was read"),
}


@pytest.mark.parametrize("trouble", sorted(LASTING))
def test_what_lasts_is_one_clear_error_and_is_not_remembered(far, monkeypatch, trouble):
    monkeypatch.setattr(_ranges, "POLICY", replace(_ranges.POLICY, tries=3))
    asset = red(far)
    how, words = LASTING[trouble]
    far.fail(**how)
    with pytest.raises(NetworkError) as caught:
        read(asset)
    assert str(caught.value).startswith(f"{asset.href}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    far.heal()
    np.testing.assert_array_equal(read(asset), read(local(asset, far)))


@pytest.mark.parametrize("kind", ["status", "drop", "etag", "short"])
def test_no_fault_makes_a_poorer_picture(far, monkeypatch, kind):
    """A fault of any one request in the middle of a composite is an error of the whole."""
    monkeypatch.setattr(_ranges, "POLICY", replace(_ranges.POLICY, tries=2))
    lazy = composite([scene(far.url)], grid=FRAME, bands=("red", "nir"), block_px=TILE)
    far.fail(kind, match="nir", after=3, status=500)
    with pytest.raises(NetworkError, match="nir0"):
        lazy.data.compute(scheduler="threads")


def test_a_file_that_changes_on_the_server_is_noticed(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    cog(tmp_path / "red.tif", rng.integers(1, 9000, (SIDE, SIDE)).astype(np.uint16), 10)
    with Faults(tmp_path) as far:
        files, asset = Files(), red(far, "red.tif")
        read(asset, window=Window(top=0, bottom=TILE, left=0, right=TILE), files=files)
        cog(tmp_path / "red.tif", rng.integers(1, 9000, (SIDE, SIDE)).astype(np.uint16), 10)
        with pytest.raises(NetworkError, match="has changed while it was read; run the same again"):
            read(asset, files=files)
        np.testing.assert_array_equal(read(asset), read(local(asset, far)))


class Token:
    """A signer of the tests: a counter as token."""

    def __init__(self):
        self.number, self.refused = 1, []

    def signed(self, href):
        return f"{href}?sig=secret{self.number}"

    def forget(self, signed):
        self.refused.append(signed)
        if signed.endswith(f"secret{self.number}"):
            self.number += 1


@pytest.fixture
def token(monkeypatch):
    token = Token()
    monkeypatch.setattr(_ranges, "SIGNERS", {"test": token})
    return token


def test_odc_289_an_expired_token_is_renewed_and_the_read_goes_on(far, token):
    asset = red(far, signer="test")
    far.fail("token", token="sig=secret2", after=1)  # expires between the head and the tiles
    np.testing.assert_array_equal(read(asset), read(local(asset, far)))
    assert token.number == 2


def test_a_token_that_is_always_refused_is_one_error_that_does_not_show_it(far, token):
    far.fail("token", token="sig=other")
    with pytest.raises(NetworkError, match=r"refuses \(HTTP 403\)") as caught:
        read(red(far, signer="test"))
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
    assert token.number == 2  # one new token, not one a try


def test_many_threads_renew_one_token_once():
    signer = sas_tokens.PlanetaryComputer()
    key = ("account", "container")
    signer._tokens[key] = ("sig=new", float("inf"))
    href = "https://account.blob.core.windows.net/container/B04.tif"
    signer.forget(f"{href}?sig=old")  # refused before the new one came
    assert signer.signed(href) == f"{href}?sig=new"
    signer.forget(f"{href}?sig=new")
    assert key not in signer._tokens


def test_retry_after_is_bounded(far):
    """One parser, and a server that asks for a day is not waited for, nor asked again."""
    assert http.retry_after_s({"Retry-After": "3"}) == 3
    assert http.retry_after_s({"Retry-After": "9" * 12}) == http.LONGEST_REFUSAL_S
    assert http.retry_after_s({"Retry-After": "soon"}) is http.retry_after_s({}) is None
    then, date = {"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}, {"Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert http.retry_after_s(then | date) == 30  # by the server's clock, however far ours is from it
    assert http.retry_after_s(then) == http.retry_after_s(then | {"Date": "yesterday"}) == 0
    asset = red(far)
    far.fail("status", status=429, headers={"Retry-After": "86400"})
    with pytest.raises(NetworkError, match=r"is asked too often \(HTTP 429\)"):
        read(asset)
    assert far.count()["requests"] == 1
    with pytest.raises(NetworkError, match="not asked again for 86"):
        read(asset)
    assert far.count()["requests"] == 1


def test_what_is_no_image_is_one_error(tmp_path):
    (tmp_path / "page.tif").write_text("<html>sorry</html>" * 2000)
    (tmp_path / "empty.tif").write_bytes(b"")
    with Faults(tmp_path) as far:
        with pytest.raises(
            NetworkError, match=r"page\.tif: answers with a web page instead of data; it may want an account"
        ):
            read(red(far, "page.tif"))
        with pytest.raises((ImageError, NetworkError), match=r"empty\.tif: "):
            read(red(far, "empty.tif"))


def test_garbage_in_a_tile_is_an_error(far):
    far.fail("garbage", after=1)
    with pytest.raises(ImageError, match=r"red0\.tif: band red cannot be read"):
        read(red(far))


def test_overviews_are_read_with_the_token(far, token):
    far.fail("token", token="sig=secret1")
    frame = GeoBox((64, 64), Affine(80, 0, 600_000, 0, -80, 5_200_000), "EPSG:32632")
    asset = red(far, signer="test")
    np.testing.assert_array_equal(read_coarse(asset, frame, nodata=0), read_coarse(local(asset, far), frame, nodata=0))
