"""Answers beside the green ratio (people, change, trend, law): in a folder each, or as a section of a report's page.

A report's page has a pair of markers for each of them (``template.html``). A new section is inserted between its
markers, its figures and files are put beside the page, and ``summary.json`` lists them; the report changes whole or not
at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from howgreen.core.errors import OutputError
from howgreen.core.known_types import known
from howgreen.report._checksums import CHECKSUMS, is_unaltered, write_checksums
from howgreen.report._delivery import check_target, is_url, new_target
from howgreen.report._folder import SUMMARY, copied_folder, link
from howgreen.report._language import language as language_of
from howgreen.report._pdf import REPORT_PDF, TEXT, check_pdf, write_pdf
from howgreen.report._qgis import PROJECT, show_beside
from howgreen.report._templates import environment, whole_page
from howgreen.report.figures import Document, Summary

if TYPE_CHECKING:
    from howgreen.core.types import Progress
    from howgreen.report._language import Language

TOPICS = ("people", "change", "trend", "nrr")
"""In page order."""
REPORT_PAGE = "report.html"
PLAN = "plan.json"
OWN_PAGE = "the page to read; opens without a network"
FIGURES = "the figures of this section of the page"
MAPS = "the maps in their colours, for QGIS; beside each raster lies its style (.qml)"
D = TypeVar("D", bound=Document)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Destination and format of an answer."""

    out: str | Path | None = None
    """A separate folder, or a URL of fsspec."""
    report: Path | None = None
    """Alternatively, the folder of a report, which gets a section."""
    plan: str | None = None
    """Text of that report's plan at the start of the work for the section; see :meth:`for_report`."""
    language: str = "en"
    """Language of a separate page; a section uses its report's language."""
    pdf: bool = False
    """Write the page as PDF too."""

    @classmethod
    def for_report(cls, report: Path, *, pdf: bool = False) -> Destination:
        """Use a report in its present state as destination: if its plan has changed in the end, it gets no section."""
        return cls(report=report, plan=_text(report / PLAN), pdf=pdf)

    @classmethod
    def of(cls, out: str | Path | Destination) -> Destination:
        """Use a folder or a URL as destination."""
        return out if isinstance(out, Destination) else cls(out=out)

    def check(self, *, overwrite: bool = False) -> None:
        """Refuse, before any long work, a destination that is not writable.

        Raises
        ------
        OutputError
            With the reason.
        """
        if self.pdf:
            check_pdf()
        if self.report is not None:
            report_of(self.report)
        elif self.out is not None:
            check_target(self.out, overwrite=overwrite)

    @property
    def folder(self) -> str | Path:
        """Final folder of the files."""
        return self.report or self.out or Path()


@dataclass(frozen=True, kw_only=True)
class Section:
    """An answer's content for a page."""

    topic: str
    """One of :data:`TOPICS`: the name of its template and its files."""
    title: str
    """Title of a separate page."""
    values: Mapping[str, Any]
    """Values for the template."""
    when: str = ""
    """Days or years, for the head of a separate page."""
    synthetic: bool = False
    credits: tuple[str, ...] = ()
    picture: str = ""
    """Preview picture for sharing."""
    scripts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A folder being written, in which a section is finished."""

    folder: Path
    language: Language
    pdf: bool
    report: Summary | None = None
    """Figures of the report that gets the section; None for a separate folder."""

    def finish(self, section: Section, figures: D, files: Mapping[str, str]) -> D:
        """Write page and figures of an answer whose other files are in the folder; return the figures with their files.

        Parameters
        ----------
        files
            Name to its contents.
        """
        project = show_beside(self.folder, section.title)
        if self.report is None:
            files = {**files, **({PROJECT: MAPS} if project else {})}
            return self._own(section, figures, files)
        return self._added(self.report, section, figures, files)

    def _own(self, section: Section, figures: D, files: Mapping[str, str]) -> D:
        page, paper = f"{section.topic}.html", f"{section.topic}.pdf"
        files = {page: OWN_PAGE, **({paper: TEXT} if self.pdf else {}), **files, SUMMARY: "this file"}
        figures = msgspec.structs.replace(figures, files=files)
        about = {
            "howgreen": figures["howgreen"], "synthetic": section.synthetic, "attributions": section.credits,
        }  # fmt: skip
        shown = {
            **section.values, "level": 1, "topic": section.topic, "about": about, "title": section.title,
            "when": section.when, "image": section.picture, "s": {"files": files},
        }  # fmt: skip
        html = whole_page("own_page.html", self.language, shown, scripts=section.scripts)
        (self.folder / page).write_text(html, encoding="utf-8")
        if self.pdf:
            write_pdf(html, self.folder / paper)
        (self.folder / SUMMARY).write_text(figures.to_json(), encoding="utf-8")
        return figures

    def _added(self, report: Summary, section: Section, figures: D, files: Mapping[str, str]) -> D:
        name = _figures_of(section.topic)
        figures = msgspec.structs.replace(figures, files={**files, name: "this file"})
        (self.folder / name).write_text(figures.to_json(), encoding="utf-8")
        kept = {key: text for key, text in report.files.items() if key not in _files_of(report, section.topic)}
        listed = {**kept, **files, name: FIGURES}
        if self.pdf:
            listed[REPORT_PDF] = TEXT
        sections = {**report.sections, section.topic: (name, *files)}
        report = msgspec.structs.replace(report, files=listed, sections=sections)
        html = (self.folder / REPORT_PAGE).read_text(encoding="utf-8")
        html = self._between(html, section.topic, {**section.values, "level": 2})
        html = self._between(html, "files", {"s": {"files": listed}})
        (self.folder / REPORT_PAGE).write_text(html, encoding="utf-8")
        if self.pdf:
            write_pdf(html, self.folder / REPORT_PDF)
        (self.folder / SUMMARY).write_text(report.to_json(), encoding="utf-8")
        write_checksums(self.folder)
        return figures

    def _between(self, html: str, name: str, values: Mapping[str, Any]) -> str:
        """Insert a section between its markers: no text of a page can contain these, as all are escaped."""
        made = environment(self.language).get_template(f"sections/{name}.html").render(**values, tell=self.language)
        before, opened, rest = html.partition(f"<!-- section:{name} -->")
        _, closed, after = rest.partition(f"<!-- /section:{name} -->")
        return f"{before}{opened}\n{made}{closed}{after}"


def report_of(folder: Path) -> Summary:
    """Read the figures of a report that can get sections.

    Raises
    ------
    OutputError
        It is not a report, or an older version made it.
    """
    if not folder.is_dir():
        raise OutputError(f"{folder}: is no folder on this disk; name that of a report by `howgreen city`")
    try:
        found = msgspec.json.decode((folder / SUMMARY).read_bytes(), type=known(Summary))
        marked = "<!-- section:nrr -->" in (folder / REPORT_PAGE).read_text(encoding="utf-8")
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise OutputError(f"{folder}: is not a report; make one with `howgreen city`") from error
    if not marked:
        raise OutputError(f"{folder}: was made by an older version; make it anew with `howgreen city`")
    return found


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Sections of an earlier report that remain valid for the one being written."""

    folder: Path
    """Folder of the earlier report."""
    sections: Mapping[str, tuple[str, ...]]
    """Topic to its files."""
    files: Mapping[str, str]
    """Name to its contents."""

    def link(self, folder: Path) -> None:
        """Link their files into the new folder."""
        for name in self.files:
            for one in _with_companions(name):
                if (self.folder / one).exists():
                    link(self.folder / one, folder / one)

    def into(self, html: str) -> str:
        """Insert them into the new page, as they were in the earlier one."""
        if self.sections:
            earlier = (self.folder / REPORT_PAGE).read_text(encoding="utf-8")
            for name in self.sections:
                mark, end = f"<!-- section:{name} -->", f"<!-- /section:{name} -->"
                section = earlier.partition(mark)[2].partition(end)[0]
                html = html.replace(f"{mark}{end}", f"{mark}{section}{end}")
        return html


def kept(out: str | Path, found: Mapping[str, Any], plan_json: str | None) -> Kept:
    """Find the sections of a report to be replaced that remain valid: same limits, same language.

    People are counted around the green of one map, so their section needs the same plan. A folder altered since, or
    made by another version, keeps none.

    Parameters
    ----------
    found
        Values of the new summary.
    plan_json
        Text of the new plan.
    """
    none = Kept(folder=Path(out), sections={}, files={})
    earlier = None if is_url(out) else _earlier(Path(out))
    if earlier is None or not earlier.sections or not _alike(earlier, found) or not is_unaltered(Path(out)):
        return none
    same_map = plan_json is not None and _text(Path(out) / PLAN) == plan_json
    sections = {topic: names for topic, names in earlier.sections.items() if same_map or topic != "people"}
    files = {name: earlier.files[name] for names in sections.values() for name in names if name in earlier.files}
    return Kept(folder=Path(out), sections=sections, files=files)


def _alike(earlier: Summary, found: Mapping[str, Any]) -> bool:
    """Tell whether two reports have the same limits, language and version."""
    city, now = earlier.city, found["city"]
    return (
        (city.id, city.crs, tuple(city.bounds)) == (now["id"], now["crs"], tuple(now["bounds"]))
        and earlier.zone_area_m2 == found["zone_area_m2"]
        and (earlier.language, earlier.howgreen) == (found["language"], found["howgreen"])
    )


def sections_there(out: str | Path) -> dict[str, str | None]:
    """Return the figures of each section of the report in a local folder; empty if it holds no report."""
    earlier = None if is_url(out) else _earlier(Path(out))
    topics = () if earlier is None else tuple(earlier.sections)
    return {topic: _text(Path(out) / _figures_of(topic)) for topic in topics}


def check_sections(out: str | Path, known: Mapping[str, str | None]) -> None:
    """Refuse to replace a report that got a section after :func:`sections_there` was called."""
    new = [topic for topic, figures in sections_there(out).items() if topic not in known or known[topic] != figures]
    if new:
        raise OutputError(
            f"{out}: got a section ({', '.join(new)}) while this was written, which would be lost; run the same command again"
        )


def _earlier(folder: Path) -> Summary | None:
    try:
        return report_of(folder)
    except OutputError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _with_companions(name: str) -> tuple[str, ...]:
    """Return a file's name and those of its possible companions: class names, and a QGIS style."""
    return name, f"{name}.aux.xml", f"{name.removesuffix('.tif')}.qml"


@contextmanager
def opened(destination: Destination, topic: str, *, progress: Progress | None = None) -> Iterator[Desk]:
    """Yield a folder to fill with an answer; it appears whole, or the report stays as it was.

    Raises
    ------
    OutputError
        As :func:`howgreen.report._delivery.new_target`, and :func:`report_of`; or the report has another plan than it
        had.
    """
    if destination.report is None:
        with new_target(destination.folder, progress=progress) as folder:
            yield Desk(folder=folder, language=language_of(destination.language), pdf=destination.pdf)
        return
    found = report_of(destination.report)
    if destination.plan is not None and _text(destination.report / PLAN) != destination.plan:
        raise OutputError(
            f"{destination.report}: was made anew by another plan while this was computed for it; run the same command again"
        )
    earlier = [name for one in _files_of(found, topic) for name in _with_companions(one)]
    again = {*earlier, REPORT_PAGE, REPORT_PDF, SUMMARY, CHECKSUMS}
    with copied_folder(destination.report, anew=again, text=(REPORT_PAGE,)) as folder:
        yield Desk(
            folder=folder,
            language=language_of(found.language),
            pdf=destination.pdf or REPORT_PDF in found.files,
            report=found,
        )


def _figures_of(topic: str) -> str:
    return f"{topic}.json"


def _files_of(report: Summary, topic: str) -> tuple[str, ...]:
    """List the files that an earlier section of this topic added to a report."""
    return report.sections.get(topic, ())
