"""How an API behaves to strangers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
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


def test_a_pattern_means_every_documented_endpoint_that_can_be_asked(looker: Looker, next: StandIn) -> None:
    wish = {"of": "next", "paths": "/api/*, /jobs"}
    limited = Answer({}, headers={"RateLimit-Policy": '"default";q=100;w=60'})
    paths: dict[str, Any] = {
        "/api/a": {"get": {}},
        "/api/b": {"get": {}, "post": {}},
        "/api/b/{id}": {"get": {}},
    }
    next.routes["GET /openapi.json"] = Answer(
        {"paths": {**paths, "/api/c": {"post": {}}, "/health": {"get": {}}}}
    )
    next.routes |= {"GET /api/a": limited, "GET /api/b": limited, "GET /jobs": limited}
    assert "3 endpoint(s) have a limit: /api/a, /api/b, /jobs." in looker.passes("api.rate_limited", **wish)
    next.routes["GET /api/b"] = Answer({})
    looker.fails("api.rate_limited", "/api/b tell no limit.", **wish)
    looker.unsure("api.rate_limited", "No path of", **(wish | {"paths": "/v9/*"}))
    next.routes["GET /openapi.json"] = Answer(status=500)
    looker.unsure("api.rate_limited", "Unavailable", **wish)


def test_a_refusal_counts_as_a_limit_when_it_says_until_when(looker: Looker, next: StandIn) -> None:
    headers = {"retry-after": "7"}

    def third(_: Asked) -> Answer:
        return Answer({}, status=429, headers=headers) if len(next.asked) % 3 == 0 else Answer({})

    next.routes["GET /jobs"] = third
    looker.passes("api.rate_limited", **LIMITED, burst=3)
    headers.clear()
    looker.fails("api.rate_limited", "tell no limit", **LIMITED, burst=3)


OURS, EVIL = "https://ours.example", "https://evil.example"

ACCESS: dict[str, tuple[dict[str, Any], str]] = {
    "as it is to be": ({}, ""),
    "a preflight of a stranger may be refused": ({"stranger": 403}, ""),
    "nobody is let in": ({"let": {}}, "lets nobody in at a preflight of https://ours.example"),
    "everybody is": ({"let": {OURS: "*"}}, "lets * in at a preflight of https://ours.example"),
    "strangers are": ({"let": {OURS: OURS, EVIL: "*"}}, "lets * in at a preflight of https://evil"),
    "a stranger by name": ({"let": {OURS: OURS, EVIL: EVIL}}, "lets https://evil.example in at a request"),
    "only beforehand": ({"then": {}}, "lets nobody in at a request of https://ours.example"),
    "a stranger only then": ({"then": {OURS: OURS, EVIL: EVIL}}, "in at a request of https://evil"),
    "broken": ({"broken": 500}, "answers a preflight of https://evil.example with 500"),
    "not there": ({"broken": 404}, "answers a request of https://evil.example with 404"),
    "broken for ours": ({"status": 500}, "answers a preflight of https://ours.example with 500"),
}


@pytest.mark.parametrize("case", ACCESS)
def test_only_our_own_pages_may_ask(looker: Looker, next: StandIn, case: str) -> None:
    told: dict[str, Any] = {"let": {OURS: OURS}, "status": 204}
    changes, words = ACCESS[case]
    told |= changes

    def answer(asked: Asked, let: dict[str, str], status: int) -> Answer:
        origin = asked.headers["origin"]
        got = let.get(origin)
        return Answer(
            status=told.get("broken", status), headers={"access-control-allow-origin": got} if got else {}
        )

    def preflight(asked: Asked) -> Answer:
        assert asked.headers["access-control-request-method"] == "GET"
        strange = asked.headers["origin"] != OURS
        return answer(asked, told["let"], told.get("stranger", 204) if strange else told["status"])

    next.routes["OPTIONS /jobs"] = preflight
    next.routes["GET /jobs"] = lambda asked: answer(asked, told.get("then", told["let"]), 200)
    if words:
        looker.fails("api.cors", words, **CORS)
    else:
        looker.passes("api.cors", **CORS)


def test_a_method_that_needs_leave_is_asked_for(looker: Looker, next: StandIn) -> None:
    headers = {"access-control-allow-origin": OURS, "access-control-allow-methods": "GET, PUT"}
    mine: dict[str, Given] = {**CORS, "allowed": OURS, "refused": "null"}

    def route(asked: Asked) -> Answer:
        return Answer({}, headers=headers if asked.headers["origin"] == OURS else {})

    next.routes |= {"OPTIONS /jobs": route, "GET /jobs": route}
    looker.passes("api.cors", **mine, method="PUT")
    looker.fails("api.cors", "lets https://ours.example not DELETE", **mine, method="DELETE")


def test_that_no_other_site_may_ask_has_to_be_said(looker: Looker, next: StandIn) -> None:
    next.routes |= {"OPTIONS /jobs": Answer(status=405), "GET /jobs": Answer({})}
    looker.passes("api.cors", **(CORS | {"allowed": "none"}))
    looker.unsure("api.cors", "an empty 'allowed'", **(CORS | {"allowed": ""}))
    next.routes["OPTIONS /jobs"] = Answer(status=500)
    looker.fails("api.cors", "with 500", **(CORS | {"allowed": "none"}))


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
