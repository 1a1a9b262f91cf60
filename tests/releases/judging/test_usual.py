"""What is usual is what live showed beside next, else what is on record of its very build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from msgspec import structs

from tests.simulation.release_world import LIVE, ReleaseWorld
from watership.releases.instruments import Document
from watership.releases.judging.fuse import Reading, Second, Trend
from watership.releases.judging.usual import keep_usual, usual
from watership.releases.service.baseline import DAY, PATH, Baseline, Figures, encoded
from watership.testing import run_in_virtual_time


class Papers:
    """Documents in memory: the baseline that is on record."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self, path: str) -> Document | None:
        return Document(path=path, content=self._content, sha256="0" * 64) if path == PATH else None


def known(
    seconds: Sequence[Second] = (), content: bytes | None = None, old: float = 0.0, **facts: Any
) -> dict[Trend, float]:
    """What is usual where a baseline with these facts is on record, after a soak with these seconds."""

    async def main() -> dict[Trend, float]:
        world = ReleaseWorld()
        baseline = Baseline(
            environment="simulation",
            version="2.0.5",
            digest=LIVE.build.digest,
            deployment=LIVE.deployment,
            captured_at=world.clock.now() - timedelta(seconds=old),
            by="Ina",
            figures=Figures(cache_hit_rate=0.9, p95=0.1),
        )
        there: Any = SimpleNamespace(documents=Papers(content or encoded(structs.replace(baseline, **facts))))
        env = replace(world.controller()._env, instruments=there)
        await keep_usual(env, world.plan, seconds)
        return await usual(env, world.plan)

    return run_in_virtual_time(main, limit_seconds=3600.0)


def test_a_baseline_of_lives_build_and_of_the_last_day_says_what_is_usual() -> None:
    assert known() == {"cache_hit_rate": 0.9}
    assert known(digest="sha256:other") == {}
    assert known(old=DAY + 1) == {}
    assert known(content=b"{") == {}


def test_what_live_showed_beside_next_comes_first() -> None:
    seconds = [Second(at=at, live=Reading(cache_hit_rate=rate)) for at, rate in enumerate((0.7, 0.8, 0.1))]

    assert known([*seconds, Second(at=9, next=Reading(query_time=1.0))]) == {"cache_hit_rate": 0.7}
