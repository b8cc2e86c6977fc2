"""Searches as servers really answer them: no page is the last because it looks so, and what they say is told."""

import shutil
from dataclasses import replace
from datetime import date, timedelta

import pytest

from howgreen.core.errors import NetworkError
from howgreen.net import stac_api
from howgreen.net.stac_api import StacApi
from loopback import Said, catalogue, found, item, loop

SEASON = [f"{date(2025, 9, 27) - timedelta(days=n)}" for n in range(150)]
DAYS = date(2025, 5, 1), date(2025, 9, 30)
BOX = (14.48, 52.32, 14.52, 52.34)


def asked_days(ask, most=10**6):
    start, end = (text[:10] for text in ask.json["datetime"].split("/"))
    return [day for day in SEASON if start <= day <= end][: min(ask.json["limit"], most)]


def search(url, **options):
    return StacApi(f"{url}/v1").search(["sentinel-2-l2a"], bbox=BOX, days=DAYS, **options)


@pytest.mark.parametrize("most", [1000, 100, 50, 37 * 2 + 1 - 50], ids=["1000", "100", "50 whatever is asked", "25"])
def test_pc_apis_274_a_full_page_without_a_next_link_is_not_the_end(most):
    """planetary-computer-apis#274: since January 2026 Planetary Computer gives no next link; others cut pages at a limit of their own."""
    with loop(catalogue(lambda ask: found([item(day) for day in asked_days(ask, most)]))) as far:
        assert sorted(one["properties"]["datetime"][:10] for one in search(far.url)) == sorted(SEASON)
        assert len(far.of("search")) <= 40


@pytest.mark.parametrize("written", [int, str])
def test_an_answer_shorter_than_the_number_it_states_is_asked_in_parts(written):
    """Pages of a size that no server has of its own: only the number tells."""
    with loop(
        catalogue(
            lambda ask: found([item(d) for d in asked_days(ask, 21)], numberMatched=written(len(asked_days(ask))))
        )
    ) as far:
        assert len(search(far.url)) == len(SEASON)


def test_one_of_250_for_ever_is_an_error():
    with (
        loop(catalogue(lambda ask: found([item(SEASON[0])], numberMatched=250))) as far,
        pytest.raises(NetworkError, match="hands out 1 of 250 scenes, and answers other days alike"),
    ):
        search(far.url)


def test_a_full_page_whatever_the_days_is_an_error():
    with (
        loop(catalogue(lambda ask: found([item(day) for day in SEASON[:100]]))) as far,
        pytest.raises(NetworkError, match="no link to more, and answers other days alike; try again later"),
    ):
        search(far.url)


def test_pages_are_followed_by_relative_links_and_by_tokens_in_a_body():
    def by_link(ask):
        start = int(ask.query.get("token", 0))
        link = [{"rel": "next", "href": f"search?token={start + 60}", "method": "GET"}] if start < 120 else []
        return found([item(day) for day in SEASON[start : start + 60]], *link)

    def by_body(ask):
        start = ask.json.get("token", 0)
        assert ask.json["collections"] == ["sentinel-2-l2a"]
        more = {
            "rel": "next",
            "href": f"{ask.url}/v1/search",
            "method": "POST",
            "body": {"token": start + 60},
            "merge": True,
        }
        return found([item(day) for day in SEASON[start : start + 60]], *([more] if start < 120 else []))

    for answer in (by_link, by_body):
        with loop(catalogue(answer)) as far:
            assert len(search(far.url)) == 150
            assert len(far.of("search")) == 3


def test_pages_that_repeat_are_an_error():
    link = {"rel": "next", "href": "search", "method": "GET"}
    with (
        loop(catalogue(lambda ask: found([item(day) for day in SEASON[:60]], link))) as far,
        pytest.raises(NetworkError, match="answers every page alike"),
    ):
        search(far.url)


def test_an_error_object_with_http_200_is_told_in_the_servers_words():
    for wrong in (
        {"error": {"message": "Database is read-only"}},
        {"code": "x", "description": "Database is read-only"},
    ):
        with (
            loop(catalogue(lambda ask, wrong=wrong: Said(wrong))) as far,
            pytest.raises(NetworkError, match=r"does not answer as a STAC API \(Database is read-only\)"),
        ):
            search(far.url)


def test_a_refusal_is_told_in_the_servers_words():
    said = {"code": "BadRequest", "description": "limit must be less than or equal to 50"}
    with (
        loop(catalogue(lambda ask: Said(said, 400))) as far,
        pytest.raises(NetworkError, match=r"HTTP 400: limit must be less than or equal to 50\); try again later"),
    ):
        search(far.url)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_stac_fastapi_301_a_search_that_is_sent_on_keeps_its_question(status):
    """stac-fastapi#301, #414: behind TLS it hands out http:// links, answered by a redirect."""

    def answer(ask):
        if ask.path.startswith("/v1/"):
            return Said(b"", status, {"Location": ask.path.replace("/v1/", "/v2/")})
        assert (ask.method, ask.json["collections"]) == ("POST", ["sentinel-2-l2a"])
        return found([item(day) for day in asked_days(ask)])

    with loop(catalogue(answer)) as far:
        assert len(search(far.url)) == 150


def test_a_search_sent_on_in_a_circle_ends():
    with (
        loop(catalogue(lambda ask: Said(b"", 308, {"Location": ask.path}))) as far,
        pytest.raises(NetworkError, match="sends on from address to address without end"),
    ):
        search(far.url)


def test_more_than_can_be_looked_at_is_an_error():
    with (
        loop(catalogue(lambda ask: found([item(day) for day in asked_days(ask)]))) as far,
        pytest.raises(NetworkError, match="more than 149 scenes; choose a shorter --period"),
    ):
        search(far.url, most=149)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (Said({"message": "upstream timed out"}, 504), r"is out of order \(HTTP 504: upstream timed out\)"),
        (
            Said(b"<html><title>Welcome to Hotel WiFi</title>"),
            "answers with a web page instead of data .'Welcome to Hotel WiFi'",
        ),
        (Said(b'{"features": ['), "answers with broken JSON"),
        (Said({"detail": "token expired"}, 401), r"wants an account \(HTTP 401: token expired\)"),
    ],
)
def test_a_fault_on_page_2_is_told_as_what_it_is_and_never_a_shorter_answer(monkeypatch, second, words):
    monkeypatch.setattr(stac_api, "POLICY", replace(stac_api.POLICY, tries=2, first_wait_s=0.01))

    def answer(ask):
        link = {"rel": "next", "href": "search?page=2", "method": "GET"}
        return second if ask.query else found([item(day) for day in SEASON[:60]], link)

    with loop(catalogue(answer)) as far, pytest.raises(NetworkError, match=words):
        search(far.url)


def test_a_fault_on_page_2_that_passes_does_not_shorten_the_answer(monkeypatch):
    monkeypatch.setattr(stac_api, "POLICY", replace(stac_api.POLICY, first_wait_s=0.01))
    fails = [Said(b"", 503), Said(b"", 502)]

    def answer(ask):
        if ask.query and fails:
            return fails.pop()
        start = int(ask.query.get("at", 0))
        link = [{"rel": "next", "href": f"search?at={start + 60}", "method": "GET"}] if start < 120 else []
        return found([item(day) for day in SEASON[start : start + 60]], *link)

    with loop(catalogue(answer)) as far:
        assert len(search(far.url)) == 150


def test_a_proxy_that_refuses_is_named(monkeypatch):
    with loop(lambda ask: Said({"message": "log in first"}, 407)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(
            NetworkError, match=r"http://example.org/v1: the proxy wants an account \(HTTP 407: log in first\)"
        ):
            search("http://example.org")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(stac_api, "POLICY", replace(stac_api.POLICY, tries=1))
    with pytest.raises(NetworkError, match=r"cannot be reached through the proxy \(HTTPS_PROXY\)"):
        search("https://example.org")


def test_a_certificate_that_is_not_trusted_names_the_variable(tmp_path, monkeypatch):
    """A proxy that looks into connections shows a certificate of its own."""
    import ssl
    import subprocess
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    if not shutil.which("openssl"):
        pytest.skip("no openssl here")
    pem = tmp_path / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(pem), "-out", str(tmp_path / "cert.pem"),
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"], check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", pem)

    class Landing(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Quiet(HTTPServer):
        def handle_error(self, *_):
            pass

    server = Quiet(("127.0.0.1", 0), Landing)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(stac_api, "POLICY", replace(stac_api.POLICY, tries=1))
    url = f"https://127.0.0.1:{server.server_port}"
    with pytest.raises(NetworkError, match=r"certificate that is not trusted here .*REQUESTS_CA_BUNDLE"):
        search(url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    with pytest.raises(NetworkError, match="HTTP 404"):
        search(url)
    server.shutdown()
    server.server_close()


def endless(ask):
    """Each page has one new item, and a link to another."""
    number = int(ask.query.get("page", 0)) + 1
    link = {"rel": "next", "href": f"{ask.url}/search?page={number}", "method": "GET"}
    return found([item(SEASON[0], number=number)], link)


@pytest.mark.parametrize(
    ("bound", "value", "told"),
    [("MOST_BYTES", 20_000, "more than 0 MiB in all"), ("MOST_S", -1.0, "takes more than -0 minutes"),
     ("MOST_PAGES", 7, "more than 7 pages")],
)  # fmt: skip
def test_pages_without_end_are_bounded_in_sum(monkeypatch, bound, value, told):
    monkeypatch.setattr(stac_api, bound, value)
    with loop(catalogue(endless)) as far:
        with pytest.raises(NetworkError, match=told):
            search(far.url)
        assert len(far.asked) < 20


def test_a_public_server_leads_no_search_to_this_network(monkeypatch):
    """The loopback plays the public server: its own address is not told to be private."""
    link = {"rel": "next", "href": "http://169.254.169.254/latest", "method": "GET"}
    with loop(catalogue(lambda ask: found([item(SEASON[0])], link))) as far:
        known = stac_api.http.is_private
        monkeypatch.setattr(stac_api.http, "is_private", lambda url: known(url) and not url.startswith(far.url))
        with pytest.raises(
            NetworkError, match=r"leads on to http://169\.254\.169\.254/latest, an address of this network"
        ):
            search(far.url)
    stac_api.http.close_sessions()
