"""ONNX Runtime, loaded so that it does what it is asked and nothing else."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any


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
