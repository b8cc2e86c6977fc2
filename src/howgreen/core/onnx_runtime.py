"""ONNX Runtime, loaded so that it does what it is asked and nothing else."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

from howgreen.core.errors import ModelError


@cache
def load_runtime() -> Any:
    """Import ONNX Runtime with its telemetry off: from version 1.32 on it writes an id of the device and asks for a host.

    The environment counts when the library is loaded, so it is set before; the call counts where somebody else has loaded
    it already. Every use of the library comes through here.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return sys.modules["onnxruntime"]


def runtime_errors() -> tuple[type[Exception], ...]:
    """List all that ONNX Runtime raises; no class of its own stands above them."""
    load_runtime()
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, UnicodeDecodeError)  # the latter where a message quotes a name that is no text


def error_line(error: Exception) -> str:
    """Return what ONNX Runtime says on one line."""
    return " ".join(str(error).split())[:200]


def open_session(content: bytes, *, looks_around: bool, source: str) -> Any:
    """Open a session that runs a graph on this process's own threads. ModelError when it is none, which names ``source``.

    Parameters
    ----------
    looks_around
        Whether neighbouring pixels decide, by convolutions or pooling.
    """
    onnxruntime = load_runtime()
    options = onnxruntime.SessionOptions()
    if not looks_around:
        # The last level lays channels out for convolutions that look around; those of single pixels, which are plain
        # products of matrices, take a third longer in it.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    # Dask's threads do the parallel work; threads inside threads only wait for each other.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Never another format, which knows less checks; and no library of custom operators is ever registered.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4  # what goes wrong comes back as an error, not as text on the terminal
    try:
        # Without a fallback, which would print what went wrong and try the same again.
        return onnxruntime.InferenceSession(
            content, sess_options=options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except runtime_errors() as error:
        raise ModelError(f"model {source}: not a model that ONNX Runtime reads: {error_line(error)}") from error
