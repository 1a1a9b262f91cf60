"""A call is one line of JSON each way over a Unix socket; errors cross as the errors they are."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import msgspec

from watership.errors import BadInput, Conflict, Fenced, NotFound, Unavailable, WatershipError

Call = TypeVar("Call")
Result = TypeVar("Result")

LINE_BYTES = 4 * 1024 * 1024
"""Bytes of one line: a quarter of an hour of traffic figures takes under half a megabyte."""

PATH_BYTES = 103
"""Bytes that the system allows a socket's path (104 on macOS with the closing zero, 108 on Linux)."""

REPLY_SECONDS = 10.0
"""How long a caller waits beyond what it asked the other side to wait."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error on its way back."""

    code: str
    message: str
    fix: str = ""
    held: int = 0
    current: int = 0
    retry_after: float = 1.0


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    result: msgspec.Raw = msgspec.Raw(b"null")
    failure: Failure | None = None


def failure_of(error: WatershipError) -> Failure:
    return Failure(
        code=error.code,
        message=error.message,
        fix=error.fix,
        held=getattr(error, "held", 0),
        current=getattr(error, "current", 0),
        retry_after=getattr(error, "retry_after", 1.0),
    )


def error_of(failure: Failure, what: str) -> WatershipError:
    """The error to raise on the caller's side."""
    match failure.code:
        case Fenced.code:
            return Fenced(what, held=failure.held, current=failure.current)
        case BadInput.code:
            return BadInput(failure.message, fix=failure.fix)
        case Conflict.code:
            return Conflict(failure.message, fix=failure.fix)
        case NotFound.code:
            return NotFound(failure.message, fix=failure.fix)
        case Unavailable.code:
            return Unavailable(failure.message, fix=failure.fix, retry_after=failure.retry_after)
        case _:
            return WatershipError(failure.message, fix=failure.fix)


def socket_path(path: Path) -> str:
    """The shorter spelling of a socket's path. Raises BadInput when the system would refuse both."""
    spelling = min(os.fspath(path), os.path.relpath(path), key=len)
    if len(os.fsencode(spelling)) > PATH_BYTES:
        raise BadInput(
            f"The socket path {path} is longer than the {PATH_BYTES} bytes that the system allows.",
            fix="Put the state folder at a shorter path.",
        )
    return spelling


class CallServer(Generic[Call]):
    """Answers calls on `path`; `answer` gets each decoded call and returns what is to be encoded."""

    def __init__(self, path: Path, calls: object, answer: Callable[[Call], Awaitable[object]]) -> None:
        self.path = path
        self._decoder: msgspec.json.Decoder[Call] = msgspec.json.Decoder(calls)
        self._answer = answer
        self._callers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and stat.S_ISSOCK(self.path.stat().st_mode):
            # Of a process that was killed; a living one keeps others out by its port or its lock.
            self.path.unlink()
        before = os.umask(0o177)  # the socket must never be open to others, not even for a moment
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, socket_path(self.path), limit=LINE_BYTES
            )
        finally:
            os.umask(before)
        self._inode = self.path.stat().st_ino
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for caller in list(self._callers):
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        if self.path.exists() and self.path.stat().st_ino == self._inode:
            self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._callers.add(task)
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._reply(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            return  # the caller left, or sent a line beyond the limit
        except asyncio.CancelledError:
            return  # the server is closing; a task of the stream machinery must not report it
        finally:
            self._callers.discard(task)
            writer.close()

    async def _reply(self, line: bytes) -> Reply:
        try:
            return Reply(
                result=msgspec.Raw(msgspec.json.encode(await self._answer(self._decoder.decode(line))))
            )
        except msgspec.DecodeError as error:
            return Reply(failure=failure_of(BadInput(f"Not a call that is known here: {error}.")))
        except WatershipError as error:
            return Reply(failure=failure_of(error))
        except OSError as error:
            return Reply(failure=failure_of(Unavailable(f"The other side could not do it: {error}.")))


class Caller:
    """Makes calls; `what` names the other side in errors, `start` is the command that starts it.

    Every call has a connection of its own: there are a few each second, and none can wait behind another.
    """

    def __init__(self, path: Path, *, what: str, start: str) -> None:
        self._path = path
        self._what = what
        self._start = start

    async def call(self, call: msgspec.Struct, into: type[Result], *, seconds: float = 0.0) -> Result:
        """The result of `call`. Raises Unavailable when there was none; it may still have been done."""
        try:
            async with asyncio.timeout(REPLY_SECONDS + seconds):
                line = await self._exchange(msgspec.json.encode(call) + b"\n")
        except (OSError, TimeoutError, ValueError) as error:
            raise self._unavailable(str(error) or "no answer in time") from error
        try:
            reply = msgspec.json.decode(line, type=Reply)
            if reply.failure is not None:
                raise error_of(reply.failure, self._what)
            return msgspec.json.decode(reply.result, type=into)
        except msgspec.DecodeError as error:
            raise self._unavailable("its answer broke off") from error

    async def _exchange(self, line: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(socket_path(self._path), limit=LINE_BYTES)
        try:
            writer.write(line)
            await writer.drain()
            return await reader.readline()
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable(f"{self._what} did not answer on {self._path}: {why}.", fix=self._start)
