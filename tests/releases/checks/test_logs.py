"""Samples of logs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from tests.releases.checks.scenes import Looker, now
from watership.adapters.structlog import StructlogObserver
from watership.releases.book.quantity import Given
from watership.releases.checks.logs import private
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

HOUR = 3600.0
SAMPLE: dict[str, Given] = {"path": "logs/*.jsonl", "younger_than": HOUR}
ASKED: dict[str, Given] = {"of": "next", "request": "/nothing", "path": "logs/*.jsonl"}
LINE = f'{{"timestamp": "{now().isoformat()}", "level": "info", "event": "run claimed"}}\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mail to ada@example.com", "an e-mail address"),
        ("email=ada%40example.com", "an e-mail address"),
        ("call +49 151 23456789", "a phone number"),
        ("paid with 4111 1111 1111 1111", "a card number"),
        ("paid with 5555555555554444", "a card number"),
        ("authorization: Bearer abcdefghijklmnopqrst", "a bearer token"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "a signed token"),
        ("key sk-abcdefghijklmnop1234", "an API key"),
        ("2026-11-29T10:00:00+00:00 took 1795946913221 ms", ""),
        ("run 4111111111111112 of 1795946913221000", ""),
        ("sha256:41111111111111114111111111111111", ""),
        ("Bearer ***", ""),
        ("watership 2.1.0 at 127.0.0.1:3000", ""),
    ],
)
def test_what_is_private_is_seen_and_what_only_looks_so_is_not(text: str, words: str) -> None:
    assert private(text) == words


def test_every_line_is_an_object_with_its_fields(looker: Looker) -> None:
    looker.fails("logs.structured", "No line was written", **SAMPLE)
    looker.write("logs/a.jsonl", LINE)
    looker.passes("logs.structured", **SAMPLE)
    looker.write("logs/b.jsonl", LINE + "INFO it starts\n")
    looker.fails("logs.structured", "1 of 3 lines lack", **SAMPLE)
    looker.write("logs/b.jsonl", '{"level": "info"}\n')
    looker.fails("logs.structured", "lack timestamp, level, event", **SAMPLE)


def test_our_own_lines_are_structured(looker: Looker) -> None:
    out = io.StringIO()
    StructlogObserver(form="json", stream=out).note("worker started", worker="w")
    looker.write("logs/a.jsonl", out.getvalue())
    looker.passes("logs.structured", **SAMPLE)
    looker.passes("logs.levels", **SAMPLE)


def test_no_line_is_less_important_than_wanted(looker: Looker) -> None:
    looker.write("logs/a.jsonl", LINE + LINE.replace("info", "WARN"))
    looker.passes("logs.levels", **SAMPLE)
    looker.fails("logs.levels", "1 of 2 lines are below warning", **SAMPLE, at_least="warning")
    looker.write("logs/a.jsonl", LINE.replace("info", "debug"))
    looker.fails("logs.levels", "1 of 1 lines are below info", **SAMPLE)
    looker.write("logs/a.jsonl", LINE.replace("info", "loud"))
    looker.fails("logs.levels", "lines are below info", **SAMPLE)
    looker.write("logs/a.jsonl", "INFO it starts\n")
    looker.unsure("logs.levels", "tells its level", **SAMPLE)


def test_a_log_that_nobody_writes_to_is_no_sample(looker: Looker) -> None:
    old = LINE.replace(now().isoformat()[:11], (now() - timedelta(days=1)).isoformat()[:11])
    assert old != LINE
    looker.write("logs/a.jsonl", old)
    looker.fails("logs.structured", "No line was written to logs/*.jsonl within 1h", **SAMPLE)
    looker.write("logs/b.jsonl", old + LINE)
    assert "2 lines" in looker.passes("logs.structured", **SAMPLE)


def test_lines_that_do_not_say_when_they_were_written_are_of_no_time(looker: Looker) -> None:
    looker.write("logs/a.jsonl", '{"level": "info", "event": "run claimed"}\n')
    looker.unsure("logs.structured", "says when it was written", **SAMPLE, fields="level, event")
    looker.unsure("logs.levels", "says when it was written", **SAMPLE)


@pytest.fixture
def next(looker: Looker) -> Iterator[StandIn]:
    with StandIn() as standin:
        looker.named("next", standin.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield standin


def test_the_line_of_a_marked_request_holds_nothing_of_it(looker: Looker, next: StandIn) -> None:
    def logged(asked: Asked) -> Answer:
        fact = {"event": "http request", "request_id": asked.headers["x-request-id"]}
        looker.write("logs/a.jsonl", msgspec.json.encode(fact))
        return Answer(status=404)

    next.routes["GET /nothing"] = logged
    assert "canary-" in looker.passes("logs.scrubbed", **ASKED)


@pytest.mark.parametrize("leaks", ["query", "authorization"])
def test_a_service_that_logs_what_it_was_sent_fails(looker: Looker, next: StandIn, leaks: str) -> None:
    def logged(asked: Asked) -> Answer:
        told = {"query": asked.path, "authorization": asked.headers["authorization"]}[leaks]
        looker.write("logs/a.jsonl", f"{asked.headers['x-request-id']} {told}\n")
        return Answer(status=404)

    next.routes["GET /nothing"] = logged
    words = "an e-mail address" if leaks == "query" else "a bearer token"
    looker.fails("logs.scrubbed", words, **ASKED)
    assert "canary." not in looker.look("logs.scrubbed", ASKED).evidence


def test_logs_that_the_request_does_not_come_into_prove_nothing(looker: Looker, next: StandIn) -> None:
    looker.write("logs/a.jsonl", LINE)
    looker.passes("logs.scrubbed", **ASKED, seen=False)
    looker.seconds = 0.6
    looker.unsure("logs.scrubbed", "does not stand in", **ASKED)
    looker.unsure("logs.scrubbed", "Unavailable", **(ASKED | {"of": "nobody"}))
