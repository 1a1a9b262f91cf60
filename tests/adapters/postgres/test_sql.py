"""SQL for checks: what it reads is plain, and it cannot write."""

from __future__ import annotations

import socket
import threading

import pytest

from watership.adapters.postgres.sql import PostgresSql
from watership.errors import BadInput, Unavailable
from watership.testing.servers import PostgresServer, free_port


async def test_rows_come_as_plain_values_and_what_is_no_number_does_not_become_one(
    postgres_server: PostgresServer,
) -> None:
    statement = """SELECT 1 AS whole, 1.5::numeric AS exact, 3.0::numeric AS round, 'NaN'::numeric AS nan,
        'NaN'::float8 AS not_a_number, true AS yes, NULL AS nothing, interval '2 min' AS span,
        '2026-01-02 03:04:05+00'::timestamptz AS moment, ARRAY[1, 2] AS several, '\\x0a'::bytea AS raw,
        '10.0.0.1'::inet AS address"""
    [row] = await PostgresSql().rows(postgres_server.url, statement)
    assert row == {
        "whole": 1,
        "exact": 1.5,
        "round": 3,
        "nan": "NaN",
        "not_a_number": "nan",
        "yes": True,
        "nothing": None,
        "span": 120.0,
        "moment": "2026-01-02T03:04:05+00:00",
        "several": "[1,2]",
        "raw": "0a",
        "address": "10.0.0.1",
    }
    assert await PostgresSql().rows(postgres_server.url, "SHOW fsync") == [{"fsync": "on"}]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE written (a int)", "reads nothing"),
        ("WITH a AS (UPDATE pg_class SET relname = relname RETURNING 1) SELECT 1 FROM a", "read-only"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1; SELECT 2", "multiple commands"),
        ("SELECT a FROM nowhere", "nowhere"),
        ("SELECT 1, 2", r"Two columns are named \?column\?"),
        ("SELECT generate_series(1, 1001)", "more than 1,000 rows"),
        ("", "reads nothing"),
    ],
)
async def test_a_statement_that_is_refused_says_why(
    postgres_server: PostgresServer, statement: str, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        await PostgresSql().rows(postgres_server.url, statement)


async def test_a_statement_that_takes_too_long_is_unavailable(postgres_server: PostgresServer) -> None:
    with pytest.raises(Unavailable, match="statement timeout"):
        await PostgresSql(seconds=0.05).rows(postgres_server.url, "SELECT pg_sleep(60)")


async def test_nobody_there_is_unavailable_and_shows_no_password() -> None:
    with pytest.raises(Unavailable, match="does not answer") as caught:
        await PostgresSql().rows(f"postgresql://user:hush@127.0.0.1:{free_port()}/name", "SELECT 1")
    assert "hush" not in str(caught.value)


async def test_of_several_hosts_one_that_is_there_is_asked(postgres_server: PostgresServer) -> None:
    url = f"postgresql://watership@127.0.0.1:{free_port()},127.0.0.1:{postgres_server.port}/watership"
    assert await PostgresSql().rows(url, "SELECT 1 AS one") == [{"one": 1}]


async def test_who_is_not_let_in_is_told_so(postgres_server: PostgresServer) -> None:
    with pytest.raises(Unavailable, match=r"did not let us in.*no_such"):
        await PostgresSql().rows(postgres_server.url_of("no_such"), "SELECT 1")
    for nonsense in ("http://host/x", "postgresql://u:hu/sh@host/x"):
        with pytest.raises(BadInput) as caught:
            await PostgresSql().rows(nonsense, "SELECT 1")
        assert "hu/" not in str(caught.value)


async def test_somebody_else_at_the_port_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(5)
        port = other.getsockname()[1]

        def say() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        speaking = threading.Thread(target=say)
        speaking.start()
        with pytest.raises(Unavailable):
            await PostgresSql().rows(f"postgresql://user@127.0.0.1:{port}/name", "SELECT 1")
        speaking.join()
