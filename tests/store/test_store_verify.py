from __future__ import annotations

import contextlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from store_files import make_grid, make_values

from howgreen import store
from howgreen.core.errors import HowgreenError, StoreError
from howgreen.core.sensors import SENSORS
from howgreen.core.types import City


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("verify") / "store"
    for day in (1, 2):
        store.put_scene(
            root,
            store.Header(
                id=f"day-{day}",
                sensor=SENSORS["sentinel-2"],
                time=datetime(2023, 7, day, tzinfo=UTC),
                scale=1e-4,
                offset=0.0,
                nodata=0,
            ),
            {band: (make_values(seed=day), make_grid()) for band in ("red", "nir")},
        )
    (scene, _) = store.scenes(root)
    store.put_place(root, City(name="X", label="X", id="x", boundary=scene.footprint, crs="EPSG:32632", area_m2=1.0))
    return root


@pytest.fixture
def root(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "store"))


def item_file(root, name="day-1") -> Path:
    return root / "sentinel-2-l2a" / name / f"{name}.json"


def edit(path: Path, change) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def only_fault(root) -> store.Fault:
    faults = store.verify(root)
    assert len(faults) == 1, faults
    assert faults[0].cure
    assert "\n" not in faults[0].what + faults[0].cure
    return faults[0]


def test_whole_store_has_no_fault_and_moves(whole, root):
    told = []
    assert store.verify(root, progress=lambda *step: told.append(step)) == []
    assert told == [("verify", 0, 2), ("verify", 1, 2), ("verify", 2, 2)]
    assert store.verify(whole) == []


def test_files_missing_truncated_longer_or_altered(root):
    red = item_file(root).with_name("red.tif")
    data = red.read_bytes()
    for damage, word in [
        (red.unlink, "missing"),
        (lambda: red.write_bytes(data[:-1]), "truncated"),
        (lambda: red.write_bytes(b""), "truncated"),
        (lambda: red.write_bytes(data + b"x"), "altered"),
        (lambda: red.write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:]), "checksum"),
    ]:
        damage()
        fault = only_fault(root)
        assert fault.path == red
        assert word in fault.what
        assert "add the image again" in fault.cure
        red.unlink(missing_ok=True)
        red.write_bytes(data)
    assert store.verify(root) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"type": "Feature"}', "\xff", "[" * 100_000])
def test_broken_item(root, text):
    item_file(root).write_bytes(text.encode("latin-1"))
    fault = only_fault(root)
    assert fault.path == item_file(root)
    for reader in (store.scenes, store.items):
        with pytest.raises(StoreError, match="day-1"):
            reader(root)


def test_broken_or_missing_catalogues(root):
    collection = root / "sentinel-2-l2a" / "collection.json"
    collection.write_text("{")
    whats = {fault.path: fault.what for fault in store.verify(root)}
    assert "JSON" in whats[collection]
    assert whats[item_file(root)].startswith("not linked")
    collection.unlink()
    assert "missing" in {fault.path: fault.what for fault in store.verify(root)}[collection]
    store.put_place(root, store.places(root)[0])  # any writing makes it new
    assert store.verify(root) == []
    (root / "catalog.json").write_text("{")
    assert store.verify(root)[0].path == root / "catalog.json"


def test_item_that_is_gone_or_not_linked(root):
    shutil.rmtree(item_file(root).parent)
    fault = only_fault(root)
    assert "linked from" in fault.what
    with pytest.raises(StoreError, match="missing"):  # fewer scenes would be another answer
        store.scenes(root)


def test_item_without_its_json(root):
    item_file(root).unlink()
    whats = [fault.what for fault in store.verify(root)]
    assert any("item file is missing" in what for what in whats)


def test_unlinked_item_is_a_fault_that_the_next_writing_mends(root):
    edit(root / "sentinel-2-l2a" / "collection.json", lambda c: c.update(links=c["links"][:2]))
    faults = store.verify(root)
    assert [fault.what for fault in faults] == ["not linked from its collection"] * 2
    assert len(store.scenes(root)) == 2
    store.put_place(root, store.places(root)[0])
    assert store.verify(root) == []


EVIL = [
    "../../../secret.tif",
    "/etc/passwd",
    "file:///etc/passwd",
    "/vsicurl/http://example.com/x.tif",
    "ftp://example.com/x.tif",
    "./a\0b.tif",
    "..\\..\\secret.tif",
]


@pytest.mark.parametrize("href", EVIL)
def test_files_outside_are_faults_and_never_read(root, tmp_path, href):
    (tmp_path / "secret.tif").write_bytes(b"x")
    edit(item_file(root), lambda item: item["assets"]["red"].update(href=href))
    assert "outside" in only_fault(root).what
    for reader in (store.scenes, store.items, store.listing):
        with pytest.raises(StoreError, match="leaves the store"):
            reader(root)


@pytest.mark.parametrize("href", EVIL)
def test_links_outside_are_faults_and_never_followed(root, tmp_path, href):
    shutil.copy(item_file(root), tmp_path / "secret.tif")
    edit(root / "catalog.json", lambda c: c["links"].append({"rel": "item", "href": href}))
    assert "outside" in only_fault(root).what
    with pytest.raises(StoreError, match="leaves the store"):
        store.scenes(root)


def test_links_of_the_file_system_do_not_lead_out(root, tmp_path):
    red = item_file(root).with_name("red.tif")
    outside = tmp_path / "elsewhere.tif"
    red.rename(outside)
    red.symlink_to(outside)
    assert "outside" in only_fault(root).what
    with pytest.raises(StoreError, match="leaves the store"):
        store.scenes(root)


def test_links_in_a_ring_end(root):
    ring = [{"rel": "child", "href": "../catalog.json"}, {"rel": "child", "href": "./collection.json"}]
    edit(root / "sentinel-2-l2a" / "collection.json", lambda c: c["links"].extend(ring))
    assert store.verify(root) == []
    assert len(store.scenes(root)) == 2


def test_addresses_on_the_web_are_left_alone(root):
    href = "https://example.com/B02.tif"
    edit(item_file(root), lambda item: item["assets"].update(blue={"href": href}))
    assert store.verify(root) == []
    assert store.scenes(root)[0].asset("blue").href == href


def test_broken_place(root):
    file = root / "places" / "x.geojson"
    for text in ("{", '{"features": []}', '{"features": [{"properties": {}, "geometry": null}]}'):
        file.write_text(text)
        assert only_fault(root).path == file
        with pytest.raises(StoreError, match=r"not a place|JSON"):
            store.places(root)


def test_random_damage_never_escapes_as_another_error(root):
    """Each key of an item set to nonsense: verify says something or nothing, readers work or say StoreError."""
    original = json.loads(item_file(root).read_text())
    nonsense = [None, 7, "x", [], {}, [None], {"a": None}]
    paths = [(key,) for key in original]
    paths += [("properties", key) for key in original["properties"]] + [
        ("assets", "red", k) for k in original["assets"]["red"]
    ]
    for path in paths:
        for value in nonsense:
            item = json.loads(json.dumps(original))
            target = item
            for key in path[:-1]:
                target = target[key]
            target[path[-1]] = value
            item_file(root).write_text(json.dumps(item))
            store.verify(root)
            for reader in (store.scenes, store.items, store.listing):
                with contextlib.suppress(HowgreenError):
                    reader(root)


@pytest.mark.parametrize("edited", [{"scale": 2e-4}, {"offset": -0.1}, {"scale": 0}])
def test_an_item_that_says_another_scale_than_its_file_is_a_fault(root, edited):
    """By hand, times two: nobody had asked the pixels again, and the ratio moved without a word."""
    file = root / "sentinel-2-l2a" / "day-1" / "day-1.json"
    item = json.loads(file.read_text())
    item["assets"]["nir"]["raster:bands"][0].update(edited)
    file.write_text(json.dumps(item))
    (fault,) = store.verify(root)
    assert fault.path.name == "nir.tif"
    assert "one was edited" in fault.what


@pytest.mark.parametrize("day", ["2099-07-01T10:00:00Z", "1999-07-01T10:00:00Z"])
def test_an_item_of_a_day_that_cannot_be_is_a_fault(root, day):
    file = root / "sentinel-2-l2a" / "day-1" / "day-1.json"
    item = json.loads(file.read_text())
    item["properties"]["datetime"] = day
    file.write_text(json.dumps(item))
    with pytest.raises(StoreError, match=r"day-1: Sentinel-2 L2A of .*(still to come|no such satellite flew then)"):
        store.scenes(root)
