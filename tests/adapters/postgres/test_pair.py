"""A failover over a real primary with its standby: killed under writes, promoted, and counted by a real client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.conftest import started
from watership.adapters.postgres.pair import PostgresPair, answers, both_of, server_of, stopped_by
from watership.adapters.postgres.private_pair import private_pair
from watership.durable.clock import SystemClock
from watership.errors import BadInput
from watership.releases.readiness.drill import Drill
from watership.releases.readiness.failover import Bounds, hold
from watership.testing.servers import PostgresPair as Servers
from watership.testing.servers import PostgresServer, PostgresStandby

PATIENT = Bounds(lag=20.0)
"""This machine is shared."""


@pytest.fixture
def servers() -> Iterator[Servers]:
    """A pair that a test may kill."""
    for primary in started(PostgresServer):
        primary.sql("CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 100) g", url=primary.url)
        with PostgresStandby(primary) as standby:
            yield Servers(primary, standby)


def pair_of(servers: Servers, command: str) -> PostgresPair:
    primary, standby = servers.primary.url, servers.standby.url
    return PostgresPair(
        primary, standby, both_of(primary, standby), lose=stopped_by(command), whole=True, gone=2.0
    )


async def drilled(pair: PostgresPair, *, bounds: Bounds = PATIENT) -> Drill:
    return await hold(pair, SystemClock(), environment="test", by="dana", method="pair", bounds=bounds)


async def test_a_primary_that_answers_still_is_not_given_a_second_one_and_one_that_is_killed_is(
    servers: Servers,
) -> None:
    assert await server_of(servers.primary.url) != await server_of(servers.standby.url)
    for command, words in (("true", "answers still"), ("exit 3", "ended with 3")):
        drill = await drilled(pair_of(servers, command))
        assert drill.outcome == "failed" and words in drill.words and "nothing was promoted" in drill.words
        assert servers.standby.sql("SELECT pg_is_in_recovery()") == "t"
    assert servers.primary.sql("SELECT to_regclass('watership_heartbeat')", url=servers.primary.url) == ""

    slow = await drilled(pair_of(servers, "true"), bounds=Bounds(lag=0.0))
    assert "behind" in slow.words and await answers(servers.primary.url)

    drill = await drilled(pair_of(servers, f"kill -9 {servers.primary.pid}"))

    assert (drill.outcome, drill.words) == ("passed", "")
    assert [step.name for step in drill.steps] == [
        *("heartbeat", "replication", "loss", "promote", "writes again", "compare", "heartbeat taken away")
    ]
    assert drill.rto_seconds is not None and 0 < drill.rto_seconds < 60
    assert drill.rpo_seconds is not None and drill.rpo_seconds < 60
    kept, lost = drill.facts["kept"], drill.facts["lost"]
    assert isinstance(kept, int) and isinstance(lost, int) and kept >= 10 > lost
    assert servers.standby.sql("SELECT pg_is_in_recovery()") == "f"
    assert servers.standby.sql("SELECT to_regclass('watership_heartbeat')", url=servers.standby.url) == ""


async def test_what_the_standby_had_not_yet_is_counted_as_lost(servers: Servers, nightly: bool) -> None:
    if not nightly:
        pytest.skip("a pair more: at night")
    primary, standby = servers

    async def cut_off_and_killed() -> None:
        await asyncio.to_thread(standby.sql, "ALTER SYSTEM SET primary_conninfo = ''")
        await asyncio.to_thread(standby.sql, "SELECT pg_reload_conf()")
        await asyncio.sleep(1.0)
        await asyncio.to_thread(primary.kill)

    both = both_of(primary.url, standby.url)
    drill = await drilled(PostgresPair(primary.url, standby.url, both, lose=cut_off_and_killed))

    assert drill.outcome == "passed", drill.words
    lost = drill.facts["lost"]
    assert isinstance(lost, int) and lost > 0 and drill.rpo_seconds is not None and drill.rpo_seconds >= 0.2


async def test_a_private_pair_leaves_its_original_as_it_was(servers: Servers, nightly: bool) -> None:
    if not nightly:
        pytest.skip("three servers more: at night")
    before = servers.primary.sql("SELECT pg_current_wal_flush_lsn() IS NOT NULL, count(*) FROM pg_database")

    async with private_pair(servers.primary.url, None) as pair:
        drill = await drilled(pair)

    assert (drill.outcome, drill.words) == ("passed", "")
    assert (
        servers.primary.sql("SELECT pg_current_wal_flush_lsn() IS NOT NULL, count(*) FROM pg_database")
        == before
    )
    assert servers.standby.sql("SELECT pg_is_in_recovery()") == "t"


def test_the_address_of_both_keeps_role_and_parameters_and_says_for_itself_where_it_goes() -> None:
    both = both_of("postgresql://dana:p%40s@db1:5433/shop?sslmode=require", "postgresql://x@db2/other")
    assert both == "postgresql://dana:p%40s@db1:5433,db2/shop?sslmode=require"
    with pytest.raises(BadInput):
        both_of("postgresql://db1/shop?target_session_attrs=any", "postgresql://db2/shop")
