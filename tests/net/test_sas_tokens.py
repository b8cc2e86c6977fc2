"""Tokens by the server's clock, asked for once while they live, and a service that refuses is left alone."""

import email.utils
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from howgreen.core.errors import NetworkError
from howgreen.net import sas_tokens
from howgreen.net.sas_tokens import PlanetaryComputer
from loopback import Said, loop

HREF = "http://127.0.0.1/container/{}.tif"


def signer(far):
    return PlanetaryComputer(url=f"{far.url}/token", domain=".0.0.1")


def token(life: timedelta, *, ahead: timedelta = timedelta()):
    """A token that lives so long, by a server whose clock is ahead of ours (or, the same, ours behind its)."""
    now = datetime.now(UTC) + ahead
    headers = {"Date": email.utils.format_datetime(now, usegmt=True)}
    return Said({"msft:expiry": f"{now + life:%Y-%m-%dT%H:%M:%SZ}", "token": "st=1&sig=3"}, headers=headers)


@pytest.mark.parametrize(
    ("life", "ahead"),
    [
        (timedelta(minutes=45), timedelta(0)),
        (timedelta(minutes=4), timedelta(0)),  # PlanetaryComputer#418
        (timedelta(minutes=45), timedelta(minutes=-41)),
        (timedelta(minutes=45), timedelta(hours=9)),
        (timedelta(days=-1), timedelta(0)),  # PlanetaryComputer#463: a token of yesterday
    ],
)
def test_a_token_is_asked_for_once_while_it_lives_whatever_the_clocks(life, ahead):
    """PlanetaryComputer#418: tokens that last shorter; #463: tokens of yesterday."""
    with loop(lambda _: token(life, ahead=ahead)) as far:
        asked = signer(far)
        assert {asked.signed(HREF.format(n)).partition("?")[2] for n in range(100)} == {"st=1&sig=3"}
        assert len(far.asked) == 1


def test_a_token_is_replaced_before_it_ends(monkeypatch):
    moved = [0.0]
    clock = time.monotonic
    monkeypatch.setattr(sas_tokens.time, "monotonic", lambda: clock() + moved[0])
    with loop(lambda _: token(timedelta(minutes=45), ahead=timedelta(hours=3))) as far:
        asked = signer(far)
        for minutes, expected in ((0, 1), (39, 1), (41, 2), (41 + 41, 3)):
            moved[0] = minutes * 60
            asked.signed(HREF.format(0))
            assert len(far.asked) == expected


@pytest.mark.parametrize(
    ("life", "second"),
    [
        (timedelta(minutes=4), 180),  # a quarter of a short life is spared
        (timedelta(minutes=45), 40 * 60),  # five minutes of a longer one
        (timedelta(days=-1), 60),  # what is over by the clocks is used for a minute
    ],
)
def test_how_long_a_token_is_used(monkeypatch, life, second):
    moved = [0.0]
    clock = time.monotonic
    monkeypatch.setattr(sas_tokens.time, "monotonic", lambda: clock() + moved[0])
    with loop(lambda _: token(life)) as far:
        asked = signer(far)
        for after, expected in ((0, 1), (second - 5, 1), (second + 5, 2)):
            moved[0] = after
            asked.signed(HREF.format(0))
            assert len(far.asked) == expected


def test_how_long_a_failure_is_remembered(monkeypatch):
    moved = [0.0]
    clock = time.monotonic
    monkeypatch.setattr(sas_tokens.time, "monotonic", lambda: clock() + moved[0])
    with loop(lambda _: Said({}, 404)) as far:
        asked = signer(far)
        for after, expected in ((0, 1), (58, 1), (62, 2)):
            moved[0] = after
            with pytest.raises(NetworkError, match="has no such page"):
                asked.signed(HREF.format(0))
            assert len(far.asked) == expected


def test_a_busy_service_is_waited_for_as_it_says_and_then_left_alone(monkeypatch):
    monkeypatch.setattr(sas_tokens, "POLICY", replace(sas_tokens.POLICY, longest_wait_s=1.5))
    said = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 26 seconds."}
    with loop(lambda _: Said(said, 429, {"Retry-After": "1"})) as far:
        asked = signer(far)
        for number in range(12):
            with pytest.raises(NetworkError, match=r"HTTP 429: Rate limit is exceeded. Try again in 26 seconds\)"):
                asked.signed(HREF.format(number))
        first, second = far.asked
        assert second.at - first.at >= 1


def test_a_failure_is_remembered_for_its_container_and_no_other():
    with loop(lambda ask: Said({}, 404) if "bad" in ask.path else token(timedelta(minutes=45))) as far:
        asked = signer(far)
        for _ in range(5):
            with pytest.raises(NetworkError, match="has no such page"):
                asked.signed("http://127.0.0.1/bad/1.tif")
        assert asked.signed(HREF.format(1)).endswith("sig=3")
        assert len(far.asked) == 2


@pytest.mark.parametrize("body", [b"[]", b"{", b"<html><title>Sign in</title>", b"[" * 100_000, b'{"token": "x"}'])
def test_an_answer_without_a_token_is_one_line(body):
    with loop(lambda _: Said(body)) as far, pytest.raises(NetworkError, match=r"gives no token; try again later"):
        signer(far).signed(HREF.format(1))
