"""What the nemesis can do to the three real servers, and what they must not hold any more in the end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from random import Random

import aio_pika

from tests.journeys.engine.faults import Fault, Server, Strike
from tests.journeys.engine.front_door import DEAD, LOOK_SECONDS, FrontDoor
from watership.errors import Unavailable
from watership.testing.servers.postgres import PostgresServer
from watership.testing.servers.process import Server as Process
from watership.testing.servers.rabbitmq import RabbitServer
from watership.testing.servers.redis import RedisServer

STORM = 300
"""Connections at once: more than PostgreSQL takes."""

WHO = b"user\0watership\0database\0watership\0\0"
STARTUP = struct.pack("!ii", 8 + len(WHO), 3 << 16) + WHO
"""The first words of a client of PostgreSQL's protocol 3.0; with trust that is all that it has to say."""

PING = ".ping."
"""Exclusive queues, by which a process proves its own connection; nobody else may delete them."""

KEPT = frozenset({"watership.v1.inbox", "watership.v1.dead"})

NO_MEMORY, MEMORY = "0.00001", "0.4"
"""Parts of the machine's memory above which RabbitMQ blocks publishers: at once, and its default."""


ANSWER_SECONDS = "20"
TRIES = 6
"""How long, and how often, the broker is asked for its queues."""

END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name NOT LIKE '% writer' AND pid IN (
  SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted)"""


class RealServers:
    """The servers as they stand, and how each of the faults befalls them. Nothing here blocks the loop."""

    def __init__(
        self, postgres: PostgresServer, rabbit: RabbitServer, redis: RedisServer, urls: Mapping[Server, str]
    ) -> None:
        self._postgres = postgres
        self._rabbit = rabbit
        self._redis = redis
        self._urls = urls
        self._vhost = urls["rabbitmq"].rpartition("/")[2] or "/"

    def front_door(self, random: Random, rate: float) -> FrontDoor:
        """A client of the broker, past all links."""
        return FrontDoor(self._urls["rabbitmq"], random, rate)

    def by_name(self, server: Server) -> Process:
        return {"postgres": self._postgres, "rabbitmq": self._rabbit, "redis": self._redis}[server]

    async def strike(self, strike: Strike) -> None:
        """Do it, and undo it after the strike's seconds."""
        acts: Mapping[Fault, Callable[[], Awaitable[object]]] = {
            Fault.POSTGRES_FAST: lambda: asyncio.to_thread(self._postgres.restart),
            Fault.POSTGRES_IMMEDIATE: lambda: asyncio.to_thread(self._immediate),
            Fault.POSTGRES_KILLED: lambda: _kill(self._postgres, strike.seconds),
            Fault.POSTGRES_FROZEN: lambda: _freeze(self._postgres, strike.seconds),
            Fault.STORM: lambda: self._storm(strike.seconds),
            Fault.SESSIONS_ENDED: lambda: asyncio.to_thread(self._end_sessions),
            Fault.BROKER_RESTARTED: lambda: asyncio.to_thread(self._rabbit.restart),
            Fault.BROKER_KILLED: lambda: _kill(self._rabbit, strike.seconds),
            Fault.BROKER_ALARM: lambda: self._alarm(strike.seconds),
            Fault.QUEUES_DELETED: self._delete_queues,
            Fault.REDIS_FLUSHED: lambda: asyncio.to_thread(self._redis.flush),
            Fault.REDIS_KILLED: lambda: _kill(self._redis, strike.seconds),
            Fault.REDIS_FROZEN: lambda: _freeze(self._redis, strike.seconds),
        }
        await acts[strike.fault]()

    async def left(self) -> dict[str, int]:
        """What stands in the outbox and in the queues, by name: all of it should be nought."""
        waiting = int(await asyncio.to_thread(self._count, "outbox"))
        queues = await asyncio.to_thread(self.queues)
        return {
            "outbox": waiting,
            **{name: each for name, each in queues.items() if name != DEAD and PING not in name},
        }

    def queues(self) -> dict[str, int]:
        """Messages in each queue, delivered ones too."""
        command = ("list_queues", "--timeout", ANSWER_SECONDS, "--no-table-headers", "--vhost", self._vhost)
        for left in reversed(range(TRIES)):
            try:
                listed = self._rabbit.ctl(*command, "name", "messages")
            except Unavailable:  # a queue between two leaders answers nobody, and the list waits for it
                if not left:
                    raise
            else:
                rows = (line.split("\t") for line in listed.splitlines() if "\t" in line)
                return {name: int(messages) for name, messages in rows}
        raise AssertionError("the last try returns or raises")

    def _count(self, table: str) -> str:
        return self._postgres.sql(f"SELECT count(*) FROM {table}", url=self._urls["postgres"])  # noqa: S608 - our own

    def _end_sessions(self) -> int:
        """Of the sessions whose locks say that workers live; the workers go on. How many there were."""
        ended = self._postgres.sql(END_SESSIONS, url=self._urls["postgres"])
        return len(ended.split())

    def _immediate(self) -> None:
        # "Immediate": no checkpoint, no goodbye; it recovers from its log at the next start.
        os.kill(self._postgres.pid, signal.SIGQUIT)
        while self._postgres.alive():
            time.sleep(0.02)
        self._postgres.start()

    async def _delete_queues(self) -> None:
        # Those that carry wake-ups; the dead letters' and the front door's hold what stands nowhere else.
        names = set(await asyncio.to_thread(self.queues)) - KEPT
        names = {name for name in names if PING not in name}
        async with (
            asyncio.timeout(LOOK_SECONDS),
            await aio_pika.connect(self._urls["rabbitmq"]) as connection,
        ):
            channel = await connection.channel()
            for name in names:
                await channel.queue_delete(name)

    async def _alarm(self, seconds: float) -> None:
        await asyncio.to_thread(self._rabbit.ctl, "set_vm_memory_high_watermark", NO_MEMORY)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(self._rabbit.ctl, "set_vm_memory_high_watermark", MEMORY)

    async def _storm(self, seconds: float) -> None:
        storm = await asyncio.to_thread(self._connect, STORM)
        try:
            await asyncio.sleep(seconds)
        finally:
            for each in storm:
                each.close()

    def _connect(self, many: int) -> list[socket.socket]:
        storm = []
        for _ in range(many):
            one = socket.create_connection(("127.0.0.1", self._postgres.port), 5.0)
            one.sendall(STARTUP)
            storm.append(one)
        return storm


async def _kill(server: Process, seconds: float) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(server.start)


async def _freeze(server: Process, seconds: float) -> None:
    await asyncio.to_thread(server.freeze)
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.to_thread(server.thaw)
