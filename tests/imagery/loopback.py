"""A file server on the loopback that knows ranges and fails as it is told to.

It runs in a process of its own: GDAL opens files while it holds Python's lock, so a thread could not answer it.
"""

import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

FAULTS = {
    "none": lambda handler, n: False,
    "busy at first": lambda handler, n: n in (1, 3) and handler.refuse(429, Retry_After="0"),
    "out of order at first": lambda handler, n: n in (1, 2, 4) and handler.refuse(503),
    "never in order": lambda handler, n: handler.refuse(500),
    "hangs": lambda handler, n: time.sleep(1.5),
    "cut short": lambda handler, n: handler.headers.get("Range") and handler.hand_out(cut=100),
    "shorter than asked": lambda handler, n: handler.headers.get("Range") and handler.hand_out(short=100),
    "hangs up": lambda handler, n: handler.hang_up(),
    "gone": lambda handler, n: handler.refuse(404),
    "wants the second token": lambda handler, n: "sig=secret2" not in handler.path and handler.refuse(403),
}


class Files:
    """The server, as a test has it."""

    def __init__(self, root):
        self.root = Path(root)
        self.process = subprocess.Popen([sys.executable, __file__, str(root)], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def fail(self, fault):
        """From now on; requests are counted from 1 again."""
        urlopen(f"{self.url}/_fault/{list(FAULTS).index(fault)}", timeout=5).close()

    def close(self):
        self.process.terminate()
        self.process.wait(5)
        self.process.stdout.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root = Path()
    state = {"fault": "none", "count": 0}  # noqa: RUF012

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        if self.path.startswith("/_fault/"):
            self.state |= {"fault": list(FAULTS)[int(self.path.rpartition("/")[2])], "count": 0}
            return self.refuse(204)
        self.state["count"] += 1
        return FAULTS[self.state["fault"]](self, self.state["count"]) or self.hand_out()

    def refuse(self, status, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        return True

    def hang_up(self):
        self.close_connection = True
        return True

    def hand_out(self, *, cut=None, short=None):
        path = self.root / self.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            return self.refuse(404)
        data = path.read_bytes()
        asked = self.headers.get("Range")
        first, last = 0, len(data) - 1
        if asked:
            low, _, high = asked.removeprefix("bytes=").partition("-")
            first, last = int(low), min(int(high or last), last)
            if first >= len(data):
                return self.refuse(416)
        part = data[first : last + 1][:short]
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(part[:cut])
            self.close_connection = cut is not None
        return True


if __name__ == "__main__":
    Handler.root = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)  # noqa: T201
    server.serve_forever()
