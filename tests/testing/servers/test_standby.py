"""A standby follows its primary, lags when it is told to, and can take over."""

from __future__ import annotations

import time

import pytest

from watership.errors import Unavailable
from watership.testing.servers import PostgresPair, PostgresServer, PostgresStandby

LAG = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < sent_lsn"


def test_a_standby_streams_from_its_primary_and_only_reads(postgres_pair: PostgresPair) -> None:
    primary, standby = postgres_pair
    assert primary.sql("SELECT state FROM pg_stat_replication") == "streaming"
    assert standby.sql("SELECT pg_is_in_recovery()") == "t"
    primary.sql("CREATE TABLE followed AS SELECT 1 AS a")
    standby.follow()
    assert standby.sql("SELECT a FROM followed") == "1"
    with pytest.raises(Unavailable, match="read-only"):
        standby.sql("CREATE TABLE written (a int)")


def test_a_standby_that_pauses_lags_until_it_goes_on(postgres_pair: PostgresPair) -> None:
    primary, standby = postgres_pair
    standby.pause()
    try:
        primary.sql("CREATE TABLE unseen (a int)")
        assert standby.sql("SELECT to_regclass('unseen') IS NULL") == "t"
        until = time.monotonic() + 10
        while primary.sql(LAG) != "1":  # what the standby received, it reports within moments
            assert time.monotonic() < until
    finally:
        standby.resume()
    assert standby.sql("SELECT to_regclass('unseen') IS NULL") == "f"


def test_the_primary_archives_what_it_has_written(postgres_pair: PostgresPair) -> None:
    primary = postgres_pair.primary
    piece = primary.sql("SELECT pg_walfile_name(pg_switch_wal())")
    until = time.monotonic() + 10
    while not (primary.archive / piece).exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    assert (primary.archive / piece).stat().st_size == 16 * 1024**2


def test_a_standby_that_is_promoted_writes() -> None:
    with PostgresServer(conf={"fsync": "off"}) as primary, PostgresStandby(primary) as standby:
        primary.kill()
        standby.promote()
        standby.sql("CREATE TABLE written (a int)")
        assert standby.sql("SELECT pg_is_in_recovery()") == "f"
