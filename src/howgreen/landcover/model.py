"""Models: one ONNX file each, with its card inside, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import MissingBandsError, ModelError, PlanError
from howgreen.core.models import ModelCard, is_water
from howgreen.core.onnx_runtime import error_line, open_session, runtime_errors
from howgreen.core.text import closest
from howgreen.core.warnings import Caution
from howgreen.landcover import _library, _onnxfile, contract
from howgreen.landcover.card import card_from_json
from howgreen.landcover.contract import INPUT, OUTPUTS, UNCERTAINTY

if TYPE_CHECKING:
    import onnxruntime

    from howgreen.core.types import City, Plan, Scene

FloatArray = npt.NDArray[np.float32]

CHOSEN_FROM = ("mixture-10", "mixture-6", "mixture-4", "ndvi")
"""Models to choose from if none is named, in order of preference."""
FOR_RADAR = ("radar-4", "radar-2")
"""The same for radar alone: the first needs several acquisitions."""
SHIPPED = (*CHOSEN_FROM, "unet-10", *FOR_RADAR)
STRIP_PX = 16_384
"""Pixels per call of a pixel model."""
ROUNDING = 1e-3
"""How far rounding may carry a share out of 0-1, as half precision inside a graph does."""
FAR_KM = 100.0
"""A local model used further away meets other ground, soils and light."""
FAR_DAYS = 45
"""This many days later in the year, the same plants look different."""
KM_PER_DEGREE = 111.2
SAME_RESOLUTION = 1.25
"""Pixel sizes that differ by a smaller factor count as equal."""
_FOLDER = Path(__file__).parent / "models"


class Prediction(NamedTuple):
    """A network's prediction for a tile, unchecked: :func:`validate` is called where the valid pixels are known."""

    probability: FloatArray
    """(N, K, H, W)."""
    green_fraction: FloatArray
    """(N, 1, H, W)."""
    green_uncertainty: FloatArray | None
    """(N, 1, H, W) standard error of the green fraction; None if the network does not predict it."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that runs here, in other threads and, pickled, in other processes."""

    card: ModelCard
    path: Path
    sha256: str
    """Of the file's bytes."""
    content: bytes = field(repr=False, compare=False)
    """The file's bytes, so that a worker elsewhere needs no copy of the file."""

    def run(self, reflectance: FloatArray) -> Prediction:
        """Predict for reflectance (N, C, H, W).

        Raises
        ------
        ModelError
            The network rejects such an input, or its output has another shape.
        """
        # A pixel model runs one strip at a time, which keeps its intermediate layers in the core's own cache.
        height, width = reflectance.shape[2:]
        rows = height if self.card.looks_around or self.tiles_only else max(1, STRIP_PX // max(width, 1))
        if rows >= height:
            return self._run(reflectance)
        parts = [self._run(np.ascontiguousarray(reflectance[:, :, top : top + rows])) for top in range(0, height, rows)]
        uncertainty = [part.green_uncertainty for part in parts if part.green_uncertainty is not None]
        return Prediction(
            probability=np.concatenate([part.probability for part in parts], axis=2),
            green_fraction=np.concatenate([part.green_fraction for part in parts], axis=2),
            green_uncertainty=np.concatenate(uncertainty, axis=2) if uncertainty else None,
        )

    def _run(self, reflectance: FloatArray) -> Prediction:
        outputs = [*OUTPUTS, UNCERTAINTY] if self.has_uncertainty else list(OUTPUTS)
        try:
            arrays = session_of(self).run(outputs, {INPUT: reflectance})
        except runtime_errors() as error:
            raise ModelError(f"model {self.path}: cannot run on {reflectance.shape}: {error_line(error)}") from error
        count, _, *size = reflectance.shape
        shapes = [(count, len(self.card.classes), *size), (count, 1, *size), (count, 1, *size)][: len(arrays)]
        if [array.shape for array in arrays] != shapes:
            actual = " and ".join(str(array.shape) for array in arrays)
            raise ModelError(
                f"model {self.path}: its answer for {reflectance.shape} has other pixels or classes: {actual}; export it again"
            )
        probability, fraction, *uncertainty = arrays
        return Prediction(probability, fraction, uncertainty[0] if uncertainty else None)

    @property
    def has_uncertainty(self) -> bool:
        """Whether the network predicts the standard error of each pixel's green fraction."""
        return any(node.name == UNCERTAINTY for node in session_of(self).get_outputs())

    @property
    def tiles_only(self) -> bool:
        """Whether the network accepts only whole tiles of the card's size."""
        shape = session_of(self).get_inputs()[0].shape
        return any(isinstance(side, int) for side in shape[2:])


def validate(shares: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_] | None, *, source: str) -> None:
    """Check that predicted shares are finite and 0-1 on valid pixels; rounding errors are clipped in place.

    Parameters
    ----------
    shares
        Shares predicted by a network, pixel axes last.
    seen
        Valid pixels, None for all; the others may hold anything.
    source
        The model's file, for the error.

    Raises
    ------
    ModelError
        Not a number, or further outside 0-1 than by rounding.
    """
    if shares.size == 0 or (shares.min() >= 0 and shares.max() <= 1):  # the usual case; NaN fails both comparisons
        return
    counted = shares if seen is None else shares[..., seen]
    wrong = ~np.isfinite(counted)
    if wrong.any():
        pixels = int(wrong.any(axis=0).sum())
        raise ModelError(f"model {source}: its answer is not a number at {pixels} of {_pixels(counted)} pixels of a tile; "
                         "guard its divisions and logarithms, and export it again")  # fmt: skip
    if counted.size and (counted.min() < -ROUNDING or counted.max() > 1 + ROUNDING):
        raise ModelError(f"model {source}: its answers reach from {counted.min():.3g} to {counted.max():.3g}, and shares "
                         "are 0-1; end its graph with a softmax or a clip, and export it again")  # fmt: skip
    np.clip(shares, 0, 1, out=shares)


def _pixels(shares: npt.NDArray[Any]) -> int:
    return int(np.prod(shares.shape[1:]))


_sessions: dict[str, onnxruntime.InferenceSession] = {}
_sessions_lock = Lock()


def session_of(model: Model) -> onnxruntime.InferenceSession:
    """Get the ONNX Runtime session that runs a model in this process."""
    return _session(model.sha256, model.content, model.card, str(model.path))


def _session(sha256: str, content: bytes, card: ModelCard, source: str) -> onnxruntime.InferenceSession:
    """One session per process and file: sessions are thread-safe, but cannot be pickled."""
    with _sessions_lock:
        if sha256 not in _sessions:
            _sessions[sha256] = open_session(content, looks_around=card.looks_around, source=source)
        return _sessions[sha256]


def load_model(name_or_path: str | Path) -> Model:
    """Load a shipped model by name (``mixture-10``), an added one by its name, or any ONNX file by path.

    Raises
    ------
    ModelError
        Unknown name, unreadable file, missing or broken card, or a network that breaks the contract.
    """
    name = str(name_or_path)
    added = None if name in SHIPPED else _library.entry(name)
    if added is not None:
        return _added(added)
    if "://" in name:
        from howgreen.net.http import redact_url

        raise ModelError(f"model {redact_url(name)}: fetch it first with `howgreen models add URL`, then use its name")
    path = _FOLDER / f"{name}.onnx" if name in SHIPPED else Path(name_or_path)
    try:
        content = _onnxfile.read_file(path)
    except ModelError:
        raise
    except (OSError, ValueError) as error:
        near = closest(str(name), [*SHIPPED, *_library.names()])
        meant = f"did you mean {near[0]}? It is " if near else ""
        raise ModelError(
            f"model {name!r}: {meant}neither a shipped or added model ({', '.join([*SHIPPED, *_library.names()])}) nor a file "
            f"that can be read ({_onnxfile.why(error)}); `howgreen models list` shows those that are here"
        ) from error
    return model_from(content, path=path, source=str(path))


def model_from(content: bytes, *, path: Path, source: str) -> Model:
    """Read a model from a file's bytes; errors name ``source``. ModelError as for :func:`load_model`."""
    card = card_of(content, source=source)
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        contract.check(_session(sha256, content, card, source), card, source=source)
    except UnicodeDecodeError as error:
        raise ModelError(f"model {source}: has names that are no text in UTF-8; export it anew") from error
    return Model(card=card, path=path, sha256=sha256, content=content)


def card_of(content: bytes, *, source: str) -> ModelCard:
    """Read the card inside a file's bytes. ModelError if there is none."""
    return card_from_json(_onnxfile.card_text(content, source=source), source=source)


def _added(entry: _library.Entry) -> Model:
    """Load a model of the user's library; plans and reports use its name there."""
    again = f"add it again with `howgreen models add {entry.source} --name {entry.name} --replace`"
    try:
        content = _onnxfile.read_file(entry.path)
    except OSError as error:
        raise ModelError(
            f"model {entry.name}: its file {entry.path} cannot be read ({error.strerror}); {again}"
        ) from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ModelError(f"model {entry.name}: its file {entry.path} was altered since it was added; {again}")
    found = model_from(content, path=entry.path, source=str(entry.path))
    return replace(found, card=replace(found.card, name=entry.name))


def is_known(name: str) -> bool:
    """Tell whether a name is that of a shipped or added model."""
    return name in SHIPPED or _library.entry(name) is not None


def planned_model(name: str, *, sha256: str) -> Model:
    """Load the model of a plan: by its name, else the local one with the same bytes under another name.

    Raises
    ------
    PlanError
        It is not available, or no longer the same.
    """
    try:
        found = load_model(name)
    except ModelError as error:
        fault = f"is not here ({error})"
    else:
        if found.sha256 == sha256:
            return found
        fault = f"its file is not the one that the plan was made with (sha256 {found.sha256[:12]}, not {sha256[:12]})"
    for other in (*SHIPPED, *_library.names()):
        with suppress(ModelError):
            if (same := load_model(other)).sha256 == sha256:
                return same
    raise PlanError(f"model {name}: {fault}; add the one with sha256 {sha256[:12]}, or make a new plan")


def models() -> list[Model]:
    """Load the shipped reflectance models that are chosen from by default, the preferred first."""
    return [load_model(name) for name in CHOSEN_FROM]


def radar_models() -> list[Model]:
    """Load the shipped radar-only models, the preferred first."""
    return [load_model(name) for name in FOR_RADAR]


def default_model(bands: Collection[str]) -> str:
    """Name the preferred shipped model among those whose bands are all available.

    Raises
    ------
    MissingBandsError
        No shipped model works with these bands.
    """
    cards = []
    for name in (*CHOSEN_FROM, *FOR_RADAR):
        cards.append(load_model(name).card)
        if set(cards[-1].bands) <= set(bands):
            return cards[-1].name
    needs = "; ".join(f"{card.name} needs {', '.join(card.bands)}" for card in cards)
    raise MissingBandsError(f"bands {', '.join(sorted(bands)) or 'none'}: no shipped model fits them: {needs}")


def require_bands(card: ModelCard, bands: Collection[str], *, what: str) -> None:
    """Check that ``what`` ("the images", "table x.csv") has all bands of a card.

    Raises
    ------
    MissingBandsError
        The message says what is missing, what is available, and which shipped model would fit.
    """
    missing = [band for band in card.bands if band not in bands]
    if not missing:
        return
    there = ", ".join(bands) or "no band"
    try:
        cure = f"--model {default_model(bands)} would fit"
    except MissingBandsError:
        cure = "no shipped model does with less"
    raise MissingBandsError(f"model {card.name}: {what} lack {', '.join(missing)} (there: {there}); {cure}")


def elsewhere(card: ModelCard, *, city: City, scenes: Sequence[Scene]) -> str:
    """Say how far a local model is from home in place, season and satellite; empty if it is at home."""
    if not card.learned_from:
        return ""
    faults = []
    apart_km = min(_apart_km(image.bounds, city.boundary.bounds) for image in card.learned_from)
    if apart_km > FAR_KM:
        faults.append(f"{apart_km:,.0f} km from the place that it was made for")
    taught = [date.fromisoformat(image.day) for image in card.learned_from if image.day]
    late = [
        scene for scene in scenes if taught and min(_days_apart(scene.time.date(), day) for day in taught) > FAR_DAYS
    ]
    if 2 * len(late) > len(scenes):
        days = ", ".join(f"{day:%d %B}" for day in taught)
        faults.append(
            f"in another season (it learned from images of {days}; most used here are more than {FAR_DAYS} days away)"
        )
    sensors = {image.sensor for image in card.learned_from}
    other = sorted({scene.sensor for scene in scenes} - sensors)
    if other:
        faults.append(f"on images of {', '.join(other)} (it learned from {', '.join(sorted(sensors))})")
    return "; ".join(faults)


def _apart_km(one: Sequence[float], other: Sequence[float]) -> float:
    """Distance in km between two boxes in degrees, on a sphere; 0 if they touch."""
    south, north = max(one[1], other[1]), min(one[3], other[3])
    north_south = max(south - north, 0.0)
    gaps = [max(a[0] - b[2], 0.0) for a, b in ((one, other), (other, one))]
    round_the_back = max(360 - (max(one[2], other[2]) - min(one[0], other[0])), 0.0)
    east_west = min(max(gaps), round_the_back)
    middle = math.radians((one[1] + one[3] + other[1] + other[3]) / 4)
    return KM_PER_DEGREE * math.hypot(north_south, east_west * math.cos(middle))


def _days_apart(one: date, other: date) -> int:
    """Days between two days of the year, whatever the year."""
    apart = abs(one.timetuple().tm_yday - other.timetuple().tm_yday)
    return min(apart, 365 - apart)


def for_plan(model: Model, plan: Plan) -> Model:
    """Remove the interval of a model used far from home: the reference error of its own place holds only there."""
    if model.card.reference_error is None or not elsewhere(model.card, city=plan.city, scenes=plan.scenes):
        return model
    return replace(model, card=replace(model.card, reference_error=None))


def model_warnings(
    card: ModelCard, *, resolution_m: float, city: City | None = None, scenes: Sequence[Scene] = ()
) -> Iterator[Caution]:
    """Yield doubts about a model on a city's images with pixels of ``resolution_m`` metres; empty if it fits them."""
    far = elsewhere(card, city=city, scenes=scenes) if city else ""
    if far:
        text = f"model {card.name} is used {far}: what it says there was never checked, and there is no interval"
        yield Caution("model-elsewhere", text)
    larger = max(card.resolution_m, resolution_m) / min(card.resolution_m, resolution_m)
    if larger >= SAME_RESOLUTION:
        yield Caution(
            "model-other-pixels",
            f"model {card.name} was made for pixels of {card.resolution_m:g} m and is used on {resolution_m:g} m, on which "
            "it was not scored",
        )
    if not any(is_water(cls) for cls in card.classes):
        text = f"model {card.name} has no class water: rivers and lakes count as land"
        yield Caution("model-blind-to-water", text)
