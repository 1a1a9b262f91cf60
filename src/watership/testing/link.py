"""A link carries TCP connections to a server, and fails as links do: slow, cut, silent, half-open, refused.

Clients are given the link's port instead of the server's. It runs in a thread of its own, and what it does can be
changed at any time from any other:

    with Link("127.0.0.1", 5432) as link:
        connect(port=link.port)
        link.become(latency=0.2)  # each chunk is late, the order stays
        link.become(held=True)  # nothing passes; all that waited passes when the link heals
        link.become(half_open=True)  # what is sent is swallowed, nobody is told; these connections never recover
        link.become(reset_after=100)  # each connection is reset in the middle of whatever, after so many bytes
        link.become(refused=True)  # new connections are reset at once
        link.cut()  # every connection is reset now
        link.become()  # healed
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

T = TypeVar("T")

CHUNK: Final = 64 * 1024
"""Bytes read at a time."""

LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with zero seconds: closing then sends RST instead of FIN."""

ANSWER_SECONDS: Final = 10.0
"""The link's thread does nothing but carry; it answers within milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a link does to what it carries. The default: nothing. `latency` is in seconds, one way."""

    latency: float = 0.0
    held: bool = False
    half_open: bool = False
    refused: bool = False
    reset_after: int | None = None


SOUND: Final = Condition()


class Link:
    """Carries from a port of its own to `host`:`port`. `carried` counts bytes, `broken` the connections it reset."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.carried = 0
        self.broken = 0
        self._target = (host, port)
        self._condition = SOUND
        self._lines: set[_Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"link to {port}", daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(ANSWER_SECONDS)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(ANSWER_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS)
        self._loop.close()

    @property
    def connections(self) -> int:
        """Connections that stand now."""
        return self._call(lambda: len(self._lines))

    def become(
        self,
        *,
        latency: float = 0.0,
        held: bool = False,
        half_open: bool = False,
        refused: bool = False,
        reset_after: int | None = None,
    ) -> None:
        """Take on this condition, for the connections that stand and for new ones. Without arguments: heal."""
        condition = Condition(
            latency=latency, held=held, half_open=half_open, refused=refused, reset_after=reset_after
        )
        self._call(lambda: self._take_on(condition))

    def cut(self) -> int:
        """Reset every connection now; how many there were."""
        return self._call(self._cut)

    def _call(self, function: Callable[[], T]) -> T:
        async def called() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(ANSWER_SECONDS)

    def _take_on(self, condition: Condition) -> None:
        self._condition = condition
        for line in self._lines:
            line.take_on(condition)

    def _cut(self) -> int:
        lines = tuple(self._lines)
        for line in lines:
            line.reset()
        return len(lines)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._greet, "127.0.0.1", 0, limit=CHUNK)

    def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: one that asyncio makes complains when it is cancelled.
        task = self._loop.create_task(self._accept(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._condition.refused:
            self.broken += 1
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=CHUNK)
        except OSError:
            # The server is down: the client, whom we have let in already, is to learn it as plainly as we can say it.
            self.broken += 1
            _reset(writer)
            return
        line = _Line(self, (reader, writer), (far_reader, far_writer))
        line.take_on(self._condition)
        self._lines.add(line)
        try:
            await line.carry()
        finally:
            self._lines.discard(line)

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        self._cut()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A turn for the transports, which close their sockets in callbacks.
        await asyncio.sleep(0)


Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Line:
    """One connection through a link: two streams, one in each direction."""

    def __init__(self, link: Link, near: Way, far: Way) -> None:
        self._link = link
        self._near = near
        self._far = far
        self._condition = SOUND
        self._passing = asyncio.Event()
        self._silent = False
        """Once bytes were swallowed the two ends no longer agree on what was said: it stays silent for ever."""
        self._carried = 0

    def take_on(self, condition: Condition) -> None:
        self._condition = condition
        self._silent = self._silent or condition.half_open
        self._carried = 0
        if condition.held:
            self._passing.clear()
        else:
            self._passing.set()

    def reset(self) -> None:
        self._link.broken += 1
        _reset(self._near[1])
        _reset(self._far[1])

    async def carry(self) -> None:
        """Until both ends have said their last, or one has broken off."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(self._near[0], self._far[1]))
                group.create_task(self._pass(self._far[0], self._near[1]))
        except* (OSError, _Broken):
            # Whatever befell one side befalls the other: what is reset here is reset there.
            _reset(self._near[1])
            _reset(self._far[1])
        finally:
            self._near[1].close()
            self._far[1].close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            if self._condition.latency:
                await asyncio.sleep(self._condition.latency)
            await self._passing.wait()
            if self._silent:
                continue
            writer.write(self._whole_or_part(chunk))
            await writer.drain()
            if self._over():
                self.reset()
                raise _Broken
        if self._silent:
            # The end of a connection is swallowed like the rest: the other side waits on.
            await asyncio.Event().wait()
        await self._passing.wait()
        if writer.can_write_eof():
            writer.write_eof()

    def _whole_or_part(self, chunk: bytes) -> bytes:
        most = self._condition.reset_after
        part = chunk if most is None else chunk[: max(0, most - self._carried)]
        self._carried += len(part)
        self._link.carried += len(part)
        return part

    def _over(self) -> bool:
        return self._condition.reset_after is not None and self._carried >= self._condition.reset_after


class _Broken(Exception):
    """The line was reset on purpose."""


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
