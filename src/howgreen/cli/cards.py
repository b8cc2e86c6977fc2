"""Model cards as text."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from howgreen.core.models import ModelCard
    from howgreen.landcover import Entry, Model

_WIDTH, _INDENT = 100, 19


def as_json(model: Model, entry: Entry | None) -> dict[str, Any]:
    """Return a whole card, with its file's path and origin, as JSON values."""
    return {
        **asdict(model.card),
        "sha256": model.sha256,
        "path": str(model.path),
        "size_bytes": len(model.content),
        "added": None if entry is None else {"source": entry.source, "time": entry.added},
    }


def in_words(model: Model, entry: Entry | None) -> str:
    """Format a whole card for reading."""
    card = model.card
    lines = [f"{card.name} {card.version}", *_lines(model, entry)]
    lines += ["classes", *_classes(card), "scores", *_scores(card)]
    return "\n".join(lines)


def brief(model: Model, entry: Entry | None) -> str:
    """Summarise what distinguishes models: bands, error, checksum."""
    card = model.card
    error = card.reference_error
    scored = "no reference" if error is None else f"RMSE {error.rmse:.3f}, bias {error.bias:+.3f} on {error.source}"
    words = [
        card.description,
        scored,
        f"sha256 {model.sha256}",
        *([] if entry is None else [f"added from {entry.source}"]),
    ]
    indent = " " * 13
    first = f"{card.name:12s} {card.version:6s} {len(card.bands):2d} bands: {', '.join(card.bands)}"
    return "\n".join([first, *(_folded(text, indent, indent) for text in words)])


def _lines(model: Model, entry: Entry | None) -> Iterator[str]:
    card = model.card
    yield _folded(card.description, "  ", "  ")
    if entry is not None:
        yield _field("its card's name", own_name(model))
    yield _field("bands", ", ".join(card.bands))
    yield _field("pixels", f"{card.resolution_m:g} m")
    reach = f"and its neighbours up to {card.halo_px} away" if card.halo_px else "alone"
    tiles = f"tiles of {card.tile_px} x {card.tile_px}, one every {card.stride_px}"
    blended = f", blended where they share {card.overlap_px}" if card.overlap_px else ""
    yield _field("looks at", f"a pixel {reach}; {tiles}{blended}")
    yield _field("normalisation", card.normalisation)
    yield _field("trained on", card.training_data)
    yield _field("licence", card.licence)
    yield _field("reference", _reference(card))
    yield _field("sha256", model.sha256)
    yield _field("file", f"{model.path} ({len(model.content):,} bytes)")
    if entry is not None:
        yield _field("added", f"{entry.added} from {entry.source}")


def own_name(model: Model) -> str:
    """Return the name inside the file, which may have been added under another."""
    from howgreen.landcover import card_of

    return card_of(model.content, source=str(model.path)).name


def _reference(card: ModelCard) -> str:
    error = card.reference_error
    if error is None:
        return "none: reports show no interval"
    return (
        f"{error.source}: n {error.n}, RMSE {error.rmse:.3f}, MAE {error.mae:.3f}, bias {error.bias:+.3f}, R² {error.r2:.3f}; "
        f"interval of a new place: ± {error.half_width:.3f} at {error.level:.0%} ({error.method})"
        + "".join(
            f"; {place.place}: {place.error:+.3f} ± {place.standard_error:.3f} ({place.n} pixels, {place.clusters} clusters)"
            for place in error.places
        )
    )


def _classes(card: ModelCard) -> Iterator[str]:
    width = max(len(cls.name) for cls in card.classes)
    for cls in card.classes:
        kind = "green" if cls.green else "not green"
        yield f"  {cls.code:3d}  {cls.name:{width}s}  {kind:9s}  {cls.colour} {_swatch(cls.colour)}".rstrip()


def _swatch(colour: str) -> str:
    """Show the colour itself if the terminal has colours; click removes it elsewhere."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return click.style("    ", bg=(red, green, blue)) if sys.stdout.isatty() else ""


def _scores(card: ModelCard) -> Iterator[str]:
    if not card.scores:
        yield "  none"
    width = max((len(name) for name in card.scores), default=0)
    for name, figure in sorted(card.scores.items()):
        yield f"  {name:{width}s}  {figure:g}"


def _field(name: str, text: str) -> str:
    return _folded(text, f"  {name:{_INDENT - 2}s}", " " * _INDENT)


def _folded(text: str, first: str, then: str) -> str:
    """Wrap text to the terminal's width; a card's text may contain line breaks."""
    folded = textwrap.wrap(
        " ".join(text.split()), _WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return "\n".join(folded) or first.rstrip()
