"""A command runs to its end, or is ended with everything it started when its time is over."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from watership.errors import BadInput, Unavailable
from watership.releases.instruments import Finished

OUTPUT_BYTES: Final = 1024 * 1024
"""Kept of each of the two outputs: the end, where a program says what came of it."""

LINGER_SECONDS: Final = 1.0
"""How long the outputs are read on after the command's end: what it left running may keep them open for ever."""

PIECE: Final = 65_536
"""Bytes that are read at a time."""


class ProcessCommands:
    """Commands as child processes, below `root` or in another folder; they find our environment."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def run(
        self,
        words: Sequence[str],
        *,
        folder: str = "",
        variables: Mapping[str, str] = {},
        timeout: float = 60.0,
    ) -> Finished:
        async with _pipe() as output, _pipe() as errors:
            process = await _begin(words, self._root / folder, variables, output, errors)
            try:
                async with asyncio.timeout(timeout):
                    code = await process.wait()
            except TimeoutError:
                raise Unavailable(f"{words[0]} took longer than {timeout:g} s and was ended.") from None
            finally:
                if process.returncode is None:
                    _end(process.pid)
                    await process.wait()
            await asyncio.wait([output.reading, errors.reading], timeout=LINGER_SECONDS)
            cut = output.cut or errors.cut
            return Finished(code=code, output=output.text, errors=errors.text, cut=cut)


class _Pipe:
    """One of a command's outputs: what came of it, up to the bound."""

    def __init__(self, reader: asyncio.StreamReader, into: int) -> None:
        self.into: int | None = into
        self._kept = bytearray()
        self.cut = False
        self.reading = asyncio.ensure_future(self._read(reader))

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")

    def hand_over(self) -> None:
        """The end to write into is the child's alone: else its end would never be the end of what comes."""
        if self.into is not None:
            os.close(self.into)
            self.into = None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(PIECE):
            self._kept += piece
            if (over := len(self._kept) - OUTPUT_BYTES) > 0:
                del self._kept[:over]
                self.cut = True


@asynccontextmanager
async def _pipe() -> AsyncIterator[_Pipe]:
    out_of, into = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(out_of, "rb", 0)
    )
    pipe = _Pipe(reader, into)
    try:
        yield pipe
    finally:
        pipe.hand_over()
        pipe.reading.cancel()
        await asyncio.wait([pipe.reading])
        transport.close()


async def _begin(
    words: Sequence[str], folder: Path, variables: Mapping[str, str], output: _Pipe, errors: _Pipe
) -> Process:
    if not words or any("\0" in word for word in words):
        raise BadInput("A command needs a program, and words without NUL.")
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder} to run {words[0]} in.")
    try:
        return await asyncio.create_subprocess_exec(
            *words,
            cwd=folder,
            env={**os.environ, **variables},
            stdin=DEVNULL,
            stdout=output.into,
            stderr=errors.into,
            # A group of its own, so that it can be ended with what it started, and does not hear our terminal.
            start_new_session=True,
        )
    except OSError as reason:
        # Its words alone: the command's others may hold a password.
        raise Unavailable(
            f"{words[0]} cannot be run: {reason.strerror}.", fix="Install it, or name its path."
        ) from None
    finally:
        output.hand_over()
        errors.hand_over()


def _end(pid: int) -> None:
    """Kill the process, its group, and those of its descendants that made a group of their own."""
    try:
        family = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
