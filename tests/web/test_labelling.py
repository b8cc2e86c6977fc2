"""The page on which people look at places: a whole round in a real browser, and what strangers may try on it."""

from __future__ import annotations

import http.client
import io
import json
import re
import signal
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyproj import Transformer

from howgreen.core.errors import EstimateError, ImageError, NetworkError
from howgreen.estimate.answers import GOLD, LETTERS, read_answers
from howgreen.estimate.sample import dot_positions, load
from howgreen.web.labelling import Server, Session, all_answers
from howgreen.web.pictures import HATCHED, Picture, chip, picture, shows, tiles

KEY_OF = {
    "tree": "t", "shrub": "s", "grass": "g", "crop": "c", "bare soil": "b", "sand": "b", "paved": "u", "building": "u",
    "rail": "u", "water": "w", "sea": "w",
}  # fmt: skip


def _cli(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "howgreen.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, home, sampleton):
    """A sample of 60 places of Sampleton, drawn by the command line."""
    folder = tmp_path_factory.mktemp("sample") / "sampleton-sample"
    environment = {"XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data")}
    import os

    done = _cli("sample", "Sampleton", "--looks", "60", "--out", folder, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    assert "60 places to look at" in done.stdout
    return folder


@pytest.fixture
def folder(drawn, tmp_path):
    """The same sample, in a folder of the test's own."""
    import shutil

    return shutil.copytree(drawn, tmp_path / "s")


@pytest.fixture(scope="module")
def eye(sampleton):
    """What a reader who sees everything answers: the kind under each dot, by the city's exact 1 m map."""
    from howgreen import sample as simulated

    truth = simulated.truth(sampleton)
    names = {code: name for name, code in truth.classes.items()}
    with rasterio.open(truth.classes_1m) as file:
        classes, affine = file.read(1), file.transform

    def look(sample, number: int) -> str:
        unit = sample.units[number - 1]
        point = Transformer.from_crs(4326, sample.crs, always_xy=True).transform(unit.lon, unit.lat)
        dots = dot_positions(rasterio.Affine(*sample.transform), unit.row, unit.column, sample.dots, point)
        columns, rows = ~affine @ (dots[:, 0], dots[:, 1])
        kinds = [KEY_OF[names[code]] for code in classes[rows.astype(int), columns.astype(int)]]
        return "".join(kind if asked == "1" else "-" for kind, asked in zip(kinds, unit.asked, strict=True))

    look.ratio = truth.green_ratio
    return look


@contextmanager
def _page(chromium, folder, *options, width=1400, height=900):
    """The page in a browser, and the process that serves it."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "howgreen.cli", "label", str(folder), "--no-browser", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving, sync_playwright() as driver:
        url = re.search(r"http://\S+", serving.stdout.readline()).group(0)
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": width, "height": height})
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        page.wait_for_selector("#task:not(:empty)")  # the page's policy lets no string be run as a script, ours neither
        try:
            yield page, serving, complaints
        finally:
            browser.close()
            serving.send_signal(signal.SIGINT)
            serving.wait(10)


def _answer(page, sample, pattern_of, count):
    """Answer so many places by the keyboard: Shift and a key where a place is all alike."""
    done = int(page.get_attribute("body", "data-done"))
    for _ in range(count):
        number, done = int(page.input_value("#jump")), done + 1
        keys = pattern_of(sample, number).replace("-", "")
        if len(set(keys)) == 1:
            page.keyboard.press(f"Shift+{keys[0].upper()}")
        else:
            for key in keys:
                page.keyboard.press(key)
        kept = f"body[data-done='{done}']"
        page.wait_for_selector(
            kept if done == page.evaluate("state.queue.length") else f"{kept}:not([data-unit='{number}'])"
        )


@pytest.mark.browser
def test_a_whole_round(chromium, folder, eye, at_home):
    """One reader is killed in the middle and goes on; a second disagrees in five; they agree; the estimate holds the truth."""
    sample = load(folder / "sample.json")
    with _page(chromium, folder, "--reader", "ann") as (page, serving, complaints):
        _answer(page, sample, eye, 25)
        page.keyboard.press("t")  # a place that is begun and not finished is not kept
        serving.send_signal(signal.SIGKILL)
        serving.wait(10)
        page.keyboard.press("Shift+T")
        page.wait_for_selector("#error:not([hidden])")
        assert "every answer so far is kept" in page.inner_text("#error")
        assert not [one for one in complaints if "Content Security" in one or "Error:" in one]
    assert len(read_answers([folder / "answers-ann.csv"], sample)) == 25
    with _page(chromium, folder, "--reader", "ann") as (page, _, complaints):
        assert page.inner_text("#progress").startswith("25 of 60")
        _answer(page, sample, eye, 35)
        assert "so far:" in page.inner_text("#estimate")
        assert complaints == []
    twice = [u.unit for u in sample.units if u.twice]
    wrong = twice[:5]

    def other(sample, number):
        truth = eye(sample, number)
        swapped = "u" if sum(truth.count(key) for key in "tsgc") > 4 else "t"
        return "".join("-" if one == "-" else swapped for one in truth) if number in wrong else truth

    with _page(chromium, folder, "--reader", "bob", width=390, height=844) as (page, _, complaints):
        assert page.inner_text("#progress").startswith(f"0 of {len(twice)}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        _answer(page, sample, other, len(twice))
        assert complaints == []
    with _page(chromium, folder, "--reader", "both", "--agree") as (page, _, complaints):
        page.wait_for_selector("#readings p")
        assert [line.split(":")[0] for line in page.inner_text("#readings").split("\n") if line] == ["ann", "bob"]
        count = page.evaluate("state.queue.length")
        assert count == len(twice)  # fewer than 30 were read twice: all come back
        _answer(page, sample, eye, count)
        assert complaints == []
    answers = all_answers(folder, sample)
    assert sum(one.reader == GOLD for one in answers) == len(twice)
    done = _cli("estimate", folder, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((folder / "estimate.json").read_text())
    for key in ("headline", "plain", "two_phase"):
        assert found[key]["low"] <= eye.ratio <= found[key]["high"], key
    assert found["headline"]["high"] - found["headline"]["low"] < found["plain"]["high"] - found["plain"]["low"]
    assert sorted(found["agreement"]["disagreements"]) == sorted(wrong)
    assert found["readers"] == ["ann", "bob"]
    words = _cli("estimate", folder).stdout
    assert words.startswith(f"Sampleton (synthetic) is {100 * found['headline']['ratio']:.1f} %")
    assert "free of readers' errors" in words


@pytest.mark.browser
def test_keys_buttons_undo_and_jump(chromium, folder, at_home):
    with _page(chromium, folder, "--reader", "ann") as (page, _, complaints):
        page.click("#kind-water")
        page.keyboard.press("g")
        assert page.evaluate("pattern.join('')") == "wg" + "" * 7
        page.click("#undo")
        page.keyboard.press("Backspace")
        assert page.evaluate("pattern.every((one) => one === '')")
        page.check("#whole")
        page.click("#kind-tree")
        page.wait_for_selector("body[data-done='1'][data-unit='2']")
        page.uncheck("#whole")
        page.fill("#jump", "40")
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-unit='40']")
        page.locator("#views").click()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("body[data-unit='41']")
        assert page.locator("#views figure").count() == 2
        lefts = "[...document.querySelectorAll('#views figure')].map((one) => one.getBoundingClientRect().left)"
        assert len(set(page.evaluate(lefts))) == 2  # side by side
        page.keyboard.press("f")
        assert len(set(page.evaluate(lefts))) == 1  # one over the other, half of each
        seen = "[...document.querySelectorAll('#views figure')].map((one) => Number(one.style.opacity))"
        assert page.evaluate(seen) == [1, 0.5]
        page.focus("#fade")
        page.keyboard.press("End")
        assert page.evaluate(seen) == [1, 1]
        page.keyboard.press("Home")
        assert page.evaluate(seen) == [1, 0]
        assert "infrared" in page.inner_text("#stack")
        assert page.get_attribute("body", "data-unit") == "41"  # the slider's arrows go to no other place
        page.locator("#views").click()
        page.keyboard.press("f")
        assert len(set(page.evaluate(lefts))) == 2
        before = page.evaluate("size")
        page.keyboard.press("+")
        page.wait_for_selector("body[data-size='40']")
        assert before == 120
        assert complaints == []


@contextmanager
def _served(folder, **options):
    session = Session(
        folder=folder,
        sample=load(folder / "sample.json"),
        reader="ann",
        pictures=options.pop("pictures", ()),
        **options,
    )
    with Server(session) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def _ask(server, path, *, method="GET", body=None, headers=None):
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)) as connection:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read(), response.headers


def test_strangers_get_nothing(folder):
    with _served(folder) as server:
        base = f"/{server.token}/"
        assert _ask(server, base)[0] == 200
        for path in (
            "/",
            "/state.json",
            "/wrong/state.json",
            f"/{server.token}",
            base + "../sample.json",
            base + "answers-ann.csv",
            base + "sample.json",
        ):
            assert _ask(server, path)[0] == 404, path
        assert _ask(server, base, headers={"Host": "evil.example"})[0] == 404  # another site's name that leads here
        assert _ask(server, base + "state.json", headers={"Origin": "https://evil.example"})[0] == 404
        assert server.server_address[0] == "127.0.0.1"


def test_the_page_loads_nothing_from_elsewhere_and_is_told_nothing_of_the_map(folder):
    with _served(folder) as server:
        status, body, headers = _ask(server, f"/{server.token}/unit/1/120.json")
        assert status == 200
        assert b"map_green" not in body
        assert b"stratum" not in body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        for name in ("", "label.js", "label.css"):
            text = _ask(server, f"/{server.token}/{name}")[1].decode()
            assert not re.findall(r"(?:src|href|url\()\W*https?:", text)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"unit": 61, "pattern": "t" * 9}, "not for this reader"),
        ({"unit": 0, "pattern": "t" * 9}, "not for this reader"),
        ({"unit": 1, "pattern": "t" * 8}, "not one kind for each"),
        ({"unit": 1, "pattern": "t" * 10}, "not one kind for each"),
        ({"unit": 1, "pattern": "zzzzzzzzz"}, "not one kind for each"),
        ({"unit": "x", "pattern": "t" * 9}, "no request"),
        ({"pattern": "t" * 9}, "no request"),
        ([], "no request"),
    ],
)
def test_answers_that_cannot_be_are_refused(folder, body, word):
    with _served(folder) as server:
        status, said, _ = _ask(server, f"/{server.token}/answer", method="POST", body=json.dumps(body))
        assert status == 400
        assert word in said.decode()
    assert not (folder / "answers-ann.csv").exists()


def test_bodies_are_bounded(folder):
    with _served(folder) as server:
        path = f"/{server.token}/answer"
        for headers in ({"Content-Length": "99999999"}, {"Content-Length": "abc"}, {"Content-Length": "-1"}):
            assert _ask(server, path, method="POST", headers=headers)[0] == 400
        assert _ask(server, path, method="POST", body="{")[0] == 400
        assert _ask(server, path, method="POST", body="[" * 9_000)[0] == 400


@pytest.mark.parametrize("path", ["unit/999/120.json", "unit/1/121.json", "chip/1/0/120.png", "chip/999/0/120.png"])
def test_units_and_pictures_that_are_not_there(folder, path):
    with _served(folder) as server:
        assert _ask(server, f"/{server.token}/{path}")[0] == 400


@pytest.mark.parametrize("name", ["", "../x", "a/b", "." * 3, "x" * 41, "a\nb"])
def test_readers_names_are_no_paths(folder, name):
    with pytest.raises(EstimateError, match="give a name of letters"):
        Session(folder=folder, sample=load(folder / "sample.json"), reader=name, pictures=())


def test_pictures_that_cannot_be_shown_say_why(tmp_path):
    (tmp_path / "x.tif").write_bytes(b"II*\x00")
    for source in (str(tmp_path / "x.tif"), str(tmp_path / "none.tif"), "/vsicurl/http://127.0.0.1/x.tif"):
        with pytest.raises((ImageError, NetworkError)):
            picture(source)
    for source in (
        "http://a.example/tiles.png",
        "ftp://a/{z}/{x}/{y}",
        "http://a b/{z}/{x}/{y}",
        "https://x;y/{z}/{x}/{y}",
    ):
        with pytest.raises(NetworkError, match="give an address"):
            picture(source)


def _made(path, values, **profile):
    height, width = values.shape[1:]
    there = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": len(values),
        "dtype": "uint8",
        "crs": "EPSG:32632",
    }
    with rasterio.open(path, "w", transform=Affine(10, 0, 600_000, 0, -10, 5_200_000), **there, **profile) as file:
        file.write(values)
    return picture(str(path), date="2024", licence="ours")


def test_what_a_picture_does_not_show_is_hatched_and_never_black(tmp_path):
    values = np.full((3, 20, 20), 90, np.uint8)
    values[:, :, 10:] = 0
    middle = (600_100.0, 5_199_900.0)
    hatched = set(HATCHED)
    for name, profile, black in (("none.tif", {}, True), ("zero.tif", {"nodata": 0}, False)):
        shown = _made(tmp_path / name, values, **profile)
        colours = np.asarray(Image.open(io.BytesIO(chip(shown, "EPSG:32632", middle, 120)))).reshape(-1, 3)
        assert {tuple(one) for one in colours.tolist()} == {(90, 90, 90)} | ({(0, 0, 0)} if black else hatched)
        assert shows(shown, "EPSG:32632", (600_050.0, 5_199_900.0), 10)
        assert shows(shown, "EPSG:32632", (600_150.0, 5_199_900.0), 10) == black
        assert not shows(shown, "EPSG:32632", (600_195.0, 5_199_995.0), 20)  # beyond its edge
        far = np.asarray(Image.open(io.BytesIO(chip(shown, "EPSG:32632", (0.0, 0.0), 120)))).reshape(-1, 3)
        assert {tuple(one) for one in far.tolist()} == hatched


def test_a_place_that_no_image_showed_says_so(folder, tmp_path):
    sample = load(folder / "sample.json")
    empty = Picture(
        name="empty", source=_made(tmp_path / "e.tif", np.zeros((3, 9, 9), np.uint8)).source, date="", licence=""
    )
    session = Session(
        folder, sample, "ann", [Picture(name="photo", source=folder / "photo.tif", date="", licence=""), empty]
    )
    assert [view["shows"] for view in session.unit(1, 120)["views"]] == [True, False]


def test_only_services_that_were_named_may_send_pictures(folder):
    service = picture("https://tiles.example/{z}/{x}/{y}.png", date="2024", licence="Example")
    with _served(folder, pictures=(service,)) as server:
        policy = _ask(server, f"/{server.token}/")[2]["Content-Security-Policy"]
        assert "img-src 'self' https://tiles.example;" in policy


@pytest.mark.parametrize("size_m", [40, 400])
def test_tiles_cover_the_square_and_lie_where_they_belong(size_m):
    """Each tile's own bounds, by the rule of XYZ tiles, against the place that it is given."""
    shown = Picture(name="x", source="https://t/{z}/{x}/{y}.png", date="", licence="")
    centre = (680_000.0, 5_150_000.0)
    laid, place = tiles(shown, "EPSG:32632", centre, size_m)
    middle = place(np.array([centre]))[0]
    assert middle == pytest.approx([0.5, 0.5], abs=1e-4)
    east = place(np.array([[centre[0] + size_m / 2, centre[1]]]))[0]
    assert east[0] == pytest.approx(1, abs=0.01)
    assert min(t["x"] for t in laid) <= 0
    assert max(t["x"] + t["side"] for t in laid) >= 1
    assert min(t["y"] for t in laid) <= 0
    assert max(t["y"] + t["side"] for t in laid) >= 1
    zoom, column, row = map(int, re.search(r"t/(\d+)/(\d+)/(\d+)", laid[0]["src"]).groups())
    world = 2 * 20037508.342789244
    x, y = column * world / 2**zoom - world / 2, world / 2 - row * world / 2**zoom
    lon, lat = Transformer.from_crs(3857, 4326, always_xy=True).transform(x, y)
    corner = Transformer.from_crs(4326, 32632, always_xy=True).transform(lon, lat)
    assert place(np.array([corner]))[0] == pytest.approx([laid[0]["x"], laid[0]["y"]], abs=1e-3)


def test_a_wms_address_is_filled_in():
    shown = picture("https://wms.example/?REQUEST=GetMap&BBOX={bbox}&WIDTH={width}&HEIGHT={height}&CRS=EPSG:3857")
    (one,), _ = tiles(shown, "EPSG:32632", (680_000.0, 5_150_000.0), 120)
    box = [float(v) for v in re.search(r"BBOX=([^&]+)", one["src"]).group(1).split(",")]
    assert box[2] - box[0] == pytest.approx(box[3] - box[1])
    assert "WIDTH=512" in one["src"]


def test_images_need_their_date_and_licence(folder):
    done = _cli("label", folder, "--reader", "a", "--image", "x.tif")
    assert done.returncode == 2
    assert "--image-date" in done.stderr


def test_ign_is_known_by_its_name_and_asks_for_the_day_only(folder):
    shown = picture("IGN", date="2022")
    assert shown.licence == "IGN BD ORTHO, Licence Ouverte 2.0"
    assert shown.origin == "https://data.geopf.fr"
    laid, _ = tiles(shown, "EPSG:32631", (652_000.0, 5_062_000.0), 120)
    asked = dict(pair.split("=") for pair in laid[0]["src"].partition("?")[2].split("&"))
    assert (asked["LAYER"], asked["TILEMATRIXSET"], asked["REQUEST"]) == ("ORTHOIMAGERY.ORTHOPHOTOS", "PM", "GetTile")
    assert all(asked[key].isdecimal() for key in ("TILEMATRIX", "TILEROW", "TILECOL"))
    done = _cli("label", folder, "--reader", "a", "--image", "ign")
    assert done.returncode == 2
    assert "departement" in done.stderr
    told = ("--image", "x.tif", "--image", "ign", "--image-date", "2020", "--image-date", "2022")
    done = _cli("label", folder, "--reader", "a", *told)
    assert "--image-licence" in done.stderr
    done = _cli("label", folder, "--reader", "a", *told, "--image-licence", "ours")
    assert "x.tif" in done.stderr  # the licence is the file's, and there is no such file
    assert "--image-licence" not in done.stderr


def test_a_sample_is_not_drawn_over_another(folder, at_home):
    done = _cli("sample", "Sampleton", "--looks", "60", "--out", folder)
    assert done.returncode == 1
    assert "is not empty" in done.stderr


def test_no_answers_yet(folder):
    done = _cli("estimate", folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "nobody has looked" in done.stderr


def test_every_kind_has_a_key():
    assert set(KEY_OF.values()) <= set(LETTERS)
    assert Path(__file__).exists()
