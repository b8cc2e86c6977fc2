"""Persisted blocks give back what was computed, once, whatever was interrupted."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from howgreen.core.errors import OutputError
from howgreen.pipeline._checkpoint import persist


def lazy(height: int, width: int, chunk: int, calls: list[tuple[int, ...]] | None = None) -> xr.Dataset:
    """A pixel's value is its place; ``calls`` notes each block that is computed."""

    def place(block_info: dict) -> np.ndarray:
        (y0, y1), (x0, x1) = block_info[None]["array-location"]
        if calls is not None:
            calls.append((y0, x0))
        return (np.arange(y0, y1)[:, None] * 1000 + np.arange(x0, x1)[None, :]).astype("float32")

    chunks = (da.core.normalize_chunks(chunk, (height,))[0], da.core.normalize_chunks(chunk, (width,))[0])
    base = da.map_blocks(place, chunks=chunks, dtype="float32", meta=np.empty((0, 0), "float32"))
    return xr.Dataset(
        {"deep": (("band", "y", "x"), da.stack([base, -base]).rechunk({0: 2})), "flat": (("y", "x"), (base > 5))}
    )


def test_a_disk_that_fills_up_is_told_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def cut_short(*_: object, **__: object) -> None:
        raise OSError("1048576 requested and 407520 written")  # what numpy says, without a number

    monkeypatch.setattr(np, "save", cut_short)
    with pytest.raises(OutputError, match=r"blocks cannot be written \(the disk is full\); free some space"):
        persist(lazy(3, 3, 3), tmp_path / "blocks", stage="test")
    assert list((tmp_path / "blocks").iterdir()) == []


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), chunk=st.integers(3, 50))
def test_values_survive_any_chunking(height: int, width: int, chunk: int, tmp_path_factory: pytest.TempPathFactory):
    data = lazy(height, width, chunk)
    kept = persist(data, tmp_path_factory.mktemp("blocks"), stage="test")
    xr.testing.assert_identical(kept.compute(), data.compute())


def test_each_block_is_computed_once_for_all_its_variables(tmp_path: Path):
    calls: list[tuple[int, ...]] = []
    persist(lazy(30, 20, 10, calls), tmp_path, stage="test")
    assert sorted(calls) == [(y, x) for y in (0, 10, 20) for x in (0, 10)]


def test_a_second_run_computes_only_what_is_missing_or_broken(tmp_path: Path):
    expected = lazy(30, 20, 10).compute()
    persist(lazy(30, 20, 10), tmp_path, stage="test")
    (tmp_path / "deep_0001_0000.npy").unlink()
    (tmp_path / "flat_0002_0001.npy").write_bytes(b"half a blo")
    deep = tmp_path / "deep_0000_0001.npy"
    deep.write_bytes(deep.read_bytes()[:-1])
    calls: list[tuple[int, ...]] = []
    kept = persist(lazy(30, 20, 10, calls), tmp_path, stage="test")
    assert sorted(calls) == [(0, 10), (10, 0), (20, 10)]
    xr.testing.assert_identical(kept.compute(), expected)


def test_progress_reaches_the_total(tmp_path: Path):
    seen: list[tuple[str, int, int]] = []
    persist(lazy(30, 20, 10), tmp_path, stage="sums", progress=lambda *step: seen.append(step))
    assert [done for _, done, _ in seen] == [1, 2, 3, 4, 5, 6]
    assert {(stage, total) for stage, _, total in seen} == {("sums", 6)}


def test_an_interrupted_write_leaves_no_block_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full_disk(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        persist(lazy(10, 10, 10), tmp_path, stage="test")
    assert list(tmp_path.iterdir()) == []
