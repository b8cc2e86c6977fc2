"""Tokens of the Planetary Computer: fetched once a container, with a key where a user has one."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from howgreen.core.errors import NetworkError
from howgreen.net.sas_tokens import KEY, PlanetaryComputer

HREF = "https://sentinel1euwestrtc.blob.core.windows.net/sentinel1-grd-rtc/GRD/vv.tiff"


@pytest.fixture
def service():
    """The token service; remembers the paths and keys that it was asked with."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            key = self.headers.get("Ocp-Apim-Subscription-Key")
            asked.append((self.path, key))
            closed = "rtc" in self.path and key != "mine"
            body = json.dumps({"token": "sig=1", "msft:expiry": "2999-01-01T00:00:00Z"}).encode()
            self.send_response(401 if closed else 200)
            self.end_headers()
            self.wfile.write(b"{}" if closed else body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield PlanetaryComputer(url=f"http://127.0.0.1:{server.server_port}"), asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_key_opens_what_wants_one(service, monkeypatch):
    signer, asked = service
    monkeypatch.setenv(KEY, " mine ")
    assert signer.signed(HREF) == f"{HREF}?sig=1" == signer.signed(HREF)
    assert asked == [("/sentinel1euwestrtc/sentinel1-grd-rtc", "mine")]


def test_without_one_it_says_what_to_do(service, monkeypatch):
    signer, asked = service
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(NetworkError, match=rf"wants an account.*{KEY}") as caught:
        signer.signed(HREF)
    assert "\n" not in str(caught.value)
    assert {key for _, key in asked} == {None}
    assert signer.signed(HREF.replace("rtc", "l2")).endswith("?sig=1")


def test_a_key_is_not_shown(service, monkeypatch):
    signer, _ = service
    monkeypatch.setenv(KEY, "not-the-right-one")
    with pytest.raises(NetworkError) as caught:
        signer.signed(HREF)
    assert "not-the-right-one" not in str(caught.value)
