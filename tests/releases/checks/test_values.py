"""Values of documents, and baselines."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.releases.checks.scenes import Looker, now
from watership.releases.book.quantity import Given

TOML = '[limits]\nrequests_per_minute = 600\n[log]\nlevel = "info"\nopen = false\nempty = ""\n'


def test_values_keep_what_is_said_of_them(looker: Looker) -> None:
    looker.write("a.toml", TOML)
    that = "limits.requests_per_minute >= 1, limits.requests_per_minute < 601, log.level = info, log.open = false, log"
    looker.passes("document.holds", path="a.toml", that=that)
    looker.write("a.json", '{"a": [{"b": 1.5}]}')
    looker.passes("document.holds", path="a.json", that="a.0.b > 1, a.0.b <= 1.5")
    looker.write("a.yaml", "a: {b: text}")
    looker.passes("document.holds", path="a.yaml", that="a.b = text")


@pytest.mark.parametrize(
    ("that", "words"),
    [
        ("limits.requests_per_minute >= 601", "is 600, not >= 601"),
        ("log.level = debug", "log.level is info, not debug"),
        ("log.level > 1", "which is no number"),
        ("log.open >= 0", "which is no number"),
        ("log.empty", "log.empty is not there"),
        ("log.colour", "log.colour is not there"),
    ],
)
def test_a_value_that_does_not_is_named(looker: Looker, that: str, words: str) -> None:
    looker.write("a.toml", TOML)
    looker.fails("document.holds", words, path="a.toml", that=that)


def test_what_cannot_be_read_is_no_verdict(looker: Looker) -> None:
    looker.fails("document.holds", "There is no a.toml", path="a.toml", that="a")
    looker.write("a.toml", "a = ")
    looker.unsure("document.holds", "cannot be read", path="a.toml", that="a")
    looker.write("a.txt", "a")
    looker.unsure("document.holds", "neither json, toml nor yaml", path="a.txt", that="a")
    looker.write("a.json", "{}")
    for nothing in ("", " , "):
        looker.unsure("document.holds", "an empty 'that'", path="a.json", that=nothing)


def baseline(looker: Looker, **more: object) -> None:
    whole = {
        "version": "2.0.5",
        "captured_at": now() - timedelta(minutes=30),
        "figures": {"p95": 0.1, "queue_depth": None},
    }
    looker.write("baseline.json", msgspec.json.encode(whole | more))


def test_a_baseline_is_of_live_fresh_and_made_of_numbers(looker: Looker) -> None:
    asked: dict[str, Given] = {"path": "baseline.json", "younger_than": 3600.0, "numbers": "figures.p95"}
    looker.fails("baseline.holds", "There is no", **asked)
    baseline(looker)
    looker.passes("baseline.holds", **asked)
    looker.fails("baseline.holds", "10m is the limit", **(asked | {"younger_than": 600.0}))
    looker.fails(
        "baseline.holds", "figures.queue_depth is no number", **(asked | {"numbers": "figures.queue_depth"})
    )
    looker.fails("baseline.holds", "not < 0.05", **asked, that="figures.p95 < 0.05")
    looker.fails("baseline.holds", "next is 2.1.0", **asked, of="next")
    baseline(looker, captured_at=None)
    looker.fails("baseline.holds", "does not say when", **asked)
    baseline(looker, captured_at="2026-11-29T10:00:00")
    looker.fails("baseline.holds", "does not say when", **asked)
    baseline(looker, captured_at=now() + timedelta(hours=1))
    looker.fails("baseline.holds", "captured at", **asked)
    looker.write("baseline.json", "no JSON")
    looker.unsure("baseline.holds", "cannot be read", **asked)
