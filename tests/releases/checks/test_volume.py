"""The volume of logs, by what Elasticsearch counts in two times."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn

COUNT = "POST /logs-app-*/_count"
ASKED: dict[str, Given] = {
    "of": "logs",
    "streams": "logs-app-*",
    "over": 1800.0,
    "at_least": 0.5,
    "at_most": 2.0,
}


def test_the_volume_is_held_against_the_day_before(looker: Looker) -> None:
    lines = [4000, 4000]
    spans: list[tuple[datetime, datetime]] = []

    def counted(asked: Asked) -> Answer:
        span = msgspec.json.decode(asked.body)["query"]["range"]["@timestamp"]
        spans.append((datetime.fromisoformat(span["gte"]), datetime.fromisoformat(span["lt"])))
        return Answer({"count": lines[(len(spans) - 1) % 2], "_shards": {"total": 3, "failed": 0}})

    with StandIn({COUNT: counted}) as server:
        looker.named("logs", server.url)
        looker.passes("logs.volume", **ASKED)
        (then, before), (since, now) = spans[:2]
        assert [(end - start).total_seconds() for start, end in spans[:2]] == [1800.0, 1800.0]
        assert (now - before).total_seconds() == (since - then).total_seconds() == 86_400.0
        for lately in (1999, 8001):
            lines[1] = lately
            looker.fails("logs.volume", f"{lately:,} lines within 30m", **ASKED)
        lines[:] = [99, 99]
        looker.unsure("logs.volume", "100 are needed to compare with", **ASKED)
        with server.changed(COUNT, Answer({"count": 5000, "_shards": {"total": 3, "failed": 1}})):
            looker.unsure("logs.volume", "counted 2 of 3 shards", **ASKED)
        with server.changed(COUNT, Answer({"count": 0, "_shards": {"total": 0, "failed": 0}})):
            looker.unsure("logs.volume", "counted 0 of 0 shards", **ASKED)
        looker.unsure("logs.volume", "would be counted among", **ASKED, before=60.0)
    looker.named("logs", f"http://127.0.0.1:{free_port()}")
    looker.unsure("logs.volume", "no answer", **ASKED)
