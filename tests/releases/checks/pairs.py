"""A primary whose log is archived, and then is not, and a role that needs a password."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from watership.testing.servers import PostgresServer

GIVE_UP = 30.0

FAILING = "SELECT last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver"


def archived(server: PostgresServer) -> None:
    """A piece of the log is archived now."""
    before = server.sql("SELECT archived_count FROM pg_stat_archiver")
    _switch(server)
    until(lambda: server.sql("SELECT archived_count FROM pg_stat_archiver") != before)


@contextmanager
def not_archiving(server: PostgresServer) -> Iterator[None]:
    """Meanwhile nothing can be archived: where its folder was, there is a file."""
    kept = server.archive.rename(server.archive.with_name("archive.kept"))
    server.archive.touch()
    try:
        _switch(server)
        until(lambda: server.sql(FAILING) == "t")
        yield
    finally:
        server.archive.unlink()
        kept.rename(server.archive)
        archived(server)


@contextmanager
def with_password(server: PostgresServer, role: str, password: str) -> Iterator[None]:
    """Meanwhile there is a role that is let in by its password alone, which is valid until tomorrow."""
    rules = server.data / "pg_hba.conf"
    before = rules.read_text()
    server.sql(f"DROP ROLE IF EXISTS {role}")
    server.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{password}' VALID UNTIL 'tomorrow'")
    try:
        rules.write_text(f"host all {role} all scram-sha-256\n{before}")
        _reload(server)
        yield
    finally:
        rules.write_text(before)
        _reload(server)
        server.sql(f"DROP ROLE {role}")


def _reload(server: PostgresServer) -> None:
    loaded = server.sql("SELECT pg_conf_load_time()")
    server.sql("SELECT pg_reload_conf()")
    until(lambda: server.sql("SELECT pg_conf_load_time()") != loaded)


def _switch(server: PostgresServer) -> None:
    server.sql("SELECT pg_logical_emit_message(false, 'test', 'x')")
    server.sql("SELECT pg_switch_wal()")


def until(good: Callable[[], bool]) -> None:
    """Look again until it is so."""
    end = time.monotonic() + GIVE_UP
    while not good():
        assert time.monotonic() < end, "it never became so"
        time.sleep(0.02)
