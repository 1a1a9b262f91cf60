"""An entrance that leads to a side, and turns away who asks too often."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

HEALTH = {"path": "/health", "at": "version"}


@pytest.fixture
def sides(looker: Looker) -> Iterator[dict[str, StandIn]]:
    """The entrance, both sides, and nobody."""
    with ExitStack() as stack:
        found = {}
        for name, version in (("entrance", "2.0.5"), ("live", "2.0.5"), ("next", "2.1.0")):
            found[name] = stack.enter_context(StandIn({"GET /health": Answer({"version": version})}))
            looker.named(name, found[name].url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield found


def test_the_entrance_leads_to_one_side(looker: Looker, sides: dict[str, StandIn]) -> None:
    looker.passes("http.same", of="entrance", to="live", **HEALTH)
    looker.fails("http.same", "has 2.0.5 at 'version', next itself 2.1.0", of="entrance", to="next", **HEALTH)
    looker.unsure("http.same", "Unavailable", of="nobody", to="live", **HEALTH)
    looker.unsure("http.same", "Unavailable", of="entrance", to="nobody", **HEALTH)


def test_an_entrance_that_leads_there_only_sometimes_is_noticed(
    looker: Looker, sides: dict[str, StandIn]
) -> None:
    number = count()
    wavering = lambda _: Answer({"version": "2.1.0" if next(number) == 3 else "2.0.5"})  # noqa: E731
    with sides["entrance"].changed("GET /health", wavering):
        looker.fails("http.same", "has 2.0.5, 2.1.0", of="entrance", to="live", **HEALTH)
    with sides["entrance"].changed("GET /health", Answer(status=503)):
        looker.unsure("http.same", "answered 503", of="entrance", to="live", **HEALTH)


def test_who_asks_too_often_is_turned_away_and_told_for_how_long(
    looker: Looker, sides: dict[str, StandIn]
) -> None:
    number = count(1)

    def limited(_: Asked) -> Answer:
        return Answer() if next(number) <= 5 else Answer(status=429, headers={"retry-after": "3"})

    asked: dict[str, Given] = {"of": "entrance", "path": "/", "requests": 20}
    with sides["entrance"].changed("GET /", limited):
        assert "turned away request 6 with 429" in looker.passes("http.limited", **asked)
        looker.fails("http.limited", "nobody is let in", **asked)
    with sides["entrance"].changed("GET /", Answer()):
        looker.fails("http.limited", "let in all of 20", **asked)
    unsaid = iter([Answer(), Answer(status=429)])
    with sides["entrance"].changed("GET /", lambda _: next(unsaid)):
        looker.fails("http.limited", "without saying when", **asked)
    with sides["entrance"].changed("GET /", Answer(status=500)):
        looker.unsure("http.limited", "answered 500", **asked)
    looker.unsure("http.limited", "Unavailable", **(asked | {"of": "nobody"}))
    looker.unsure("http.limited", "not 100000", **(asked | {"requests": 100_000}))
