"""A job's process that measures nothing and is quick: the same orders, words, locks and folders as the real one.

Started by a worker, or, with settings as JSON, as a server whose jobs are these.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
import time
from pathlib import Path

STEPS = 6


def work(question, settings, tell):
    """Take some steps, each kept, then write a folder whose files tell whether they are whole."""
    from howgreen.core.files import folder_lock, write_atomic
    from howgreen.web.serve.child import in_place
    from howgreen.web.serve.results import PLACE, row_of

    if os.environ.get("STANDIN_FAULT"):
        fault(os.environ["STANDIN_FAULT"], settings, tell)
    folder = settings.results / hashlib.sha256(f"{question.key}".encode()).hexdigest()
    mine = settings.scratch / "questions" / question.key
    mine.mkdir(parents=True, exist_ok=True)
    with folder_lock(mine):
        note(settings, "begin", question.key)
        with (mine / "witness").open("w") as witness:
            try:
                fcntl.flock(witness, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                note(settings, "overlap", question.key)
            tell("date", {"date": "2024-06-05", "clear": 1.0, "taken": True, "bytes": 1})
            if not (folder / PLACE).is_file():
                for step in range(STEPS):
                    kept = mine / f"{step}.npy"
                    if not kept.exists():
                        time.sleep(float(os.environ.get("STANDIN_STEP_S", "0.05")))
                        write_atomic(kept, f"{step}")
                    tell("progress", {"stage": "reading images", "done": step + 1, "of": STEPS, "percent": 15 * step})
                with in_place(folder, settings) as made:
                    made.mkdir()
                    for number in range(4):
                        body = hashlib.sha256(f"{question.key}{number}".encode()).digest() * 4000
                        (made / f"{hashlib.sha256(body).hexdigest()}.bin").write_bytes(body)
                        time.sleep(0.01)
                    (made / PLACE).write_text(json.dumps(question.place))
                    summary = {"green_ratio": 0.5, "period": {"start": "2024-05-01", "end": "2024-09-30"}}
                    (made / "summary.json").write_text(json.dumps(summary))
                note(settings, "wrote", question.key)
        return row_of(folder, language=question.language)


def fault(kind, settings, tell):
    """Go wrong in one of the ways in which a process can."""
    import errno
    import signal

    from howgreen.core.errors import NoImageError, OutputError
    from howgreen.web.serve.child import in_place

    if kind == "full":
        with in_place(settings.results / ("f" * 64), settings) as made:
            made.mkdir()
            (made / "half").write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(made / "summary.json"))
    if kind == "no room":
        raise OutputError(
            f"{settings.scratch}/.result-x/f: needs about 48 MiB while it is written; name another folder"
        )
    if kind == "memory":
        raise MemoryError
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "broken":
        raise RuntimeError("a defect")
    if kind == "no image":
        raise NoImageError(f"{settings.data}/store/a.tif: has no image; use another --period")
    if kind == "silent":
        time.sleep(3600)
    if kind == "endless line":
        tell("note", {"text": "x" * 3_000_000})


def note(settings, what, key):
    """Add a line to a record that outlives everybody."""
    handle = os.open(settings.data / "record", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{what} {key} {time.time():.6f}\n".encode())
    os.close(handle)


def is_whole(folder: Path) -> bool:
    """Tell whether all files are there as they were written."""
    bodies = list(folder.glob("*.bin"))
    return len(bodies) == 4 and all(hashlib.sha256(path.read_bytes()).hexdigest() == path.stem for path in bodies)


async def nothing(scope, receive, send):
    """Answer every request with nothing."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    if sys.argv[1] in ("serve", "serve real jobs"):
        from howgreen.web.serve.child import decode
        from howgreen.web.serve.server import serve
        from howgreen.web.serve.settings import Settings
        from howgreen.web.serve.worker import CHILD

        serve(
            decode(sys.argv[2].encode(), Settings),
            lambda *_: nothing,
            child=(sys.executable, __file__) if sys.argv[1] == "serve" else CHILD,
            listening=lambda url: print(url, flush=True),  # noqa: T201 (whoever started it waits for that)
        )
    else:
        from howgreen.web.serve import child

        child.SILENT_S = float(os.environ.get("STANDIN_SILENT_S", "25"))
        sys.exit(child.main(sys.argv[1:], work))
