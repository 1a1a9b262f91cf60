"""The servers of the tests themselves: they start, answer, keep what they were given, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import aio_pika
import asyncpg
import pytest
import redis.asyncio as redis

from watership.errors import BadInput, Conflict, Unavailable
from watership.testing.servers import PostgresServer, RabbitServer, RedisServer, Server, family, free_port
from watership.testing.servers.program import find, run

# Through a real client each.
Write = Callable[[str, str], Awaitable[None]]
Read = Callable[[str], Awaitable[str | None]]


class Kind(NamedTuple):
    make: type[PostgresServer] | type[RabbitServer] | type[RedisServer]
    shared: str
    write: Write
    read: Read


async def insert(url: str, text: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (text TEXT)")
    await connection.execute("DELETE FROM kept")
    await connection.execute("INSERT INTO kept VALUES ($1)", text)
    await connection.close()


async def select(url: str) -> str | None:
    connection = await asyncpg.connect(url)
    text = await connection.fetchval("SELECT text FROM kept")
    await connection.close()
    return str(text)


async def publish(url: str, text: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(text.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")


async def consume(url: str) -> str | None:
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message = await queue.get(no_ack=True)
        return message.body.decode()


async def put(url: str, text: str) -> None:
    async with redis.from_url(url) as client:
        await client.set("kept", text)


async def get(url: str) -> str | None:
    async with redis.from_url(url, decode_responses=True) as client:
        text = await client.get("kept")
        return None if text is None else str(text)


@pytest.fixture(
    params=[
        pytest.param(Kind(PostgresServer, "postgres_server", insert, select), id="postgres"),
        pytest.param(Kind(RabbitServer, "rabbit_server", publish, consume), id="rabbitmq"),
        pytest.param(Kind(RedisServer, "redis_server", put, get), id="redis"),
    ]
)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]  # pytest does not know what it passes on


async def test_a_private_server_keeps_what_it_confirmed_through_a_restart_and_a_kill(
    kind: Kind, request: pytest.FixtureRequest
) -> None:
    shared: Server = request.getfixturevalue(kind.shared)
    before = set(family.members(os.getpid()))
    with kind.make() as server:
        assert shared.answers()  # two at a time do not collide
        await kind.write(server.url, "through a restart")
        await asyncio.to_thread(server.restart)
        assert await kind.read(server.url) == "through a restart"

        # In this order: a quorum queue that RabbitMQ 3.10 declared moments before a crash has no leader after it.
        first = server.pid
        await kind.write(server.url, "through a kill")
        server.kill()
        assert not server.alive()
        assert not server.answers()
        await asyncio.to_thread(server.start)
        assert server.pid != first
        assert await kind.read(server.url) == "through a kill"

        started = set(family.members(os.getpid())) - before
        assert server.pid in started
    assert_gone(server, started - set(family.members(shared.pid)))


def assert_gone(server: Server, started: set[int]) -> None:
    assert [pid for pid in started if family.running(pid)] == []
    ports = {name: port for name, port in vars(server).items() if name.endswith("port")}
    assert [name for name, port in ports.items() if listens(port)] == []
    assert not server.folder.exists()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_frozen_server_answers_nobody_until_it_thaws() -> None:
    with RedisServer() as server:
        server.freeze()
        assert server.alive()
        assert not server.answers()
        server.thaw()
        assert server.answers()


def test_a_frozen_server_is_stopped_as_any_other() -> None:
    with PostgresServer(conf={"fsync": "off"}) as server:
        assert server.sql("SHOW fsync") == "off"
        server.freeze()
        frozen = family.members(server.pid)
    assert len(frozen) > 1
    assert [pid for pid in frozen if family.running(pid)] == []


async def test_each_fixture_is_a_fresh_corner(
    postgres_server: PostgresServer, rabbit_server: RabbitServer
) -> None:
    await insert(postgres_server.new_database(), "elsewhere")
    connection = await asyncpg.connect(postgres_server.new_database())
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.close()

    await publish(rabbit_server.new_vhost(), "elsewhere")
    with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
        await consume(rabbit_server.new_vhost())


def test_postgres_is_durable_unless_it_is_told_otherwise(postgres_server: PostgresServer) -> None:
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        assert postgres_server.sql(f"SHOW {name}") == "on"


def test_rabbitmq_takes_its_settings_and_can_be_told_what_to_do() -> None:
    with RabbitServer(conf={"consumer_timeout": "12000"}) as server:
        assert "{ok,12000}" in server.ctl("eval", "application:get_env(rabbit, consumer_timeout).")
        with pytest.raises(Unavailable, match="rabbitmqctl failed"):
            server.ctl("no_such_command")


def test_a_given_folder_is_kept_and_its_data_used_again() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with RedisServer(folder) as server:
            asyncio.run(put(server.url, "kept"))
        with RedisServer(folder) as server:
            assert asyncio.run(get(server.url)) == "kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must run PostgreSQL as somebody else")
def test_a_folder_that_the_unprivileged_user_cannot_enter_is_refused_by_name(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(BadInput, match="may not enter"):
        PostgresServer(closed / "data").start()


def test_a_server_that_ends_at_its_start_says_why() -> None:
    with pytest.raises(Unavailable, match=r"redis ended at its start(.|\n)*no-such-setting"):
        RedisServer(conf={"no-such-setting": "1"}).__enter__()


def test_a_server_is_not_started_twice() -> None:
    with RedisServer() as server, pytest.raises(Conflict, match="runs already"):
        server.start()


def test_a_missing_program_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(
        Unavailable, match=r"no-such-server is not installed\. Install it: (apt-get|brew) install "
    ):
        find("no-such-server", ["/usr/lib/*/bin"], package="the-package", formula="the-formula")


def test_of_several_versions_the_newest_is_taken(tmp_path: Path) -> None:
    for version in ("9.6", "15", "16.2"):
        program = tmp_path / version / "bin" / "postgres"
        program.parent.mkdir(parents=True)
        program.touch(mode=0o755)
    found = find("postgres", [f"{tmp_path}/*/bin"], package="postgresql", formula="postgresql")
    assert found == tmp_path / "16.2" / "bin" / "postgres"


def test_a_program_that_fails_says_what_it_complained_of(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="sh failed with 3: no luck"):
        run(["/bin/sh", "-c", "echo no luck >&2; exit 3"], environment={}, folder=tmp_path)


def test_no_port_is_given_twice() -> None:
    ports = [free_port() for _ in range(300)]
    assert len(set(ports)) == len(ports)
    assert not any(map(listens, ports))


def test_no_port_is_given_to_two_processes_that_live() -> None:
    ask = (
        "from watership.testing.servers import free_port; print(*(free_port() for _ in range(2000))); input()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    given: list[bytes] = []
    for process in processes:
        assert process.stdout is not None
        given += process.stdout.readline().split()
    for process in processes:
        process.communicate(b"\n")
    assert len(set(given)) == len(given) == 4000


def test_a_family_is_killed_with_members_that_left_its_group() -> None:
    child = "import os, time; os.setsid(); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        gone = family.kill(process.pid)
        assert len(gone) == 2
    assert process.returncode == -signal.SIGKILL
