"""ONNX Runtime, loaded without telemetry, fallbacks or custom operators."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

from howgreen.core.errors import ModelError


@cache
def load_runtime() -> Any:
    """Import ONNX Runtime with its telemetry off: from version 1.32 on it writes a device id and looks up a host.

    The environment variable takes effect when the library loads, so it is set first; the call takes effect if something
    else loaded it already. Every use of the library goes through this function.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return sys.modules["onnxruntime"]


def runtime_errors() -> tuple[type[Exception], ...]:
    """List all exceptions that ONNX Runtime raises; they share no base class of their own."""
    load_runtime()
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, UnicodeDecodeError)  # the latter if a message quotes a name that is not valid text


def error_line(error: Exception) -> str:
    """Return ONNX Runtime's message on one line."""
    return " ".join(str(error).split())[:200]


def open_session(content: bytes, *, looks_around: bool, source: str) -> Any:
    """Open a session that runs a graph on this process's own threads; ModelError, naming ``source``, if it is invalid.

    Parameters
    ----------
    looks_around
        Whether neighbouring pixels matter, through convolutions or pooling.
    """
    onnxruntime = load_runtime()
    options = onnxruntime.SessionOptions()
    if not looks_around:
        # The highest level optimises the channel layout for spatial convolutions; 1×1 convolutions, which are plain
        # matrix products, take a third longer with it.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    # Dask's threads provide the parallelism; nested threads only wait for each other.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Never another format, which is validated less; and no custom operator library is ever registered.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4  # failures are raised as errors, not printed to the terminal
    try:
        # No fallback, which would print the failure and retry the same.
        return onnxruntime.InferenceSession(
            content, sess_options=options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except runtime_errors() as error:
        raise ModelError(f"model {source}: not a model that ONNX Runtime reads: {error_line(error)}") from error
