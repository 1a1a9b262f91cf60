"""Filebeat by its own statistics: what it reads, what was taken of it, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn


def stats(
    *,
    running: int = 2,
    acked: int = 1000,
    failed: int = 0,
    total: int = 1000,
    cpu: float = 1e4,
    uptime: float = 1e6,
    rss: int = 10**8,
) -> Answer:
    return Answer(
        {
            "beat": {
                "cpu": {"total": {"time": {"ms": cpu}}},
                "info": {"uptime": {"ms": uptime}},
                "memstats": {"rss": rss},
            },
            "filebeat": {"harvester": {"running": running}},
            "libbeat": {"output": {"events": {"acked": acked, "failed": failed, "total": total}}},
        }
    )


@pytest.fixture
def beat(looker: Looker) -> Iterator[StandIn]:
    with StandIn({"GET /stats": stats()}) as server:
        looker.named("beat", server.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield server


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (stats(running=0), "it reads no file"),
        (stats(acked=0, total=0), "no event was acknowledged"),
        (stats(failed=10), "1 % of 1,000 events failed"),
    ],
)
def test_a_shipper_that_loses_lines_fails(looker: Looker, beat: StandIn, answer: Answer, words: str) -> None:
    looker.passes("shipper.ships", of="beat", failed_below=0.01)
    beat.routes["GET /stats"] = answer
    looker.fails("shipper.ships", words, of="beat", failed_below=0.01)
    looker.unsure("shipper.ships", "no answer", of="nobody", failed_below=0.01)


def test_a_shipper_costs_little(looker: Looker, beat: StandIn) -> None:
    bounds = {"cpu_below": 0.05, "megabytes_below": 300.0}
    looker.passes("shipper.light", of="beat", **bounds)
    beat.routes["GET /stats"] = stats(cpu=9e4)
    looker.fails("shipper.light", "9 % of a processor", of="beat", **bounds)
    beat.routes["GET /stats"] = stats(rss=4 * 10**8)
    looker.fails("shipper.light", "400 MB", of="beat", **bounds)
    beat.routes["GET /stats"] = stats(uptime=5_000, cpu=1)
    looker.unsure("shipper.light", "not known yet", of="beat", **bounds)
    looker.unsure("shipper.light", "no answer", of="nobody", **bounds)
