"""Answers beside the green ratio (people, change, trend, law): each a folder of its own, or a section of a report's page.

The page of a report has a pair of marks for each of them (``template.html``). A section that is added is put between its marks, its
figures and files lie beside the page, and ``summary.json`` names them; the report changes whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from howgreen.core.errors import OutputError
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
"""In the order of the page."""
REPORT_PAGE = "report.html"
PLAN = "plan.json"
OWN_PAGE = "the page to read; opens without a network"
FIGURES = "the figures of this section of the page"
MAPS = "the maps in their colours, for QGIS; beside each raster lies its style (.qml)"
D = TypeVar("D", bound=Document)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where an answer goes, and how it is written."""

    out: str | Path | None = None
    """A folder of its own, or a URL of fsspec."""
    report: Path | None = None
    """Instead: the folder of a report, which gets a section."""
    plan: str | None = None
    """Text of that report's plan when the work for the section began; see :meth:`for_report`."""
    language: str = "en"
    """Of a page of its own; a section is in the language of its report."""
    pdf: bool = False
    """Write the page as PDF too."""

    @classmethod
    def for_report(cls, report: Path, *, pdf: bool = False) -> Destination:
        """Take a report for a destination as it is now: one that has another plan in the end does not get the section."""
        return cls(report=report, plan=_text(report / PLAN), pdf=pdf)

    @classmethod
    def of(cls, out: str | Path | Destination) -> Destination:
        """Take a folder or a URL for a destination."""
        return out if isinstance(out, Destination) else cls(out=out)

    def check(self, *, overwrite: bool = False) -> None:
        """Refuse, before any long work, a place that cannot be written.

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
        """Where the files lie in the end."""
        return self.report or self.out or Path()


@dataclass(frozen=True, kw_only=True)
class Section:
    """What a page shows of an answer."""

    topic: str
    """Of :data:`TOPICS`: the name of its template and its files."""
    title: str
    """Of a page of its own."""
    values: Mapping[str, Any]
    """What the template shows."""
    when: str = ""
    """Days or years, for the head of a page of its own."""
    synthetic: bool = False
    credits: tuple[str, ...] = ()
    picture: str = ""
    """File of the picture that stands for it where it is shared."""
    scripts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A folder in the making, in which a section is finished."""

    folder: Path
    language: Language
    pdf: bool
    report: Summary | None = None
    """Of the report that gets the section; None for a folder of its own."""

    def finish(self, section: Section, figures: D, files: Mapping[str, str]) -> D:
        """Write page and figures of an answer whose other files lie in the folder; returns the figures, with their files.

        Parameters
        ----------
        files
            Name to what it holds.
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
        """Put a section between its marks: no text of a page can hold such marks, for all are escaped."""
        made = environment(self.language).get_template(f"sections/{name}.html").render(**values, tell=self.language)
        before, opened, rest = html.partition(f"<!-- section:{name} -->")
        _, closed, after = rest.partition(f"<!-- /section:{name} -->")
        return f"{before}{opened}\n{made}{closed}{after}"


def report_of(folder: Path) -> Summary:
    """Read the figures of a report that can get sections.

    Raises
    ------
    OutputError
        It is none, or an older version made it.
    """
    if not folder.is_dir():
        raise OutputError(f"{folder}: is no folder on this disk; name that of a report by `howgreen city`")
    try:
        found = msgspec.json.decode((folder / SUMMARY).read_bytes(), type=Summary)
        marked = "<!-- section:nrr -->" in (folder / REPORT_PAGE).read_text(encoding="utf-8")
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise OutputError(f"{folder}: is not a report; make one with `howgreen city`") from error
    if not marked:
        raise OutputError(f"{folder}: was made by an older version; make it anew with `howgreen city`")
    return found


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Sections of an earlier report that belong to the one in the making too."""

    folder: Path
    """Of the earlier report."""
    sections: Mapping[str, tuple[str, ...]]
    """Topic to its files."""
    files: Mapping[str, str]
    """Name to what it holds."""

    def link(self, folder: Path) -> None:
        """Put their files into the new folder."""
        for name in self.files:
            for one in _with_companions(name):
                if (self.folder / one).exists():
                    link(self.folder / one, folder / one)

    def into(self, html: str) -> str:
        """Put them into the new page, as they stood in the earlier one."""
        if self.sections:
            earlier = (self.folder / REPORT_PAGE).read_text(encoding="utf-8")
            for name in self.sections:
                mark, end = f"<!-- section:{name} -->", f"<!-- /section:{name} -->"
                section = earlier.partition(mark)[2].partition(end)[0]
                html = html.replace(f"{mark}{end}", f"{mark}{section}{end}")
        return html


def kept(out: str | Path, found: Mapping[str, Any], plan_json: str | None) -> Kept:
    """Find the sections of a report that is about to be replaced that go on being true: of the same limits, in the same language.

    People are counted around the green of one map, so theirs is kept beside the same plan only. A folder that was altered since, or
    that another version made, keeps none.

    Parameters
    ----------
    found
        Values of the summary that takes its place.
    plan_json
        Text of its plan.
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
    """Whether two reports are of the same limits, in the same language, by the same version."""
    city, now = earlier.city, found["city"]
    return (
        (city.id, city.crs, tuple(city.bounds)) == (now["id"], now["crs"], tuple(now["bounds"]))
        and earlier.zone_area_m2 == found["zone_area_m2"]
        and (earlier.language, earlier.howgreen) == (found["language"], found["howgreen"])
    )


def sections_there(out: str | Path) -> dict[str, str | None]:
    """Return the figures of each section of the report that a folder of this disk holds; none where it holds no report."""
    earlier = None if is_url(out) else _earlier(Path(out))
    topics = () if earlier is None else tuple(earlier.sections)
    return {topic: _text(Path(out) / _figures_of(topic)) for topic in topics}


def check_sections(out: str | Path, known: Mapping[str, str | None]) -> None:
    """Refuse to replace a report that got a section after :func:`sections_there` was asked."""
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
    """Name a file and what may lie beside it: names of classes, and a style for QGIS."""
    return name, f"{name}.aux.xml", f"{name.removesuffix('.tif')}.qml"


@contextmanager
def opened(destination: Destination, topic: str, *, progress: Progress | None = None) -> Iterator[Desk]:
    """Give a folder to fill with an answer; it appears whole, or the report stays as it was.

    Raises
    ------
    OutputError
        As :func:`howgreen.report._delivery.new_target`, and :func:`report_of`; or the report has another plan than it had.
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
    """List the files that an earlier section of this topic has put into a report."""
    return report.sections.get(topic, ())
