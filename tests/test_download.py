"""One file from a server that does as it likes: bounded in bytes, time and addresses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from faults import Faults
from howgreen.core.errors import NetworkError
from howgreen.net import http
from howgreen.net.download import download
from howgreen.net.http import RetryPolicy, redact_url

BODY = bytes(range(256)) * 2000
POLICY = RetryPolicy(tries=3, first_wait_s=0.3, total_s=5, attempt_s=1, connect_s=1)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Faults]:
    (tmp_path / "m.onnx").write_bytes(BODY)
    with Faults(root=tmp_path) as server:
        yield server


def fetch(url: str, tmp_path: Path, policy: RetryPolicy = POLICY, **options) -> bytes:
    download(url, to=tmp_path / "got", policy=policy, **({"unprotected": True, "most_bytes": 10**6} | options))
    return (tmp_path / "got").read_bytes()


@contextmanager
def answering(*pieces: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """A server that says exactly these bytes to whoever comes, then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    try:
                        client.recv(65536)
                        for piece in pieces:
                            client.sendall(piece)
                            time.sleep(pause_s)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/m.onnx"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_every_byte_comes_and_progress_is_told(far, tmp_path):
    told: list[tuple[str, int, int]] = []
    assert fetch(f"{far.url}/m.onnx", tmp_path, progress=lambda *step: told.append(step)) == BODY
    assert told[-1] == ("download, MiB", 0, 1)


def test_a_server_that_is_busy_is_asked_again_and_then_not_for_ever(far, tmp_path):
    far.fail("status", status=503, times=2)
    assert fetch(f"{far.url}/m.onnx", tmp_path) == BODY
    far.heal()
    far.fail("status", status=503, headers={"Retry-After": "3600"})
    with pytest.raises(NetworkError, match="HTTP 503"):
        fetch(f"{far.url}/m.onnx", tmp_path)
    assert far.count()["requests"] == 1  # it asked for an hour


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "status", "status": 404}, r"has no such page \(HTTP 404\); check the address"),
        ({"kind": "drop"}, "breaks off|broke off"),
        ({"kind": "refuse"}, "breaks the connection off"),
        ({"kind": "hang", "seconds": 4}, "does not answer in time"),
        ({"kind": "drip", "seconds": 0.01}, r"too slow: [\d,]+ bytes in 1 s"),
    ],
)
def test_a_fault_that_stays_is_one_line_in_bounded_time(far, tmp_path, fault, said):
    far.fail(**fault)
    began = time.monotonic()
    with pytest.raises(NetworkError, match=said) as caught:
        fetch(f"{far.url}/m.onnx", tmp_path, replace(POLICY, total_s=1))
    assert time.monotonic() - began < 8
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(far, tmp_path, status):
    far.fail("status", status=status, match="/old", headers={"Location": "/m.onnx?token=1"})
    assert fetch(f"{far.url}/old", tmp_path) == BODY


@pytest.mark.parametrize(
    "there", ["file:///etc/passwd", "FILE:/etc/passwd", "ftp://h/m", "data:,x", "javascript:x", "http://[::1"]
)
def test_a_redirect_off_the_web_is_refused(far, tmp_path, there):
    far.fail("status", status=302, match="/old", headers={"Location": there})
    with pytest.raises(NetworkError, match=rf"{far.url}/old: .*sends on to.*no web address"):
        fetch(f"{far.url}/old", tmp_path)
    assert not (tmp_path / "got").exists()


def test_a_redirect_in_a_circle_ends(far, tmp_path):
    far.fail("status", status=302, match="/a", headers={"Location": "/b"})
    far.fail("status", status=302, match="/b", headers={"Location": "/a"})
    with pytest.raises(NetworkError, match="without end"):
        fetch(f"{far.url}/a", tmp_path)
    assert far.count()["requests"] == http.MOST_REDIRECTS + 1


def test_plain_http_needs_leave_and_https_is_never_left_without(far, tmp_path, monkeypatch):
    with pytest.raises(NetworkError, match=r"may alter the file; use https, or give its --sha256"):
        fetch(f"{far.url}/m.onnx", tmp_path, unprotected=False)
    assert far.count()["requests"] == 0

    from howgreen.net import download as module

    class Moved:
        status_code, headers = 302, {"Location": f"{far.url}/m.onnx"}

        def close(self):
            pass

    monkeypatch.setattr(module, "_get", lambda *_: Moved())
    with pytest.raises(NetworkError, match=r"https://example.org/m: sends on to http://127.*may alter"):
        fetch("https://example.org/m", tmp_path, unprotected=False)


def test_a_file_that_says_it_is_too_large_is_not_begun(far, tmp_path):
    with pytest.raises(NetworkError, match="more than 1 MB"):
        fetch(f"{far.url}/m.onnx", tmp_path, most_bytes=len(BODY) - 1)
    assert not (tmp_path / "got").exists()
    assert fetch(f"{far.url}/m.onnx", tmp_path, most_bytes=len(BODY)) == BODY


def test_a_file_that_does_not_say_its_size_ends_at_the_limit(tmp_path):
    endless = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *([b"10000\r\n" + bytes(65536) + b"\r\n"] * 60),
    ]
    with answering(*endless) as url, pytest.raises(NetworkError, match="more than 1 MB"):
        fetch(url, tmp_path)
    assert (tmp_path / "got").stat().st_size < 2 * 10**6


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: 100", b"x" * 60),
        (b"Transfer-Encoding: chunked", b"40\r\n" + b"x" * 64 + b"\r\n"),
        (b"Transfer-Encoding: chunked", b"zz\r\nxx"),
    ],
)
def test_a_file_that_breaks_off_is_no_file(tmp_path, head, body):
    with (
        answering(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body) as url,
        pytest.raises(NetworkError, match="break"),
    ):
        fetch(url, tmp_path)


def test_a_packed_answer_is_not_unpacked(tmp_path):
    """A thousandth of a zip bomb's size is what is counted and written."""
    import gzip

    packed = gzip.compress(bytes(10**8))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with answering(head, packed) as url:
        assert fetch(url, tmp_path) == packed


def test_headers_a_byte_at_a_time_are_not_waited_for(tmp_path):
    drips = [b"HTTP/1.1 200 OK\r\n", *[b"X"] * 20]
    began = time.monotonic()
    with answering(*drips, pause_s=0.1) as url, pytest.raises(NetworkError, match="does not answer in time"):
        fetch(url, tmp_path, replace(POLICY, tries=1, attempt_s=0.6), most_bytes=10)
    assert time.monotonic() - began < 8


def test_nobody_there_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (
        f"http://127.0.0.1:{port}/m",
        "http://127.0.0.1:99999/m",
        "http://[::1/m",
        "http:///m",
        "http://" + "a" * 300,
    ):
        with pytest.raises(NetworkError) as caught:
            fetch(url, tmp_path)
        assert "\n" not in str(caught.value)


def test_what_is_secret_in_an_address_is_not_shown(far, tmp_path):
    assert redact_url("https://user:secret@h:1/a/m.onnx?token=secret#secret") == "https://h:1/a/m.onnx"
    host = far.url.removeprefix("http://")
    with pytest.raises(NetworkError) as caught:
        fetch(f"http://user:secret@{host}/no?sig=secret", tmp_path)
    assert "secret" not in str(caught.value)


def test_a_disk_that_is_full_names_the_file(far, tmp_path):
    with pytest.raises(OSError, match="No space"):
        download(f"{far.url}/m.onnx", to=Path("/dev/full"), most_bytes=10**6, unprotected=True)
