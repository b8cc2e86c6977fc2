"""The door to the network against a server that misbehaves."""

from __future__ import annotations

import email.utils
import itertools
import json
import os
import socket
import subprocess
import sys
import time

import pytest
from services import Reply, says, served

from howgreen.core.errors import NetworkError
from howgreen.net.cache import load, save
from howgreen.net.client import POLITE, Client, Request
from howgreen.net.endpoints import Endpoints, read_endpoints
from howgreen.net.http import RetryPolicy
from howgreen.place._nominatim import records

QUICK = RetryPolicy(tries=3, pause_s=0.01, total_s=2.0, attempt_s=0.4, connect_s=0.3, first_wait_s=0.02)
GOOD = says([{"name": "Lyon"}])


def client(tmp_path, *, retry=QUICK, offline=False, **options):
    return Client(endpoints=Endpoints(), folder=tmp_path / "kept", retry=retry, offline=offline, **options)


def request(*services, q="Lyon"):
    urls = [service if isinstance(service, str) else service.url for service in services]
    return Request(what="Nominatim", urls=urls, params={"q": q}, suffix=".json", check=lambda body: bool(records(body)))


def dead_url():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


FAULTS = {
    "a time-out": Reply(GOOD.body, wait_s=1.0),
    "429": Reply(b"slow down", 429),
    "429 with Retry-After": Reply(b"slow down", 429, {"Retry-After": "0"}),
    "a 503": Reply(b"<html>busy</html>", 503),
    "truncated JSON": says(GOOD.body[:-5]),
    "HTML instead of JSON": says(b"<!DOCTYPE html><html>log in</html>"),
    "an error object": says({"error": "no"}),
    "a dropped connection": Reply(GOOD.body, drop_after=-1),
    "a connection dropped in mid-read": Reply(GOOD.body, drop_after=5),
    "a byte now and then": Reply(GOOD.body, drip_s=0.2),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_after_a_fault_the_answer_is_the_right_one(tmp_path, fault):
    with served(lambda _: GOOD) as service:
        service.replies.append(fault)
        assert json.loads(client(tmp_path).fetch(request(service)).body) == [{"name": "Lyon"}]
        assert len(service.asked) == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_that_stays_is_one_clear_line_in_time_and_nothing_is_kept(tmp_path, fault):
    with served(lambda _: fault) as service:
        began = time.monotonic()
        with pytest.raises(
            NetworkError, match=r"^Nominatim gave no answer in \d+ s \(127.0.0.1:\d+: .*--osm FILE"
        ) as caught:
            client(tmp_path).fetch(request(service))
        assert time.monotonic() - began < QUICK.total_s + 0.5
        assert len(service.asked) <= QUICK.tries
        assert "\n" not in str(caught.value)
        assert not list((tmp_path / "kept").glob("*.json"))


def test_the_default_patience_is_under_30_s():
    assert POLITE.total_s < 30
    assert POLITE.pause_s >= 1


def test_a_503_burst_is_waited_out_with_growing_pauses(tmp_path):
    with served(lambda _: GOOD) as service:
        service.replies += [Reply(status=503), Reply(status=502)]
        client(tmp_path, retry=RetryPolicy(tries=3, pause_s=0.01, first_wait_s=0.2)).fetch(request(service))
        first, second, third = (ask.at for ask in service.asked)
        assert 0.2 <= second - first < 0.4 <= third - second < 0.8


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(tmp_path, form):
    after = "1" if form == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)
    with served(lambda _: GOOD) as service:
        service.replies.append(Reply(b"", 429, {"Retry-After": after}))
        client(tmp_path, retry=RetryPolicy(tries=3, pause_s=0.01, first_wait_s=0.01)).fetch(request(service))
        assert service.asked[1].at - service.asked[0].at >= 0.9


def test_a_retry_after_beyond_our_patience_ends_at_once_and_goes_to_the_mirror(tmp_path):
    busy = Reply(b"", 429, {"Retry-After": "3600"})
    with served(lambda _: busy) as service, served(lambda _: GOOD) as mirror:
        began = time.monotonic()
        with pytest.raises(NetworkError, match="HTTP 429"):
            client(tmp_path).fetch(request(service))
        assert time.monotonic() - began < 0.5
        assert len(service.asked) == 1
        assert client(tmp_path).fetch(request(service, mirror)).body == GOOD.body


def test_a_dead_server_gives_way_to_its_mirror(tmp_path):
    with served(lambda _: GOOD) as mirror:
        assert client(tmp_path).fetch(request(dead_url(), mirror)).body == GOOD.body
    with pytest.raises(NetworkError, match=r"3 × refuses the connection, 127.0.0.1:\d+: 3 × refuses the connection"):
        client(tmp_path).fetch(request(dead_url(), dead_url(), q="other"))


def test_a_server_that_hangs_leaves_time_for_its_mirrors(tmp_path):
    retry = RetryPolicy(tries=3, pause_s=0.01, total_s=1.2, attempt_s=5, first_wait_s=0.01)
    with (
        served(lambda _: Reply(wait_s=5)) as one,
        served(lambda _: Reply(wait_s=5)) as two,
        served(lambda _: GOOD) as three,
    ):
        assert client(tmp_path, retry=retry).fetch(request(one, two, three)).body == GOOD.body


def test_a_refusal_is_not_repeated(tmp_path):
    with served(lambda _: Reply(b"blocked", 403)) as service:
        with pytest.raises(NetworkError, match="HTTP 403"):
            client(tmp_path).fetch(request(service))
        assert len(service.asked) == 1


def test_an_endless_answer_is_cut(tmp_path):
    with (
        served(lambda _: Reply(b"[" + b" " * 3_000_000 + b"]")) as service,
        pytest.raises(NetworkError, match="more than 1 MiB"),
    ):
        client(tmp_path, retry=RetryPolicy(tries=3, pause_s=0.01, first_wait_s=0.01), most_bytes=1_000_000).fetch(
            request(service)
        )


def test_patience_is_used_up_once_for_all_services(tmp_path):
    asking = client(tmp_path, retry=RetryPolicy(tries=3, pause_s=0.01, total_s=0.6, attempt_s=0.5, first_wait_s=0.01))
    with served(lambda _: Reply(wait_s=2)) as one, served(lambda _: Reply(wait_s=2)) as other:
        began = time.monotonic()
        for service in (one, other):
            with pytest.raises(NetworkError):
                asking.fetch(request(service))
        assert time.monotonic() - began < 1.0


def test_osmnx_385_own_user_agent_one_request_a_second_every_answer_kept(tmp_path):
    """osmnx#385: own user agent, one request a second per application, every answer cached."""
    retry = RetryPolicy(tries=3, pause_s=0.3)
    with served(lambda _: GOOD) as service:
        for q in ("a", "b", "c", "a", "b"):
            client(tmp_path, retry=retry).fetch(request(service, q=q))
        times = [ask.at for ask in service.asked]
        assert [ask.query["q"] for ask in service.asked] == ["a", "b", "c"]
        assert min(b - a for a, b in itertools.pairwise(times)) >= 0.29
        assert all(ask.agent.startswith("howgreen/") and "python-requests" not in ask.agent for ask in service.asked)


def test_processes_take_turns(tmp_path):
    """osmnx#385: one request a second per application, not per process."""
    code = (
        "import sys; from pathlib import Path; from howgreen.net._rate_limit import wait_turn; import time\n"
        "for _ in range(2):\n assert wait_turn(Path(sys.argv[1]), 'h:1', pause_s=0.25, within_s=20); print(time.time(), flush=True)"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) for _ in range(3)]
    times = sorted(float(line) for run in runs for line in run.communicate()[0].split())
    assert len(times) == 6
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.24


def test_a_turn_that_does_not_come_in_time_is_given_up(tmp_path):
    from howgreen.net._rate_limit import wait_turn

    assert wait_turn(tmp_path, "h", pause_s=30, within_s=0.1)
    began = time.monotonic()
    assert not wait_turn(tmp_path, "h", pause_s=30, within_s=0.1)
    assert time.monotonic() - began < 1


def test_offline_takes_what_is_kept_however_old_and_asks_nothing(tmp_path):
    with served(lambda _: GOOD) as service:
        answer = client(tmp_path).fetch(request(service))
        os.utime(answer.path, (0, 0))
        assert client(tmp_path, offline=True).fetch(request(service)).body == GOOD.body
        with pytest.raises(NetworkError, match=r"offline.*--area FILE"):
            client(tmp_path, offline=True).fetch(request(service, q="unheard of"))
        assert len(service.asked) == 1


def test_an_old_answer_is_asked_again_and_used_when_nothing_answers(tmp_path):
    with served(lambda _: GOOD) as service:
        answer = client(tmp_path).fetch(request(service))
        os.utime(answer.path, (0, 0))
        service.replies += [Reply(status=500)] * 3
        assert client(tmp_path).fetch(request(service)).body == GOOD.body
        assert len(service.asked) == 4
        client(tmp_path).fetch(request(service))
        assert len(service.asked) == 5


def test_an_empty_answer_is_asked_again_sooner(tmp_path):
    with served() as service:
        answer = client(tmp_path).fetch(request(service))
        client(tmp_path).fetch(request(service))
        assert len(service.asked) == 1
        os.utime(answer.path, (time.time() - 2 * 86400,) * 2)
        client(tmp_path).fetch(request(service))
        assert len(service.asked) == 2


@pytest.mark.parametrize(("days", "asked"), [(0.5, 1), (30, 2)])
def test_an_answer_kept_while_the_clock_was_wrong_is_asked_again(tmp_path, days, asked):
    """One of next month would have stayed fresh until then, and for its month after that."""
    with served(lambda _: GOOD) as service:
        answer = client(tmp_path).fetch(request(service))
        os.utime(answer.path, (time.time() + days * 86400,) * 2)
        client(tmp_path).fetch(request(service))
        assert len(service.asked) == asked


def test_a_damaged_kept_answer_is_fetched_again(tmp_path):
    with served(lambda _: GOOD) as service:
        client(tmp_path).fetch(request(service)).path.write_bytes(b"[{")
        assert client(tmp_path).fetch(request(service)).body == GOOD.body


def test_kept_answers_are_bounded_and_the_unused_go_first(tmp_path):
    for number in range(4):
        save(tmp_path, f"{number}.json", b"x" * 100)
        os.utime(tmp_path / f"{number}.json", (1000 + number, 1000))
    (tmp_path / "host.turn").write_text("1")
    assert load(tmp_path, "0.json") is not None  # used just now
    save(tmp_path, "4.json", b"x" * 100, most_bytes=300)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.json", "3.json", "4.json", "host.turn"]


def test_endpoints_come_from_a_file(tmp_path):
    table = tmp_path / "own.toml"
    table.write_text('nominatim = "http://127.0.0.1:1"\noverpass = ["http://127.0.0.1:2", "http://127.0.0.1:3"]\n')
    read = read_endpoints(table)
    assert (read.nominatim, len(read.overpass), read.ign) == ("http://127.0.0.1:1", 2, Endpoints().ign)


@pytest.mark.parametrize(
    "text", ['nominatin = "http://a"', "nominatim = 3", 'nominatim = "file:///etc/passwd"', "overpass = []", "= ="]
)
def test_a_wrong_table_of_endpoints_is_refused(tmp_path, text):
    table = tmp_path / "own.toml"
    table.write_text(text)
    with pytest.raises(NetworkError):
        read_endpoints(table)
