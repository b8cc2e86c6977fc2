"""Models: one ONNX file each, with its card inside, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from howgreen.errors import MissingBandsError, ModelError
from howgreen.landcover.card import METADATA_KEY, card_from_json
from howgreen.types import ModelCard

if TYPE_CHECKING:
    import onnxruntime

FloatArray = npt.NDArray[np.float32]

INPUT = "reflectance"
OUTPUTS = ("probability", "green_fraction")

SHIPPED = ("mixture-10", "mixture-4", "ndvi")
"""In the order of preference."""
STRIP_PX = 8192
"""Pixels that a pixel model is run on at once."""
_FOLDER = Path(__file__).parent / "models"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that can be run here, in another thread and, pickled, in another process."""

    card: ModelCard
    path: Path
    sha256: str
    """Of the file's bytes."""
    content: bytes = field(repr=False, compare=False)
    """The file's bytes, so that a worker elsewhere needs no copy of the file."""

    def run(self, reflectance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probability (N, K, H, W) and green fraction (N, 1, H, W) of reflectance (N, C, H, W), 0-1, no NaN.

        Raises
        ------
        ModelError
            The network cannot take such an input.
        """
        session = _session(self.sha256, self.content, str(self.path))
        try:
            probability, fraction = self._in_parts(session, reflectance)
        except _runtime_errors() as error:
            raise ModelError(f"model {self.path}: cannot run on {reflectance.shape}: {_line(error)}") from error
        wanted = (reflectance.shape[0], *reflectance.shape[2:])
        if any((found.shape[0], *found.shape[2:]) != wanted for found in (probability, fraction)):
            raise ModelError(f"model {self.path}: its answer for {reflectance.shape} has other pixels; export it again")
        return probability, fraction

    def _in_parts(
        self, session: onnxruntime.InferenceSession, reflectance: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """A pixel model a strip at a time: what is between its layers then stays in the core's own cache."""
        rows = max(1, STRIP_PX // max(reflectance.shape[3], 1))
        height = reflectance.shape[2]
        free = not isinstance(session.get_inputs()[0].shape[2], int)
        if self.card.halo_px or not free or rows >= height:
            return tuple(session.run(list(OUTPUTS), {INPUT: reflectance}))
        parts = [
            session.run(list(OUTPUTS), {INPUT: np.ascontiguousarray(reflectance[:, :, top : top + rows])})
            for top in range(0, height, rows)
        ]
        probability, fraction = (np.concatenate(found, axis=2) for found in zip(*parts, strict=True))
        return probability, fraction


_sessions: dict[str, onnxruntime.InferenceSession] = {}
_sessions_lock = Lock()


def _session(sha256: str, content: bytes, source: str) -> onnxruntime.InferenceSession:
    """One session a process and file: sessions are thread-safe, and cannot be pickled."""
    with _sessions_lock:
        if sha256 not in _sessions:
            _sessions[sha256] = _open(content, source)
        return _sessions[sha256]


def _open(content: bytes, source: str) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Dask's threads do the parallel work; threads inside threads only wait for each other.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong comes back as an error, not as text on the terminal
    try:
        return onnxruntime.InferenceSession(content, sess_options=options, providers=["CPUExecutionProvider"])
    except _runtime_errors() as error:
        raise ModelError(f"model {source}: not a model that ONNX Runtime reads: {_line(error)}") from error


def _runtime_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def load_model(name_or_path: str | Path) -> Model:
    """A shipped model by name (``mixture-10``) or any ONNX file by path.

    Raises
    ------
    ModelError
        Unknown name, unreadable file, a card that is missing or broken, or a network that breaks the contract.
    """
    path = _FOLDER / f"{name_or_path}.onnx" if str(name_or_path) in SHIPPED else Path(name_or_path)
    try:
        content = path.read_bytes()
    except OSError as error:
        known = ", ".join(SHIPPED)
        raise ModelError(
            f"model {str(name_or_path)!r}: neither a shipped model ({known}) nor a file that can be read "
            f"({error.strerror}); `howgreen models list` shows the shipped ones"
        ) from error
    sha256 = hashlib.sha256(content).hexdigest()
    session = _session(sha256, content, str(path))
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ModelError(f"model {path}: no card in its metadata (key {METADATA_KEY!r}); export it with a card")
    card = card_from_json(text, source=str(path))
    _check(session, card, path)
    return Model(card=card, path=path, sha256=sha256, content=content)


def _check(session: onnxruntime.InferenceSession, card: ModelCard, path: Path) -> None:
    """All that the contract asks of a network, at once."""
    faults = []
    inputs, outputs = session.get_inputs(), {node.name: node for node in session.get_outputs()}
    if [node.name for node in inputs] != [INPUT]:
        faults.append(f"inputs {[node.name for node in inputs]}, not [{INPUT!r}]")
    else:
        faults += _faults_of(inputs[0], channels=len(card.bands), what="bands")
    for name, channels, what in ((OUTPUTS[0], len(card.classes), "classes"), (OUTPUTS[1], 1, "green fraction")):
        if name in outputs:
            faults += _faults_of(outputs[name], channels=channels, what=what)
        else:
            faults.append(f"no output {name!r}")
    if card.tile_px < card.stride_px + 2 * card.halo_px:
        faults.append(f"tile_px {card.tile_px} is less than stride_px {card.stride_px} + 2 * halo_px {card.halo_px}")
    if faults:
        raise ModelError(f"model {path}: breaks the contract: {'; '.join(faults)}")


def _faults_of(node: Any, *, channels: int, what: str) -> list[str]:
    faults = []
    if node.type != "tensor(float)":
        faults.append(f"{node.name} is {node.type}, not tensor(float)")
    if len(node.shape) not in (0, 4):
        faults.append(f"{node.name} has {len(node.shape)} dimensions, not 4 (N, C, H, W)")
    elif len(node.shape) == 4 and isinstance(node.shape[1], int) and node.shape[1] != channels:
        faults.append(f"{node.name} has {node.shape[1]} channels where the card has {channels} ({what})")
    return faults


def models() -> list[Model]:
    """The shipped models, the preferred first."""
    return [load_model(name) for name in SHIPPED]


def default_model(bands: Collection[str]) -> str:
    """Name of the preferred shipped model among those whose bands are all there.

    Raises
    ------
    MissingBandsError
        No shipped model can do with these bands.
    """
    for model in models():
        if set(model.card.bands) <= set(bands):
            return model.card.name
    needs = "; ".join(f"{model.card.name} needs {', '.join(model.card.bands)}" for model in models())
    raise MissingBandsError(f"bands {', '.join(sorted(bands)) or 'none'}: no shipped model fits them: {needs}")


def require_bands(card: ModelCard, bands: Collection[str], *, what: str) -> None:
    """Check that ``what`` ("the images", "table x.csv") has all bands of a card.

    Raises
    ------
    MissingBandsError
        Says what is missing, what is there, and which shipped model would fit.
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
