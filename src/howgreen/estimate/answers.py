"""People's answers, read from tables and checked against the sample given out.

One row is one look of one reader at one unit: the number of its dots on each kind of ground. Dots outside the limits
are not asked for, so a unit cut by the limits has fewer. If a whole unit was assigned one kind, all its dots count
there.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import EstimateError
from howgreen.core.types import HALF_GREEN
from howgreen.estimate._returned import POINT_FILES, Rows, is_collect_earth, read_acatama, read_collect_earth
from howgreen.estimate._units import check_row, design_of, read_units, rows_of

if TYPE_CHECKING:
    from howgreen.estimate.sample import Sample

GREEN_KINDS = ("tree", "shrub", "grass", "crop")
COUNTED = {
    "vegetation": GREEN_KINDS,
    "vegetation-without-cropland": ("tree", "shrub", "grass"),
    "canopy": ("tree",),
}
"""Kinds that count as green, for each definition (keys of :data:`howgreen.core.words.COUNTED`)."""
LAND_KINDS = (*GREEN_KINDS, "bare", "built")
KINDS = (*LAND_KINDS, "water", "unknown")
"""Possible kinds of a dot; ``unknown`` is "cannot tell"."""
COLUMNS = ("unit", "sample", "reader", "time", *KINDS, "pattern")
LETTERS = dict(zip("tsgcbuwx", KINDS, strict=True))
"""Key, and letter in a pattern, of each kind."""
CHANGE_LETTERS = {"l": "lost", "g": "gained", "k": "kept", "n": "neither", "x": "unknown"}
"""The same for two dates: green on the first only, on the second only, on both, on neither."""
CHANGED_KINDS = ("lost", "gained")
GOLD = "gold"
"""Reader name of an agreed answer."""
LARGEST_FILE_BYTES = 20_000_000
LONGEST_NAME = 60
_SEPARATOR = re.compile(r"\Asep=.\r?\n")
"""A first line that tells Excel the column separator."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One look of one reader at one unit."""

    unit: int
    reader: str
    dots: Mapping[str, int]
    """Dots by kind; at least one in total."""
    time: str = ""
    """ISO 8601, UTC."""
    pattern: str = ""
    """The dots one by one, a letter of :data:`LETTERS` each, ``-`` for one not asked for; empty if only counts are
    known."""

    @property
    def asked(self) -> int:
        """Number of dots asked for."""
        return sum(self.dots.values())

    @property
    def known(self) -> int:
        """Number of dots other than "cannot tell"."""
        return self.asked - self.dots.get("unknown", 0)

    def share(self, kinds: Iterable[str], *, unknown_as: float | None = None) -> float:
        """Return the share of dots of some kinds: of known ones, or of all, with unknown ones as ``unknown_as``."""
        found = sum(self.dots.get(kind, 0) for kind in kinds)
        if unknown_as is None:
            return found / self.known
        return (found + unknown_as * self.dots.get("unknown", 0)) / self.asked


def letters_of(sample: Sample) -> Mapping[str, str]:
    """Return the key of each kind that a sample's dots can be."""
    return LETTERS if sample.change is None else CHANGE_LETTERS


def read_answers(files: Sequence[Path], sample: Sample) -> tuple[Answer, ...]:
    """Read tables of answers (our own, Collect Earth Online's or AcATaMa's) and check each row against the sample.

    Raises
    ------
    EstimateError
        Not such a table; a row of another sample, of a unit that it has not, twice by one reader, with no dots, with
        more dots than were asked, or with something that is no number. The message names file, row and cure.
    """
    answers: dict[tuple[int, str], Answer] = {}
    spelt: dict[str, str] = {}
    for file in files:
        for number, answer in _of_file(file, sample):
            key = answer.unit, answer.reader
            first = spelt.setdefault(" ".join(answer.reader.casefold().split()), answer.reader)
            if first != answer.reader:
                raise EstimateError(
                    f"{file}, row {number}: reader {answer.reader!r} is called {first!r} elsewhere, and one person would count as two; write "
                    "each name in one way"
                )
            if key in answers:
                raise EstimateError(
                    f"{file}, row {number}: unit {answer.unit} was answered by {answer.reader!r} before; leave one of the two out"
                )
            answers[key] = answer
    if not answers:
        raise EstimateError(
            f"{', '.join(map(str, files))}: holds no answers; look at places with `howgreen label` first"
        )
    return tuple(answers.values())


def _of_file(file: Path, sample: Sample) -> Iterator[tuple[int, Answer]]:
    """Read the answers of one file, with their row numbers."""
    kinds = tuple(letters_of(sample).values())
    if file.suffix.lower() in POINT_FILES and (rows := read_units(file)):
        yield from _answers(rows, sample, file)
        return
    if file.suffix.lower() in POINT_FILES:
        for (unit, reader), dots in read_acatama(file, sample, kinds).items():
            yield unit, Answer(unit=unit, reader=reader, dots=dots)
        return
    rows = _rows(file)
    if rows and is_collect_earth([name for name in rows[0][1] if name]):
        told, times = read_collect_earth(rows, sample, file, kinds)
        for (unit, reader), dots in told.items():
            if (count := sum(dots.values())) != (asked := sample.units[unit - 1].asked.count("1")):
                raise EstimateError(f"{file}: place {unit} has {count} of its {asked} dots told; look at it again")
            yield unit, Answer(unit=unit, reader=reader[:LONGEST_NAME], dots=dots, time=times.get(unit, ""))
        return
    yield from _answers(rows, sample, file)


def _answers(rows: Rows, sample: Sample, file: Path) -> Iterator[tuple[int, Answer]]:
    """Read rows of our own table; places without a look are skipped."""
    given = rows_of(sample)
    kinds = (*letters_of(sample).values(), "reader", "pattern")
    design = design_of(sample)
    for number, row in rows:
        where = f"{file}, row {number}"
        if None not in row and _holds_design(row) and not any((row.get(kind) or "").strip() for kind in kinds):
            continue
        answer = _answer(row, sample, where)
        check_row(row, given[answer.unit - 1] | design, where)
        yield number, answer


def _holds_design(row: Mapping[str, str]) -> bool:
    """Tell whether a row comes from the table of units given out, filled in by people."""
    return "stratum" in row


def write_answers(answers: Iterable[Answer], sample: Sample) -> str:
    """Write answers as a table for :func:`read_answers`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = tuple(letters_of(sample).values())
    writer.writerow(("unit", "sample", "reader", "time", *kinds, "pattern"))
    for one in answers:
        writer.writerow(
            [one.unit, sample.key, one.reader, one.time, *(one.dots.get(kind, 0) for kind in kinds), one.pattern]
        )
    return text.getvalue()


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """Yield a table's rows with their number as in a spreadsheet."""
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise EstimateError(
                f"{file}: is larger than any table of answers; give the one that was written by `howgreen label`"
            )
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise EstimateError(f"{file}: cannot be read ({error.strerror}); give a CSV of answers") from error
    except UnicodeDecodeError as error:
        raise EstimateError(f"{file}: is not text in UTF-8; save it as CSV UTF-8") from error
    try:
        text = _SEPARATOR.sub("", text)
        head = text.partition("\n")[0]
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
        names = list(reader.fieldnames or ())
        missing = [name for name in ("unit", "sample", "reader") if name not in names]
        if missing and not is_collect_earth(names):
            raise EstimateError(f"{file}: has no column {missing[0]}; it needs {', '.join(COLUMNS)}")
        return [
            (number, row)
            for number, row in enumerate(reader, start=2)
            if any((value or "").strip() for value in _cells(row))
        ]
    except csv.Error as error:
        raise EstimateError(f"{file}: is no CSV ({error}); save it as CSV UTF-8") from error


def _cells(row: Mapping[str | None, str | list[str] | None]) -> list[str]:
    return [value for value in row.values() if isinstance(value, str)]


def _answer(row: Mapping[str, str], sample: Sample, where: str) -> Answer:
    if None in row:
        raise EstimateError(f"{where}: has more fields than the header; quote names that hold a comma")
    if (row["sample"] or "").strip() != sample.key:
        raise EstimateError(
            f"{where}: belongs to sample {row['sample'] or 'none'!r}, not {sample.key}; give answers to this one"
        )
    unit = _whole(row["unit"], f"{where}, column unit")
    if not 1 <= unit <= len(sample.units):
        raise EstimateError(f"{where}: unit {unit} is none of the sample's {len(sample.units)}; leave the row out")
    reader = (row["reader"] or "").strip()
    if not reader or len(reader) > LONGEST_NAME:
        raise EstimateError(f"{where}: has no reader; write a name of at most {LONGEST_NAME} letters")
    letters = letters_of(sample)
    dots = {kind: _whole(row.get(kind) or "0", f"{where}, column {kind}") for kind in letters.values()}
    total, asked = sum(dots.values()), sample.units[unit - 1].asked.count("1")
    if total != asked:
        raise EstimateError(f"{where}: has {total} dots, and unit {unit} has {asked}; look at it again")
    dots, pattern = {kind: n for kind, n in dots.items() if n}, (row.get("pattern") or "").strip()
    if pattern and dots != counted(pattern, letters):
        raise EstimateError(
            f"{where}: its dots one by one ({pattern[:30]!r}) are not those that it counts; leave the pattern out"
        )
    return Answer(unit=unit, reader=reader, dots=dots, time=(row.get("time") or "").strip(), pattern=pattern)


def counted(pattern: str, letters: Mapping[str, str] = LETTERS) -> dict[str, int]:
    """Count the dots of a pattern by kind; unknown letters are ignored."""
    return {kind: pattern.count(letter) for letter, kind in letters.items() if letter in pattern}


def _whole(text: str, where: str) -> int:
    cleaned = text.strip()
    if not cleaned.isascii() or not cleaned.isdecimal() or len(cleaned) > 9:
        raise EstimateError(f"{where}: {text[:30]!r} is no whole number")
    return int(cleaned)


@dataclass(frozen=True, kw_only=True)
class Readings:
    """Answers sorted into the first reading of each unit, the second, and the agreed answer."""

    first: Mapping[int, Answer]
    """By unit."""
    second: Mapping[int, Answer]
    gold: Mapping[int, Answer]

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of the readers, without agreed answers."""
        return tuple(sorted({one.reader for group in (self.first, self.second) for one in group.values()}))


def in_order(answers: Sequence[Answer]) -> Readings:
    """Separate the first reading of each unit from the second: by time, else by whose reader looked more.

    The order of rows never matters.

    Raises
    ------
    EstimateError
        More than two people read a unit.
    """
    first: dict[int, Answer] = {}
    second: dict[int, Answer] = {}
    gold = {one.unit: one for one in answers if one.reader == GOLD}
    looks = Counter(one.reader for one in answers)
    people = (one for one in answers if one.reader != GOLD)
    for one in sorted(people, key=lambda one: (one.time, -looks[one.reader], one.reader)):
        if one.unit in second:
            raise EstimateError(
                f"unit {one.unit}: was read by three people; two are the most, agreed answers go by the name {GOLD!r}"
            )
        (second if one.unit in first else first)[one.unit] = one
    return Readings(first=first, second=second, gold=gold)


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of two readers on units that both read."""

    units: int
    kappa: float
    """Cohen's kappa of "at least half green"; NaN if disagreement was impossible."""
    kappa_low: float
    kappa_high: float
    mean_difference: float
    """Mean of second - first green share."""
    disagreements: tuple[int, ...]
    """Units whose green shares differ by more than :data:`DISAGREE`."""


DISAGREE = 0.25
"""Difference in the green share of a unit above which readers disagree: more than dots at an edge explain."""


def agreement(readings: Readings, kinds: Sequence[str] = GREEN_KINDS) -> Agreement | None:
    """Compare the two readings of units read twice, by their share of some kinds; None if there are none.

    Kappa's interval is that of Fleiss, Cohen & Everitt (1969) for large samples.
    """
    both = [unit for unit, other in readings.second.items() if readings.first[unit].known and other.known]
    if not both:
        return None
    one = np.array([readings.first[unit].share(kinds) for unit in both])
    two = np.array([readings.second[unit].share(kinds) for unit in both])
    kappa, se = _kappa(one >= HALF_GREEN, two >= HALF_GREEN)
    apart = tuple(unit for unit, a, b in zip(both, one, two, strict=True) if abs(a - b) > DISAGREE)
    return Agreement(
        units=len(both), kappa=kappa, kappa_low=kappa - 1.96 * se, kappa_high=min(kappa + 1.96 * se, 1.0),
        mean_difference=float((two - one).mean()), disagreements=apart,
    )  # fmt: skip


def _kappa(one: npt.NDArray[np.bool_], two: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Compute Cohen's kappa of two binary readings and its standard error."""
    table = np.array([[np.mean(one & two), np.mean(one & ~two)], [np.mean(~one & two), np.mean(~one & ~two)]])
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, chance = float(np.trace(table)), float(rows @ columns)
    if chance >= 1:
        return float("nan"), float("nan")
    kappa = (observed - chance) / (1 - chance)
    a = sum(table[i, i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(2))
    b = (1 - kappa) ** 2 * sum(table[i, j] * (columns[i] + rows[j]) ** 2 for i in range(2) for j in range(2) if i != j)
    c = (kappa - chance * (1 - kappa)) ** 2
    return kappa, float(np.sqrt(max(a + b - c, 0) / len(one)) / (1 - chance))


FEWEST_AGREED = 30
"""Least number of units that two readers interpret together, if that many were read twice: from ten of them, the
estimate free of readers' errors covers 80-92 % where green is rare, and is twice as wide
(``benchmarks/sim_estimate.py``)."""


def to_agree_on(readings: Readings, *, seed: int, kinds: Sequence[str] = GREEN_KINDS) -> tuple[int, ...]:
    """Choose units that two readers interpret together: all disagreements, and at least as many random agreements.

    Agreements are included because two readers may share an illusion. They are at least as many as bring the total to
    :data:`FEWEST_AGREED`.
    """
    found = agreement(readings, kinds)
    if found is None:
        return ()
    apart = set(found.disagreements)
    alike = sorted(unit for unit in readings.second if unit not in apart)
    wanted = min(max(len(apart), FEWEST_AGREED - len(apart)), len(alike))
    drawn = np.random.default_rng(seed).choice(alike, wanted, replace=False).tolist() if alike else []
    return tuple(sorted({*apart, *map(int, drawn)}))
