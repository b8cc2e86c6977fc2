from __future__ import annotations

import threading
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from shapely import box

from howgreen import batch, store
from howgreen.batch import _run as running
from howgreen.cli.root import howgreen
from howgreen.core.errors import HowgreenError, NetworkError, TableError
from howgreen.pipeline.inputs import Store
from howgreen.place import from_shape


def _row(key, ratio, half=0.05, **more):
    low, high = (None, None) if half is None else (ratio - half, ratio + half)
    return batch.Row(
        key=key,
        name=key.title(),
        green_ratio=ratio,
        low=low,
        high=high,
        level=0.95,
        wkt=box(9, 47, 9.1, 47.1).wkt,
        **more,
    )


def test_ranks_have_intervals_and_ties_are_called_ties():
    found = batch.ranked([_row("c", 0.3), _row("a", 0.7), _row("b", 0.62), _row("d", 0.2)])
    assert [(one.row.key, one.rank, one.best, one.worst, one.ties) for one in found] == [
        ("a", 1, 1, 2, ("b",)),
        ("b", 2, 1, 2, ("a",)),
        ("c", 3, 3, 4, ("d",)),
        ("d", 4, 3, 4, ("c",)),
    ]


def test_intervals_that_touch_are_a_tie():
    touching = [
        batch.Row(key="a", name="a", green_ratio=0.6, low=0.5, high=0.7),
        batch.Row(key="b", name="b", green_ratio=0.4, low=0.3, high=0.5),
    ]
    assert [one.ties for one in batch.ranked(touching)] == [("b",), ("a",)]
    apart = [touching[0], replace(touching[1], high=0.4999)]
    assert [one.ties for one in batch.ranked(apart)] == [(), ()]


def test_a_city_without_an_interval_may_stand_anywhere():
    found = batch.ranked([_row("a", 0.9), _row("b", 0.5, half=None), _row("c", 0.1)])
    assert [(one.best, one.worst) for one in found] == [(1, 2), (1, 3), (2, 3)]


def test_the_true_order_of_random_cities_lies_within_their_rank_intervals():
    rng = np.random.default_rng(0)
    for _ in range(50):
        truth = rng.uniform(0.1, 0.9, 12)
        shift = rng.uniform(-0.05, 0.05, 12)  # each interval holds its truth
        found = batch.ranked(
            [_row(f"{n:02d}", float(t + s)) for n, (t, s) in enumerate(zip(truth, shift, strict=True))]
        )
        true_rank = {f"{n:02d}": int((truth > t).sum()) + 1 for n, t in enumerate(truth)}
        assert all(one.best <= true_rank[one.row.key] <= one.worst for one in found)


def _table(tmp_path, text):
    path = tmp_path / "cities.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_names(tmp_path):
    found = batch.read_list(_table(tmp_path, "\ufeffName;place\nNeustadt;R1\nNeustadt;R2\nLyon;Lyon, France\n\n"))
    assert [(one.key, one.name, one.place) for one in found] == [
        ("neustadt", "Neustadt", "R1"), ("neustadt-2", "Neustadt", "R2"), ("lyon", "Lyon", "Lyon, France")
    ]  # fmt: skip


def test_no_two_cities_share_a_folder_whatever_they_are_called(tmp_path):
    names = ["Neustadt", "Neustadt", "Neustadt 2", "Neustadt 2", "neustadt"]
    found = batch.read_list(_table(tmp_path, "\n".join(["name", *names])))
    assert [one.key for one in found] == ["neustadt", "neustadt-3", "neustadt-2", "neustadt-2-2", "neustadt-4"]


def test_a_name_that_an_unquoted_comma_cuts_is_refused_and_is_not_another_place(tmp_path):
    with pytest.raises(TableError, match="line 3 has more fields than the header; quote"):
        batch.read_list(_table(tmp_path, "name\nVienna\nParis, Texas\n"))
    with pytest.raises(TableError, match=r"limits are not read from a table's column \('area'\); give one vector file"):
        batch.read_list(_table(tmp_path, "name,area\nVienna,414.8\nGraz,limits\\graz.geojson\n"))
    (only,) = batch.read_list(_table(tmp_path, "name\nVienna,,\n"))  # what spreadsheets leave behind
    assert only.place == "Vienna"


def test_of_a_file_of_several_layers_none_is_guessed(tmp_path):
    for layer in ("city", "districts"):
        gpd.GeoDataFrame({"name": [layer]}, geometry=[box(9, 47, 9.1, 47.1)], crs="EPSG:4326").to_file(
            tmp_path / "two.gpkg", layer=layer
        )
    with pytest.raises(TableError, match="holds 2 layers"):
        batch.read_list(tmp_path / "two.gpkg")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column 'name'"),
        ("town\nLyon\n", r"there: town.*--name-column"),
        ("name\n", "holds no city"),
        ("name,place\nLyon,\n", "line 2 has no"),
    ],
)
def test_tables_that_are_none(tmp_path, text, said):
    with pytest.raises(TableError, match=said):
        batch.read_list(_table(tmp_path, text))


def test_limits_of_a_vector_file(tmp_path):
    frame = gpd.GeoDataFrame(
        {"NAME": ["West", "East"]}, geometry=[box(9, 47, 9.1, 47.1), box(9.1, 47, 9.2, 47.1)], crs="EPSG:4326"
    )
    frame.to_crs("EPSG:3857").to_file(tmp_path / "m.gpkg")
    found = batch.read_list(tmp_path / "m.gpkg")
    assert [(one.name, one.place.label) for one in found] == [("West", "West"), ("East", "East")]
    np.testing.assert_allclose(found[1].place.boundary.bounds, (9.1, 47, 9.2, 47.1), atol=1e-6)


def _entries(*names):
    return tuple(batch.Entry(key=name, name=name, place=name) for name in names)


def _placed():
    return batch.Entry(key="a", name="A", place=from_shape(box(9, 47, 9.1, 47.1), name="A"))


def _ranked_with(task, entries, tmp_path, workers=2):
    return batch.rank(
        entries, batch.Ask(), tmp_path, workers=batch.Workers(count=workers), progress=lambda *_: None, run=task
    )


def test_an_error_costs_its_own_city(tmp_path):
    def task(entry, ask, out):
        if entry.key == "bad":
            raise RuntimeError("boom\nbang")
        return (_row(entry.key, 0.5),)

    rows = _ranked_with(task, _entries("a", "bad", "c"), tmp_path)
    assert [row.key for row in rows] == ["a", "bad", "c"]
    assert rows[1].error == "RuntimeError: boom bang"
    assert rows[2].green_ratio == 0.5


@pytest.mark.parametrize(
    ("error", "tries"), [(NetworkError("gone"), 3), (OSError("disk"), 3), (HowgreenError("no"), 1)]
)
def test_only_what_a_network_or_a_disk_refuses_is_tried_again(monkeypatch, tmp_path, error, tries):
    asked = []

    def fails(*_):
        asked.append(1)
        raise error

    monkeypatch.setattr(running, "_answered", fails)
    (row,) = running.one_city(_placed(), batch.Ask(), tmp_path)
    assert len(asked) == tries
    assert row.error == str(error)


def test_a_service_that_answers_the_second_time(monkeypatch, tmp_path):
    answers = [NetworkError("gone"), _row("a", 0.4)]

    def answers_late(*_):
        one = answers.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr(running, "_answered", answers_late)
    assert running.one_city(_placed(), batch.Ask(), tmp_path)[0].green_ratio == 0.4


def test_a_stop_starts_no_further_city(tmp_path):
    started, lock = [], threading.Lock()

    def task(entry, ask, out):
        with lock:
            started.append(entry.key)
        return (_row(entry.key, 0.5),)

    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch.rank(
            _entries(*"abcdefghijklmnop"),
            batch.Ask(),
            tmp_path,
            workers=batch.Workers(count=1),
            progress=stop,
            run=task,
        )
    assert len(started) <= 3


def test_the_files_agree_and_the_page_is_escaped(tmp_path):
    rows = [
        _row("a", 0.7, warnings=("few-dates",)),
        replace(_row("b", 0.2), name="<b>&"),
        batch.Row(key="c", name="C", error="not found"),
    ]
    files = batch.write_ranking(rows, tmp_path)
    table = pd.read_csv(tmp_path / "ranking.csv", keep_default_na=False)
    assert list(table["key"]) == ["a", "b", "c"]
    assert list(table["rank"]) == ["1", "2", ""]
    layer = gpd.read_file(tmp_path / "ranking.gpkg")
    assert list(layer["rank_best"])[:2] == [1, 2]
    assert layer.crs.to_epsg() == 4326
    text = (tmp_path / "ranking.html").read_text()
    assert "&lt;b&gt;&amp;" in text
    assert "<b>&" not in text
    assert "All of them can be told apart." in text
    assert 'C: <span lang="en" dir="ltr">not found</span>' in text
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)


def test_geoparquet_has_the_columns_and_the_box_of_each_row(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import json

    batch.write_ranking([_row("a", 0.7), _row("b", 0.2)], tmp_path)
    schema = parquet.read_schema(tmp_path / "ranking.parquet")
    meta = json.loads(schema.metadata[b"geo"])
    assert meta["version"] == "1.1.0"
    assert "bbox" in meta["columns"]["geometry"]["covering"]
    assert parquet.ParquetFile(tmp_path / "ranking.parquet").metadata.row_group(0).column(0).compression == "ZSTD"
    assert list(gpd.read_parquet(tmp_path / "ranking.parquet")["rank"]) == [1, 2]


def test_sampleton_is_ranked_and_the_second_run_only_reads(home, tmp_path):
    entries = (batch.Entry(key="sampleton", name="Sampleton", place="Sampleton"),)
    ask = batch.Ask(model="ndvi")
    (first,) = batch.rank(entries, ask, tmp_path, progress=lambda *_: None)
    assert 0.4 < first.green_ratio < 0.8
    report = tmp_path / "cities" / "sampleton" / "report.html"
    made = report.stat().st_mtime_ns
    (second,) = batch.rank(entries, ask, tmp_path, progress=lambda *_: None)
    assert second == first
    assert report.stat().st_mtime_ns == made


def _half(entry, ask, out):
    """A city in another process; the one that is called fatal takes its worker with it."""
    import os

    if entry.key == "fatal":
        os._exit(1)
    return (batch.Row(key=entry.key, name=entry.name, green_ratio=0.5, low=0.4, high=0.6),)


def test_a_cluster_gives_the_same_rows(tmp_path):
    distributed = pytest.importorskip("distributed")
    entries = _entries(*"abcdef")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0", protocol="tcp"
    ) as cluster:
        there = batch.rank(
            entries,
            batch.Ask(),
            tmp_path,
            workers=batch.Workers(scheduler=cluster.scheduler_address),
            progress=lambda *_: None,
            run=_half,
        )
    assert there == _ranked_with(_half, entries, tmp_path)


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("howgreen.pipeline.cluster.WAIT_S", 0.3)
    with pytest.raises(NetworkError, match=r"scheduler tcp://127\.0\.0\.1:9: does not answer"):
        batch.rank(
            _entries("a"),
            batch.Ask(),
            tmp_path,
            workers=batch.Workers(scheduler="tcp://127.0.0.1:9"),
            progress=lambda *_: None,
            run=_half,
        )


@pytest.mark.slow
def test_a_lost_worker_costs_one_city(tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        rows = batch.rank(
            _entries("a", "fatal", "b", "c"),
            batch.Ask(),
            tmp_path,
            workers=batch.Workers(scheduler=cluster.scheduler_address),
            progress=lambda *_: None,
            run=_half,
        )
    assert [bool(row.error) for row in rows] == [False, True, False, False]
    assert "KilledWorker" in rows[1].error


def _its_share(entry, ask, out):
    """Tells how many threads it may keep busy; what it warns of is heard by nobody."""
    from howgreen.core.threads import threads
    from howgreen.core.warnings import Caution, warn

    warn(Caution("few-dates", "a doubt that stands in the report"))
    return (batch.Row(key=entry.key, name=entry.name, n_dates=threads()),)


@pytest.mark.parametrize(("count", "share"), [(1, 6), (2, 3), (4, 1), (9, 1)])
def test_cities_at_once_divide_the_processor(tmp_path, monkeypatch, count, share):
    monkeypatch.setattr(running, "cores", lambda: 6)
    workers = batch.Workers(count=count)
    rows = batch.rank(
        _entries("a", "b"), batch.Ask(), tmp_path, workers=workers, progress=lambda *_: None, run=_its_share
    )
    assert [row.error for row in rows] == ["", ""]
    assert [row.n_dates for row in rows] == [share, share]


def test_on_a_cluster_a_city_keeps_one_core_busy(tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0", protocol="tcp"
    ) as cluster:
        workers = batch.Workers(scheduler=cluster.scheduler_address)
        rows = batch.rank(
            _entries("a", "b"), batch.Ask(), tmp_path, workers=workers, progress=lambda *_: None, run=_its_share
        )
    assert [row.n_dates for row in rows] == [1, 1]


def test_a_city_on_a_share_of_one_starts_no_thread(sampleton, tmp_path, monkeypatch):
    import rasterio.shutil

    started, packers, copy = [], [], rasterio.shutil.copy
    monkeypatch.setattr(threading.Thread, "start", started.append)
    monkeypatch.setattr(rasterio.shutil, "copy", lambda *a, **k: packers.append(k["num_threads"]) or copy(*a, **k))
    (district,) = (one.boundary for one in store.place(sampleton, "Sampleton").districts[:1])
    square = from_shape(district.representative_point().buffer(0.002).envelope, name="Square")
    ask = batch.Ask(images=Store(sampleton), period="2024-06/2024-07")
    (row,) = running._within(1, running.one_city, batch.Entry(key="square", name="Square", place=square), ask, tmp_path)
    assert row.error == ""
    assert not started
    assert set(packers) == {1}


def test_threads_share_one_heap(monkeypatch):
    asked = []

    class Libc:
        def mallopt(self, *values):
            asked.append(values)

    monkeypatch.setattr(running.ctypes, "CDLL", lambda _: Libc())
    monkeypatch.setattr(running.sys, "platform", "linux")
    running._share_one_heap.cache_clear()
    running._share_one_heap()
    running._share_one_heap()
    assert asked == [(-8, 1), (-3, 2**25), (-1, 2**26)]


@pytest.mark.parametrize("on", [True, False])
def test_workers_that_keep_profiles_are_told_of(tmp_path, on):
    distributed = pytest.importorskip("distributed")
    import dask

    (tmp_path / "cities.csv").write_text("name\nnowhere at all\n", encoding="utf-8")
    with (
        dask.config.set({"distributed.worker.profile.enabled": on}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
        ) as cluster,
    ):
        line = ["rank", str(tmp_path / "cities.csv"), "--offline", "--out", str(tmp_path / "out")]
        told = CliRunner().invoke(howgreen, [*line, "--scheduler", cluster.scheduler_address])
    assert ("PROFILE__ENABLED=False" in told.stderr) == on
    assert "nowhere at all" in told.stderr
