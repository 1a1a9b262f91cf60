"""How an API behaves to strangers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

LIMITED = {"of": "next", "paths": "/jobs"}
CORS = {"of": "next", "path": "/jobs", "allowed": "https://ours.example", "refused": "https://evil.example"}
ANSWERED = {"of": "next", "requests": "GET /nothing 404"}
PROBLEM = {"title": "There is no such thing", "status": 404}
KIND = {"content-type": "application/problem+json"}


@pytest.fixture
def next(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as standin:
        looker.named("next", standin.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield standin


def test_a_limit_is_told_or_met(looker: Looker, next: StandIn) -> None:
    next.routes["GET /jobs"] = Answer({}, headers={"RateLimit-Policy": '"default";q=100;w=60'})
    looker.passes("api.rate_limited", **LIMITED)
    next.routes["GET /jobs"] = Answer({})
    looker.fails("api.rate_limited", "/jobs tell no limit.", **LIMITED)
    looker.fails("api.rate_limited", "meet none within 4 requests", **LIMITED, burst=4)
    looker.unsure("api.rate_limited", "Unavailable", **(LIMITED | {"of": "nobody"}))


def test_a_refusal_counts_as_a_limit_when_it_says_until_when(looker: Looker, next: StandIn) -> None:
    headers = {"retry-after": "7"}

    def third(_: Asked) -> Answer:
        return Answer({}, status=429, headers=headers) if len(next.asked) % 3 == 0 else Answer({})

    next.routes["GET /jobs"] = third
    looker.passes("api.rate_limited", **LIMITED, burst=3)
    headers.clear()
    looker.fails("api.rate_limited", "tell no limit", **LIMITED, burst=3)


@pytest.mark.parametrize(
    ("let", "words"),
    [
        ({"https://ours.example": "https://ours.example"}, ""),
        ({}, "lets nobody in when https://ours.example asks"),
        ({"https://ours.example": "*"}, "lets * in when https://ours.example asks"),
        (
            {"https://ours.example": "https://ours.example", "https://evil.example": "*"},
            "lets * in when https://evil",
        ),
        (
            {"https://ours.example": "https://ours.example", "https://evil.example": "https://evil.example"},
            "lets https://evil",
        ),
    ],
)
def test_only_our_own_pages_may_ask(looker: Looker, next: StandIn, let: dict[str, str], words: str) -> None:
    def preflight(asked: Asked) -> Answer:
        assert asked.headers["access-control-request-method"] == "POST"
        told = let.get(asked.headers["origin"])
        return Answer(headers={"access-control-allow-origin": told} if told else {})

    next.routes["OPTIONS /jobs"] = preflight
    if words:
        looker.fails("api.cors", words, **CORS)
    else:
        looker.passes("api.cors", **CORS)


def test_who_does_not_answer_lets_nobody_in_and_nobody_out(looker: Looker, next: StandIn) -> None:
    looker.unsure("api.cors", "Unavailable", **(CORS | {"of": "nobody"}))
    looker.unsure("errors.answered", "Unavailable", **(ANSWERED | {"of": "nobody"}))
    looker.unsure("errors.answered", "'GET /nothing' is no request", of="next", requests="GET /nothing")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(PROBLEM, status=404, headers=KIND), ""),
        (Answer(PROBLEM, status=200, headers=KIND), "was answered with 200, not 404"),
        (Answer(PROBLEM, status=404), "was answered as application/json"),
        (Answer(PROBLEM | {"status": 500}, status=404, headers=KIND), "says 500 within"),
        (Answer({"title": "No"}, status=404, headers=KIND), "no problem document"),
        (
            Answer(PROBLEM | {"detail": "Traceback (most recent call last): …"}, status=404, headers=KIND),
            "shows 'Traceback",
        ),
    ],
)
def test_an_error_is_answered_as_a_problem(looker: Looker, next: StandIn, answer: Answer, words: str) -> None:
    next.routes["GET /nothing"] = answer
    if words:
        looker.fails("errors.answered", words, **ANSWERED)
    else:
        looker.passes("errors.answered", **ANSWERED)
