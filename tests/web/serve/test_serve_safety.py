"""What strangers may try on the server, and what they hear."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from howgreen.web.serve import connections, safety, service
from howgreen.web.serve.safety import MOST_JSON_BYTES, depth_of, given_token
from howgreen.web.serve.tokens import add_token
from serving import HOST, SQUARE, listening

ASK = {"inputs": {"place": {"id": "sample:sampleton"}, "period": "2024"}}
EXECUTE = "/processes/city/execution"


def refusal(reply, status, says):
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    told = reply.json()
    assert told["status"] == status
    assert says in told["detail"], told
    assert "\n" not in told["detail"]


@pytest.mark.parametrize("path", ["/", "/?f=html", "/places?q=sam", "/nothing", "/static/app.js", "/health", "/docs"])
def test_every_answer_carries_the_headers_of_safety(answered, path):
    headers = answered.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "server" not in headers
    assert "set-cookie" not in headers
    assert "access-control-allow-origin" not in headers


def test_the_reports_page_runs_in_a_sandbox_and_may_ask_nobody(answered):
    policy = answered.client.get(f"/results/{answered.result}/files/report.html").headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy
    assert "default-src 'none'" in policy


def test_data_files_are_saved_and_not_shown(answered):
    got = answered.client.get(f"/results/{answered.result}/files/districts.gpkg")
    assert got.headers["content-disposition"] == 'attachment; filename="districts.gpkg"'


@pytest.mark.parametrize(
    ("host", "settings", "known"),
    [
        ("localhost", {}, True),
        ("localhost:8000", {}, True),
        ("127.0.0.1:8000", {}, True),
        ("[::1]:8000", {}, True),
        ("evil.example", {}, False),
        ("evil.example:8000", {}, False),
        ("127.0.0.1.evil.example", {}, False),
        ("192.168.1.5", {}, False),
        ("192.168.1.5:8000", {"host": "0.0.0.0"}, True),
        ("green.example.org", {"host": "0.0.0.0"}, False),
        ("green.example.org", {"host": "0.0.0.0", "hosts": ("green.example.org",)}, True),
        ("Green.Example.Org.", {"hosts": ("green.example.org",)}, True),
        ("", {}, False),
        ("[", {}, False),
        ("evil.example@127.0.0.1", {}, False),
        ("localhost/evil.example/", {}, False),
        ("localhost?x=", {}, False),
        ("localhost:80:80", {}, False),
    ],
)
def test_only_names_of_this_server_are_answered(make_rig, tmp_path, host, settings, known):
    """A page that had its own name point here (DNS rebinding) sends its own name."""
    rig = make_rig(tmp_path, **settings)
    with rig.client() as client:
        reply = client.get("/conformance", headers={"Host": host})
    if known:
        assert reply.status_code == 200
    else:
        refusal(reply, 421, "does not answer under that name")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", [EXECUTE, "/places/check", "/places/upload?filename=a"])
def test_a_page_of_another_site_changes_nothing(client, headers, path):
    kind = "application/octet-stream" if "upload" in path else "application/json"
    reply = client.post(path, content=json.dumps(ASK), headers={"Content-Type": kind, **headers})
    refusal(reply, 403, "another site")
    assert client.delete(f"/jobs/{'0' * 32}", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_what_a_form_of_another_site_could_send_is_not_taken(client, kind):
    """A browser sends these to other sites unasked."""
    reply = client.post(EXECUTE, content=json.dumps(ASK), headers={"Content-Type": kind})
    refusal(reply, 415, "application/json")
    assert client.get("/jobs").json()["jobs"] == []
    answer = client.post(f"/label/{'0' * 64}/ann/answer", content="{}", headers={"Content-Type": kind})
    refusal(answer, 415, "application/json")


def test_our_own_page_may_ask(client):
    own = {"Origin": HOST, "Sec-Fetch-Site": "same-origin"}
    assert client.post(EXECUTE, json=ASK, headers=own).status_code == 201


def test_a_long_body_is_refused_before_it_is_read(rig):
    with listening(rig.app) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as line:
            head = f"POST {EXECUTE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
            line.sendall(head.encode())
            assert b" 413 " in line.recv(4096).split(b"\r\n")[0]


def test_a_body_without_a_length_is_counted_while_it_comes(client):
    def forever():
        for _ in range(100):
            yield b" " * 100_000

    reply = client.post(EXECUTE, content=forever(), headers={"Content-Type": "application/json"})
    refusal(reply, 413, f"{MOST_JSON_BYTES:,}")


def test_all_bodies_together_are_bounded_and_counted_off(client, monkeypatch):
    size = len(json.dumps(SQUARE))
    monkeypatch.setattr(safety, "MOST_HELD_BYTES", size + 50)
    for _ in range(3):  # one after the other there is room for each
        assert client.post("/places/check", json=SQUARE).status_code == 200
        reply = client.post("/places/check", json={**SQUARE, "note": "x" * size})
        refusal(reply, 503, "too much is being sent at once")
        assert int(reply.headers["retry-after"]) > 0


def line_to(url: str) -> socket.socket:
    """A bare connection."""
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_a_body_that_trickles_is_given_up(rig, monkeypatch):
    monkeypatch.setattr(safety, "BODY_SECONDS", 0.3)
    with listening(rig.app) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as line:
            head = f"POST {EXECUTE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
            begun = time.monotonic()
            line.sendall(head.encode())
            assert b" 408 " in line.recv(4096).split(b"\r\n")[0]
            assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"], ids=["nothing", "a line", "half"]
)
def test_half_a_request_is_given_up(rig, monkeypatch, sent):
    """Connections are few: whoever holds many of them open without asking would keep all others out."""
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    with listening(rig.app, http=connections.bounded(rig.settings)) as url, line_to(url) as line:
        begun = time.monotonic()
        line.sendall(sent)
        with suppress(ConnectionResetError):
            assert line.recv(10) == b""
        assert 0.2 < time.monotonic() - begun < 5


def test_whoever_asks_again_on_the_same_connection_has_as_much_time_anew(rig, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    with listening(rig.app, http=connections.bounded(rig.settings)) as url, line_to(url) as line:
        for _ in range(3):
            line.sendall(b"HEAD /conformance HTTP/1.1\r\nHost: loc")
            time.sleep(0.25)
            line.sendall(b"alhost\r\n\r\n")
            assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
        line.sendall(b"GET /conf")
        with suppress(ConnectionResetError):
            assert line.recv(10) == b""


def test_whoever_does_not_read_gives_way(rig, monkeypatch):
    monkeypatch.setattr(connections, "STALL_S", 0.3)
    with listening(rig.app, http=connections.bounded(rig.settings)) as url, line_to(url) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(b"GET /static/vendor/maplibre-gl/maplibre-gl.mjs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        time.sleep(1)
        got = 0
        with suppress(ConnectionResetError):
            while part := line.recv(1 << 20):
                got += len(part)
        assert got < 20_000_000, "the rest was not sent"


def test_one_address_does_not_hold_all_connections(rig, monkeypatch):
    monkeypatch.setattr(connections, "MOST_EACH", 3)
    monkeypatch.setattr(connections, "is_loopback", lambda _: False)
    with listening(rig.app, http=connections.bounded(rig.settings)) as url:
        lines = [line_to(url) for _ in range(5)]
        for line in lines:
            with suppress(ConnectionError):
                line.sendall(b"GET /conformance HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heard = []
        for line in lines:
            with suppress(ConnectionError):
                heard.append(line.recv(12))
            line.close()
        assert [one for one in heard if one] == [b"HTTP/1.1 200"] * 3
        time.sleep(0.2)
        with line_to(url) as line:
            line.sendall(b"GET /conformance HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert line.recv(12) == b"HTTP/1.1 200", "who closed has room again"
    behind = replace(rig.settings, proxies=1)
    with listening(rig.app, http=connections.bounded(behind)) as url:
        lines = [line_to(url) for _ in range(5)]
        for line in lines:
            line.sendall(b"GET /conformance HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert line.recv(12) == b"HTTP/1.1 200", "our proxy brings everybody"
            line.close()


def test_a_body_with_two_ends_is_refused(rig):
    """Servers in a row would differ on where the next request begins."""
    head = "POST /places/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
    with listening(rig.app) as url, line_to(url) as line:
        line.sendall(
            f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        whole = b""
        while part := line.recv(65536):
            whole += part
    assert whole.startswith(b"HTTP/1.1 400 ")
    assert whole.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "99999999999999999999"])
def test_a_length_that_is_no_number_is_one_line(rig, length):
    scope = {
        "type": "http", "method": "POST", "path": EXECUTE, "raw_path": b"", "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", length.encode())],
        "client": ("127.0.0.1", 1),
    }  # fmt: skip
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(rig.app(scope, receive, send))
    assert sent[0]["status"] == 400


def test_brackets_are_counted_without_reading_them():
    assert depth_of(b'{"a": [1, {"b": "]]]]{{{{"}]}') == 3
    assert depth_of(b'"\\"[[["') == 0
    assert depth_of(b"[" * 1000) == 1000
    assert depth_of(b"]]]][") <= 1
    assert depth_of(b"") == 0


@pytest.mark.parametrize("path", [EXECUTE, "/places/check", "/stac/search"])
def test_deep_json_is_refused(client, path):
    begun = time.monotonic()
    for deep in (b"[" * 900_000, b'{"a":' * 300_000, b"[" * 33, b'{"inputs":' + b"[" * 32):
        refusal(client.post(path, content=deep, headers={"Content-Type": "application/json"}), 400, "deep")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nul", b'{"inputs": 1}', b"\xff\xfe", b'"\\ud800"', b'{"a":NaN}', b"[1e999]"]
)
@pytest.mark.parametrize("path", [EXECUTE, "/places/check"])
def test_what_is_no_request_is_one_line(client, path, body):
    reply = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in {400, 422}
    assert reply.headers["content-type"] == "application/problem+json"
    assert "\n" not in reply.json()["detail"]


def test_numbers_that_are_none_are_no_outline(client):
    for bad in ("NaN", "Infinity", "1e999", "-1e308"):
        text = json.dumps(SQUARE).replace("-33.0", bad)
        reply = client.post("/places/check", content=text, headers={"Content-Type": "application/json"})
        assert reply.status_code in {200, 400, 422}
        if reply.status_code == 200:
            assert not reply.json()["ok"]


def test_many_claimed_vertices_cost_no_time(client):
    ring = ",".join(["[0,0]"] * 300_000)
    body = f'{{"type":"Polygon","coordinates":[[{ring}]]}}'
    begun = time.monotonic()
    reply = client.post("/places/check", content=body, headers={"Content-Type": "application/json"})
    assert "vertices; at most 20,000" in reply.json()["problems"][0]
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "path",
    [
        "/results/{r}/files/..%2f..%2fhowgreen.sqlite3", "/results/{r}/files/%2e%2e/%2e%2e/howgreen.sqlite3",
        "/results/{r}/files/place.geojson%00.png", "/results/..%2f..%2fetc/files/passwd", "/static/../app.py",
        "/static/..%2fapp.py", "/static/%2e%2e/settings.py", "/static//etc/passwd", "/static/__init__.py",
        "/results/{r}/files/.hidden", "/results/{r}/tiles/..%2fcomposite/1/1/1.png", "/places/..%2f..%2fetc%2fpasswd",
        "/results/{r}/files/%2fetc%2fpasswd", "/stac/collections/howgreen/items/..%2f..%2fetc", "/jobs/..%2fresults",
    ],
)  # fmt: skip
def test_no_path_leads_out(answered, path):
    reply = answered.client.get(path.format(r=answered.result))
    assert reply.status_code in {400, 404, 422}, reply.text[:200]
    assert "root:" not in reply.text
    assert str(answered.rig.settings.data) not in reply.text


def test_no_parameter_names_an_address_or_a_file(answered):
    """Only ids and numbers are taken; nothing that a reader of files would open."""
    schema = answered.client.get("/api").json()
    names = {
        one["name"] for item in schema["paths"].values() for told in item.values() for one in told.get("parameters", ())
    }
    assert not {name for name in names if re.search(r"url|href|path|uri|source|dataset|model", name)}
    inputs = schema["components"]["schemas"]["Inputs"]
    assert inputs["additionalProperties"] is False
    for place in (
        "/vsicurl/http://127.0.0.1/x",
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "/etc/passwd",
        "\\\\host\\share",
    ):
        reply = answered.client.post(EXECUTE, json={"inputs": {"place": {"id": place}}})
        refusal(reply, 422, "no place here has that id")


def test_errors_and_logs_of_a_defect_show_no_path_to_strangers(make_rig, tmp_path, monkeypatch, caplog):
    rig = make_rig(tmp_path)

    def broken(*_, **__):
        raise RuntimeError(f"cannot open {tmp_path}/howgreen.sqlite3")

    monkeypatch.setattr(rig.jobs, "jobs", broken)
    with rig.client(raise_server_exceptions=False) as client, caplog.at_level(logging.ERROR):
        reply = client.get("/jobs")
    refusal(reply, 500, "something went wrong")
    assert str(tmp_path) not in reply.text
    number = re.search(r"under (\w+)", reply.json()["detail"])[1]
    assert any(number in record.getMessage() for record in caplog.records)


def test_a_message_of_a_job_shows_no_path(rig, client, city):
    rig.ask(city)
    job = rig.work()
    rig.jobs.fail(job, f"{rig.settings.stores[0]}/scenes/x.tif: cannot be read")
    told = client.get(f"/jobs/{job.id}")
    assert str(rig.settings.stores[0]) not in told.text
    assert "x.tif: cannot be read" in told.json()["message"]
    assert str(rig.settings.stores[0]) not in client.get(f"/jobs/{job.id}/events").text


def test_names_are_text(client):
    evil = "<script>alert(1)</script>\x1b]0;x\x07\r\nSet-Cookie: a=b"
    made = client.post(EXECUTE, json={"inputs": {"place": SQUARE, "name": evil}})
    assert made.status_code == 201
    assert made.headers["content-type"] == "application/json"
    label = made.json()["label"]
    assert label.isprintable()
    assert "\r" not in label
    assert "set-cookie" not in made.headers


def token_headers(token, scheme="Bearer"):
    import base64

    given = token if scheme == "Bearer" else base64.b64encode(f"anybody:{token}".encode()).decode()
    return {"Authorization": f"{scheme} {given}"}


def test_with_tokens_only_who_has_one_may_ask(make_rig, tmp_path):
    file = tmp_path / "tokens.txt"
    token = add_token(file, name="city hall")
    assert token not in file.read_text()
    with make_rig(tmp_path / "data", tokens=file).client() as client:
        assert client.get("/health").status_code in {200, 503}
        for path in ("/", "/jobs", "/static/app.js", "/stac", "/metrics"):
            refused = client.get(path)
            refusal(refused, 401, "needs a token")
            assert refused.headers["www-authenticate"].startswith("Basic")
            assert client.get(path, headers=token_headers(token)).status_code == 200
            assert client.get(path, headers=token_headers(token, "Basic")).status_code == 200
            assert client.get(path, headers=token_headers(token + "x")).status_code == 401
        made = client.post(EXECUTE, json=ASK, headers=token_headers(token)).json()
        other = add_token(file, name="another")
        refusal(client.delete(f"/jobs/{made['jobID']}", headers=token_headers(other)), 403, "somebody else")
        file.write_text("")
        assert client.get("/jobs", headers=token_headers(token)).status_code == 401, "void at once"


def test_a_readers_name_is_whose_token_answered_under_it_first(make_rig, tmp_path):
    file = tmp_path / "tokens.txt"
    headers = token_headers(add_token(file, name="ann"))
    rig = make_rig(tmp_path / "data", tokens=file)
    result = "a" * 64
    folder = rig.settings.samples / result
    folder.mkdir(parents=True)
    (folder / "sample.json").write_text("{}")
    labels = rig.app.state.service.labels
    assert labels.own(result, "Ann", "one")
    assert labels.own(result, "Ann", "one")
    assert not labels.own(result, "ann", "two")
    assert labels.may_read(result, "bob", "two")
    assert len(list(folder.glob("owner-*"))) == 1
    with rig.client() as client:
        for name in ("Ann", "ann", "Ann@together"):
            refusal(client.get(f"/label/{result}/{name}/", headers=headers), 403, "under this name")
            reply = client.post(f"/label/{result}/{name}/answer", json={"unit": 1, "pattern": "g"}, headers=headers)
            refusal(reply, 403, "under this name")
        refusal(client.get(f"/label/{result}/bob/", headers=headers), 422, "sample")
    without = make_rig(tmp_path / "data")
    assert without.app.state.service.labels.own(result, "ann", "two"), "without tokens nobody is told from another"


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic YTpiYzpk", "bc:d"), ("Basic !!!", ""), ("Basic", ""), ("", ""),
        ("Digest x", ""), ("Basic /w==", ""),
    ],
)  # fmt: skip
def test_a_token_is_read_off_its_header(header, token):
    assert given_token(header) == token


def clients_of(rig, forwarded):
    with rig.client() as client:
        for number, value in enumerate(forwarded):
            body = {"inputs": {**ASK["inputs"], "period": str(2015 + number)}}
            assert (
                client.post(EXECUTE, json=body, headers={"X-Forwarded-For": value} if value else {}).status_code == 201
            )
    return [job.client for job in rig.jobs.jobs()]


def test_visitors_are_told_apart_by_what_our_own_proxy_wrote_only(make_rig, tmp_path):
    spoofed = ["1.1.1.1", "2.2.2.2"]
    assert len(set(clients_of(make_rig(tmp_path / "a"), spoofed))) == 1, "without a proxy nobody's word is taken"
    assert len(set(clients_of(make_rig(tmp_path / "b", proxies=1), spoofed))) == 2
    behind = ["9.9.9.9, 1.1.1.1", "8.8.8.8, 1.1.1.1"]
    assert len(set(clients_of(make_rig(tmp_path / "c", proxies=1), behind))) == 1, "the last hop counts"
    for job_client in clients_of(make_rig(tmp_path / "d"), [""]):
        assert re.fullmatch(r"[0-9a-f]{32}", job_client), "hashed, with a key that lies beside the database"


def test_the_key_of_hashes_is_kept_and_nobody_elses(make_rig, tmp_path):
    key = tmp_path / "client.key"
    with make_rig(tmp_path).client() as client:
        client.get("/jobs")
    before = key.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    assert len(before) == 32
    with make_rig(tmp_path).client() as client:
        client.get("/jobs")
    assert key.read_bytes() == before


def test_who_asks_too_often_waits(make_rig, tmp_path, monkeypatch):
    monkeypatch.setitem(service.PER_MINUTE, "check", 3)
    with make_rig(tmp_path).client() as client:
        replies = [client.post("/places/check", json=SQUARE) for _ in range(4)]
    assert [one.status_code for one in replies] == [200, 200, 200, 429]
    assert replies[-1].headers["retry-after"] == "60"


def test_an_address_without_end_is_refused(client):
    refusal(client.get("/places", params={"q": "x" * 9000}), 414, "8,000")


def test_methods_that_are_not_offered_are_refused_with_those_that_are(client):
    reply = client.put("/jobs", content="{}", headers={"Content-Type": "application/json"})
    assert reply.status_code == 405
    assert "GET" in reply.headers["allow"]
    assert client.request("TRACE", "/jobs", headers={"Content-Type": "application/json"}).status_code == 405


def test_listeners_are_bounded(rig, city, monkeypatch):
    monkeypatch.setattr(service, "MOST_STREAMS_EACH", 1)
    there = f"/jobs/{rig.ask(city).id}/events"
    rig.app.state.service.streams.enter("x")
    with rig.client() as client:
        name = client.app.state.service.streams
        monkeypatch.setattr(name, "_open", {"somebody": service.MOST_STREAMS})
        refusal(client.get(there), 503, "too many are listening")


def test_a_closed_stream_is_counted_off(rig, city, report):
    rig.ask(city)
    rig.answer(rig.work(), report)
    with rig.client() as client:
        client.get(f"/jobs/{rig.jobs.jobs()[0].id}/events")
    assert rig.app.state.service.streams._open == {}


def test_nothing_is_served_of_a_result_that_is_gone(rig, client, city, report):
    import shutil

    rig.ask(city)
    result = rig.answer(rig.work(), report)
    assert client.get(f"/results/{result}").status_code == 200
    shutil.rmtree(rig.settings.results / result)
    rig.app.state.service.reports._open.clear()
    for path in ("", "/limits.geojson", "/tiles/photo/10/1/1.png", "/files/report.html", "/pixel?lon=1&lat=1"):
        assert client.get(f"/results/{result}{path}").status_code == 404
