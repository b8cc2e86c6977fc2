"""Services that refuse are left alone as their operators want it, across questions and processes."""

from dataclasses import replace

import pytest
from services import Reply, says, served

from howgreen.core.errors import NetworkError
from howgreen.net._rate_limit import postpone, refused_s, wait_turn
from howgreen.net.client import POLITE
from howgreen.net.endpoints import Endpoints
from howgreen.net.network import Network
from howgreen.osm import overpass

BUSY = Reply(b"<html><p><strong>Error</strong>: runtime error: rate_limited</p></html>", 429)
EMPTY = says({"elements": [{"type": "relation", "id": 1}]})


def ask(client, number=0):
    def check(body):
        return bool(overpass.elements(body))

    return overpass.ask(f"question {number}", suffix=".json", check=check, client=client)


def network(tmp_path, *urls, **retry):
    quick = replace(POLITE, pause_s=0, first_wait_s=0.01, total_s=2, **retry)
    return Network(endpoints=Endpoints(overpass=urls), cache=tmp_path / "cache", retry=quick)


@pytest.fixture
def pause(monkeypatch):
    monkeypatch.setattr(overpass, "REFUSAL_S", 1.0)


def test_operators_of_overpass_want_30_s():
    """Overpass-API#791, 21 April 2026; and what we wait at most is just enough for it."""
    assert overpass.REFUSAL_S == 30 == POLITE.longest_wait_s


@pytest.mark.usefixtures("pause")
def test_after_a_refusal_the_same_server_is_asked_again_later_and_no_mirror(tmp_path):
    with served(lambda _: EMPTY) as one, served(lambda _: EMPTY) as mirror:
        one.replies.append(BUSY)
        assert ask(network(tmp_path, one.url, mirror.url).client()).body == EMPTY.body
        assert one.asked[1].at - one.asked[0].at >= 1
        assert not mirror.asked


@pytest.mark.usefixtures("pause")
def test_a_second_refusal_ends_it_for_the_next_questions_and_the_next_process(tmp_path):
    with served(lambda _: BUSY) as one, served(lambda _: EMPTY) as mirror:
        asking = network(tmp_path, one.url, mirror.url, longest_wait_s=1.0)
        client = asking.client()
        with pytest.raises(NetworkError, match=r"2 × is asked too often \(HTTP 429: runtime error: rate_limited\)"):
            ask(client, 1)
        with pytest.raises(NetworkError, match="asked to be left alone for 1 s more"):
            ask(client, 2)
        assert refused_s(asking.cache, one.url.removeprefix("http://")) > 0.5  # what another process reads
        assert (len(one.asked), len(mirror.asked)) == (2, 0)


def test_a_refusal_by_403_is_not_asked_around(tmp_path):
    with served(lambda _: Reply(b"blocked", 403)) as one, served(lambda _: EMPTY) as mirror:
        for number in range(2):
            with pytest.raises(NetworkError, match=r"HTTP 403|left alone for 30 s"):
                ask(network(tmp_path, one.url, mirror.url, longest_wait_s=1.0).client(), number)
        assert (len(one.asked), len(mirror.asked)) == (1, 0)


def test_a_server_that_is_out_of_order_still_gives_way_to_its_mirror(tmp_path):
    with served(lambda _: Reply(b"", 504)) as one, served(lambda _: EMPTY) as mirror:
        assert ask(network(tmp_path, one.url, mirror.url).client()).body == EMPTY.body


def test_a_clock_that_was_set_back_does_not_hold_us(tmp_path, monkeypatch):
    postpone(tmp_path, "host", 30)
    assert 29 < refused_s(tmp_path, "host") <= 30
    assert not wait_turn(tmp_path, "host", pause_s=0, within_s=0.1)
    monkeypatch.setattr("howgreen.net._rate_limit.time.time", lambda: 1e9)
    assert refused_s(tmp_path, "host") == 0


def test_a_contact_goes_with_every_question(tmp_path, monkeypatch):
    with served(lambda _: EMPTY) as one:
        ask(replace(network(tmp_path, one.url), contact="me@example.org\r\nX: 1").client())
        monkeypatch.setenv("HOWGREEN_CONTACT", "you@example.org")
        ask(network(tmp_path, one.url).client(), 2)
        assert [seen.agent.partition("contact: ")[2] for seen in one.asked] == [
            "me@example.orgX: 1)",
            "you@example.org)",
        ]
