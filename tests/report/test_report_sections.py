"""Answers as sections of a report: one page, one summary; the report changes whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import zlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
import rasterio
from affine import Affine

from command_line import call
from howgreen import report
from howgreen.core.errors import OutputError
from howgreen.report import _write as report_writing
from howgreen.report._folder import copied_folder
from howgreen.report._sections import TOPICS, Destination, opened, report_of
from howgreen.report.figures import Summary
from howgreen.store import put_place
from towns import GRID, limits, mixed, put_image, put_town

pytestmark = pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Six years of a town that gains a column of grass, a fortieth, a year."""
    root = tmp_path_factory.mktemp("store")
    put_town(root)
    rng = np.random.default_rng(0)
    for year in range(2019, 2025):
        share = (np.arange(40) < 10 + 2 * (year - 2019)) * np.ones((30, 1))
        noise = rng.normal(1, 0.02, share.shape)
        numbers = {band: values * noise for band, values in mixed(share).items()}
        put_image(root, f"s-{year}", datetime(year, 7, 9, 10, tzinfo=UTC), numbers)
    return root


def made(store: Path, out: Path, *more: object) -> Path:
    assert call("city", "Small", "--store", store, "--period", "2024", "--model", "ndvi", "--out", out, *more) == 0
    return out


def trend(store: Path, out: Path, *more: object) -> int:
    return call("trend", "--report", out, "--store", store, "--years", "2019:2024", "--model", "ndvi", *more)


def summary(folder: Path) -> Summary:
    return Summary.from_dict(json.loads((folder / "summary.json").read_text(encoding="utf-8")))


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def whole(folder: Path) -> None:
    """The files are those that the summary lists and the checksums name, and the page loads nothing."""
    assert report.is_unaltered(folder)
    there = {path.name for path in folder.iterdir()}
    listed = set(summary(folder).files)
    assert listed <= there
    assert {name.removesuffix(".aux.xml") for name in there if not name.endswith(".qml")} == listed
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=.http", page.replace('href="https', ""))


def test_a_report_that_is_made_anew_keeps_the_sections_that_go_on_being_true(store, tmp_path, capsys):
    out = made(store, tmp_path / "report")
    assert trend(store, out) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    section = page.partition("<!-- section:trend -->")[2].partition("<!-- /section:trend -->")[0]
    before, figures = summary(out), (out / "trend.json").read_bytes()
    capsys.readouterr()
    # The same plan once more, and one of another year: the trend is of the same limits.
    for year in ("2024", "2022"):
        again = ("city", "Small", "--store", store, "--period", year, "--model", "ndvi", "--out", out, "--overwrite")
        assert call(*again) == 0
        whole(out)
        found, page = summary(out), (out / "report.html").read_text(encoding="utf-8")
        assert found.sections == before.sections
        assert set(found.files) == set(before.files)
        assert page.partition("<!-- section:trend -->")[2].partition("<!-- /section:trend -->")[0] == section
        assert page.count('href="trend.csv"') == 1
        assert (out / "trend.json").read_bytes() == figures
        assert "not kept" not in capsys.readouterr().err
    assert found.period != before.period
    assert trend(store, out) == 0, "and it can be made anew"
    whole(out)


def test_people_are_kept_beside_the_map_that_they_were_counted_on_alone(store, tmp_path, capsys):
    out = made(store, tmp_path / "report")
    census = tmp_path / "people.tif"
    with rasterio.open(
        census, "w", driver="GTiff", width=4, height=3, count=1, dtype="float32", crs=GRID.crs.to_wkt(),
        transform=GRID.affine * Affine.scale(10),
    ) as file:  # fmt: skip
        file.write(np.full((1, 3, 4), 25, np.float32))
    assert call("people", "--report", out, "--population", census, "--population-year", 2024) == 0
    assert trend(store, out) == 0
    again = ("city", "Small", "--store", store, "--model", "ndvi", "--out", out, "--overwrite", "--period")
    assert call(*again, "2024") == 0
    assert list(summary(out).sections) == ["people", "trend"]
    capsys.readouterr()
    assert call(*again, "2022") == 0
    assert list(summary(out).sections) == ["trend"]
    assert f"make it anew with `howgreen people --report {out}`" in capsys.readouterr().err
    whole(out)


def test_sections_that_do_not_fit_are_dropped_and_it_is_told(store, tmp_path, capsys):
    wider = GRID.extent.to_crs("EPSG:4326").geom.buffer(-0.0004).wkt
    of_small, of_wider = ("Small",), ("--area", wider)
    for number, (query, more, spoiled) in enumerate(
        ((of_small, ("--language", "de"), False), (of_wider, (), False), (of_small, (), True))
    ):
        out = made(store, tmp_path / f"report-{number}")
        assert trend(store, out) == 0
        capsys.readouterr()
        if spoiled:
            (out / "trend.csv").write_text("changed by hand", encoding="utf-8")
        again = ("city", *query, "--store", store, "--period", "2024", "--model", "ndvi", "--out", out, "--overwrite")
        assert call(*again, *more) == 0
        said = capsys.readouterr().err
        assert f"make it anew with `howgreen trend --report {out}`" in said
        whole(out)
        assert summary(out).sections == {}
        assert not (out / "trend.csv").exists()
        assert 'id="trend-title"' not in (out / "report.html").read_text(encoding="utf-8")


def test_a_section_joins_the_page_the_summary_and_the_folder(store, tmp_path, capsys):
    out = made(store, tmp_path / "report")
    before, first = digests(out), summary(out)
    assert first.sections == {}
    assert trend(store, out) == 0
    assert f"page: {out}/report.html#trend-title" in capsys.readouterr().out
    whole(out)
    found, after = summary(out), digests(out)
    assert list(found.sections) == ["trend"]
    assert found.sections["trend"][0] == "trend.json"
    assert set(found.sections["trend"]) == set(found.files) - set(first.files)
    assert found.green_ratio == first.green_ratio
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"report.html", "summary.json", "SHA256SUMS"}
    figures = json.loads((out / "trend.json").read_text(encoding="utf-8"))
    assert figures["city"]["id"] == first.city.id
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "More green." in page
    assert page.count('href="trend.csv"') == 1
    # Once more: it takes the place of the first, and what the first had left is gone.
    assert call("trend", "--report", out, "--store", store, "--years", "2019:2023", "--model", "ndvi") == 0
    whole(out)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count('id="trend-title"') == 1
    assert not (out / "plan_2024_sentinel-2.json").exists()
    # And another beside it.
    assert call("change", "--report", out, "--store", store, "--from", "2019", "--to", "2024", "--model", "ndvi",
                "--method", "pca-kmeans", "--clusters", "2") == 0  # fmt: skip
    whole(out)
    assert list(summary(out).sections) == ["trend", "change"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.index('id="change-title"') < page.index('id="trend-title"'), "in the order of the page"
    assert page.count("<html") == page.count("</body>") == page.count("Content-Security-Policy") == 1
    assert len(re.findall(r"<script", page)) == 1


def test_it_speaks_the_language_of_its_report(store, tmp_path):
    out = made(store, tmp_path / "report", "--language", "de")
    assert trend(store, out) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Mehr Grün." in page
    assert "Year by year" not in page


def test_what_cannot_be_is_said_before_any_work(store, tmp_path, capsys):
    out = made(store, tmp_path / "report")
    for more, words in (
        (("--report", out, "Small"), "leave NAME out"),
        (("--report", out, "--out", tmp_path / "x"), "leave --out out"),
        (("--report", out, "--language", "de"), "leave --language out"),
        (("--report", tmp_path / "none"), "is no folder on this disk"),
        (("--report", store), "is not a report"),
    ):
        assert call("trend", *more, "--store", store, "--years", "2019:2024") != 0
        assert words in capsys.readouterr().err
    page = out / "report.html"
    page.write_text(page.read_text(encoding="utf-8").replace("<!-- section:nrr -->", ""), encoding="utf-8")
    with pytest.raises(OutputError, match="made by an older version"):
        report_of(out)


def test_a_report_stays_as_it_was_where_a_section_fails(store, tmp_path):
    out = made(store, tmp_path / "report")
    before = digests(out)

    def fail() -> None:
        with opened(Destination(report=out), "people") as desk:
            (desk.folder / "people.csv").write_text("half")
            (desk.folder / "report.html").write_text("half")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert digests(out) == before
    with pytest.raises(OutputError, match="was changed while this was written"), copied_folder(out, anew=(), text=()):
        (out / "summary.json").write_text((out / "summary.json").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert set(digests(out)) == set(before)


def test_a_section_that_is_written_meanwhile_is_not_lost(store, tmp_path, monkeypatch, capsys):
    out = made(store, tmp_path / "report")
    assert trend(store, out) == 0
    whole = report_writing.write_checksums

    def late(folder):
        """Another process gives the report a section, when all of the new one is written but its place not taken."""
        whole(folder)
        with opened(Destination.for_report(out), "change") as desk:
            figures = report_of(out)
            (desk.folder / "change.json").write_text("{}")
            sections = {**figures.sections, "change": ("change.json",)}
            listed = {**figures.files, "change.json": "figures"}
            changed = msgspec.structs.replace(figures, sections=sections, files=listed)
            (desk.folder / "summary.json").write_text(changed.to_json(), encoding="utf-8")

    monkeypatch.setattr(report_writing, "write_checksums", late)
    again = ("city", "Small", "--store", store, "--period", "2024", "--model", "ndvi", "--out", out, "--overwrite")
    assert call(*again) != 0
    told = capsys.readouterr().err
    assert "got a section (change) while this was written, which would be lost; run the same command again" in told
    assert set(report_of(out).sections) == {"trend", "change"}


def test_two_that_write_the_same_report_take_turns_where_no_section_came(store, tmp_path, monkeypatch):
    out = made(store, tmp_path / "report")
    assert trend(store, out) == 0
    whole = report_writing.write_checksums

    def late(folder):
        monkeypatch.undo()
        whole(folder)
        made(store, out, "--overwrite")

    monkeypatch.setattr(report_writing, "write_checksums", late)
    made(store, out, "--overwrite")
    assert set(report_of(out).sections) == {"trend"}


def test_a_section_goes_to_no_report_of_another_plan(store, tmp_path):
    out = made(store, tmp_path / "report")
    began = Destination.for_report(out)
    with contextlib.suppress(ValueError), opened(began, "people"):
        raise ValueError("the plan is as it was: there is a desk to work at")
    assert (
        call("city", "Small", "--store", store, "--period", "2023", "--model", "ndvi", "--out", out, "--overwrite") == 0
    )
    before = digests(out)
    with (
        pytest.raises(OutputError, match="was made anew by another plan while this was computed"),
        opened(began, "people"),
    ):
        pass
    assert digests(out) == before


def test_marks_cannot_be_forged_by_a_name(store, tmp_path):
    area = limits(name="<!-- section:trend -->")
    own = shutil.copytree(store, tmp_path / "store")
    put_place(own, area)
    out = tmp_path / "report"
    assert call("city", area.name, "--store", own, "--period", "2024", "--model", "ndvi", "--out", out) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    for topic in (*TOPICS, "files"):
        assert page.count(f"<!-- section:{topic} -->") == 1


def objects(pdf: bytes) -> bytes:
    """What the packed parts of a PDF hold."""
    found = b""
    for part in re.findall(rb"stream\r?\n(.*?)endstream", pdf, flags=re.DOTALL):
        with contextlib.suppress(zlib.error):
            found += zlib.decompress(part)
    return found


def test_the_page_as_pdf(store, tmp_path, capsys):
    pytest.importorskip("weasyprint", reason="needs the extra [pdf]", exc_type=(ImportError, OSError))
    out = made(store, tmp_path / "report", "--pdf")
    first = (out / "report.pdf").read_bytes()
    assert first.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in objects(first), "tagged"
    assert trend(store, out) == 0
    whole(out)
    assert len((out / "report.pdf").read_bytes()) > len(first), "it is made anew with the section"
    capsys.readouterr()
    own = tmp_path / "own"
    assert (
        call("trend", "Small", "--store", store, "--years", "2019:2024", "--model", "ndvi", "--pdf", "--out", own) == 0
    )
    assert (own / "trend.pdf").read_bytes().startswith(b"%PDF-")
    assert "trend.pdf" in json.loads((own / "summary.json").read_text(encoding="utf-8"))["files"]


def test_without_the_extra_it_is_said_how_to_get_it(store, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    assert call("city", "Small", "--store", store, "--period", "2024", "--pdf", "--out", tmp_path / "x") == 1
    assert 'pip install "howgreen[pdf]"' in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
