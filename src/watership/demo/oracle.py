"""The oracle sees step bodies being entered, from a process of its own that no chaos touches.

Every body of the demo's agents tells it before it does its work. Its log is compared with the journals afterwards:
a body that was entered after its result had been journaled was repeated, whatever the kernel believes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

VARIABLE = "DEMO_ORACLE"
"""The environment variable that names the oracle's socket; without it nobody is told (a build on its own)."""

ANSWER_SECONDS = 10.0
"""The oracle answers within milliseconds; a body that cannot tell it fails, and its step is tried again."""

NOTED = b"noted\n"


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """The body of step `key` of run `run` was entered, for the `attempt`-th time, at `at` of the oracle's clock."""

    run: str
    key: str
    attempt: int
    at: datetime
    pid: int


async def entered(idempotency_key: str) -> None:
    """Tell the oracle that a step's body was entered, and wait until it is written down."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return
    async with asyncio.timeout(ANSWER_SECONDS):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(f"{os.getpid()} {idempotency_key}\n".encode())
            answer = await reader.readline()
        finally:
            writer.close()
    if answer != NOTED:
        raise ConnectionError("the oracle did not note the step")


class Oracle:
    """Writes down what it is told, line by line, in the order in which it was told."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("ab", buffering=0)
        self._attempts: dict[str, int] = {}

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one line, one answer."""
        try:
            line = (await reader.readline()).decode().rstrip("\n")
            pid, _, told = line.partition(" ")
            if told:
                self._note(told, int(pid))
                writer.write(NOTED)
        except ConnectionError:
            return  # the worker was killed; whether it had entered is on record or not
        finally:
            writer.close()

    def _note(self, idempotency_key: str, pid: int) -> None:
        run, _, key = idempotency_key.partition(":")
        attempt = self._attempts[idempotency_key] = self._attempts.get(idempotency_key, 0) + 1
        entry = Entered(run=run, key=key, attempt=attempt, at=datetime.now(UTC), pid=pid)
        self._log.write(msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        self._log.close()


def read_log(path: Path) -> Iterator[Entered]:
    """What the oracle wrote down."""
    decoder = msgspec.json.Decoder(Entered)
    for line in path.read_bytes().splitlines():
        yield decoder.decode(line)


async def listen(socket: Path, log: Path) -> None:
    """Be the oracle until SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    oracle = Oracle(log)
    server = await asyncio.start_unix_server(oracle.hear, socket, backlog=1024)
    try:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        await ended.wait()
    finally:
        server.close()
        oracle.close()


if __name__ == "__main__":
    asyncio.run(listen(Path(sys.argv[1]), Path(sys.argv[2])))
