"""First run of an untrusted model on a tile, in a process of its own: bounded in time and memory, and free to crash.

Run as ``python -m howgreen.landcover.first_tile BANDS SIDE MOST_BYTES`` with the model on standard input.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from howgreen.core.errors import ModelError

MOST_BYTES = 2 << 30
"""Memory limit for one tile, without the libraries: the largest shipped model takes a twentieth."""
_TOO_LARGE = 17


def try_first_tile(content: bytes, *, bands: int, side: int, source: str, seconds: float) -> None:
    """Run a model on one tile of zeros; other failures are reported by the next run, in this process.

    Raises
    ------
    ModelError
        It does not end in time, takes too much memory, or crashes the process that runs it.
    """
    command = [sys.executable, "-m", "howgreen.landcover.first_tile", str(bands), str(side), str(MOST_BYTES)]
    tile = f"a tile of {side} x {side} pixels"
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=seconds, check=False)  # noqa: S603 (our own module)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"model {source}: takes more than {seconds:.0f} s for {tile}; make it smaller") from error
    if done.returncode == _TOO_LARGE:
        raise ModelError(
            f"model {source}: takes more than {MOST_BYTES / 2**30:.0f} GiB of memory for {tile}; make it smaller"
        )
    if done.returncode < 0:
        raise ModelError(
            f"model {source}: breaks off the process that runs it (signal {-done.returncode}); export it anew"
        )


def main(arguments: Sequence[str]) -> int:
    """Run the model from standard input on a tile; the exit code reports the outcome."""
    import numpy as np

    from howgreen.core.onnx_runtime import load_runtime
    from howgreen.landcover.contract import INPUT

    bands, side, most_bytes = (int(argument) for argument in arguments)
    content = sys.stdin.buffer.read()
    runtime = load_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    _bound_memory(most_bytes + 2 * len(content))
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        session.run(None, {INPUT: np.zeros((1, bands, side, side), np.float32)})
    except Exception as error:  # noqa: BLE001 (whoever runs it next tells it)
        said = f"{type(error).__name__} {error}".lower()
        return _TOO_LARGE if any(word in said for word in ("alloc", "memory")) else 0
    return 0


def _bound_memory(most_bytes: int) -> None:
    """Let this process allocate this many more bytes; does nothing if the system has no such limit."""
    try:
        import resource
        from pathlib import Path

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        bound = pages * resource.getpagesize() + most_bytes
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
