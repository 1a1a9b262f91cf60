"""A shell runs commands on machines, all machines at a time and each one's in order; what failed names its machine."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from watership.adapters.ssh import fence
from watership.adapters.ssh.command import Command
from watership.adapters.ssh.reach import Reach, ssh
from watership.errors import Fenced, Unavailable

OUTPUT_BYTES: Final = 4 * 1024 * 1024
"""Of each output of a command. What is looked at is some KB for each instance; more is no answer."""

PIECE: Final = 65_536

SLACK_SECONDS: Final = 15.0
"""Beyond a command's own time: to connect, to be told that it was ended, and for the silence that ends a connection."""

SSH_FAILED: Final = 255
"""How the client ends when it is its own failure."""

SAID: Final = 300
"""Characters of a command's last words in an error."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended, well or not."""

    code: int
    output: bytes
    errors: str


class Shell:
    """Runs commands by the OpenSSH client. `folder` is where the machines keep their epoch."""

    def __init__(self, reach: Reach, *, folder: str) -> None:
        self._reach = reach
        self._folder = folder

    async def act(self, commands: Sequence[Command], *, epoch: int) -> None:
        """Run each machine's commands in order, up to the first that fails there; the machines beside each other.

        Raises Fenced when a machine knows a higher epoch, and Unavailable, which names every machine that failed, how
        far it came, and those that are done.
        """
        machines = list(dict.fromkeys(each.machine for each in commands))
        mine = [[each for each in commands if each.machine == machine] for machine in machines]
        acts = [self._act(*each, epoch) for each in zip(machines, mine, strict=True)]
        ends = await asyncio.gather(*acts, return_exceptions=True)
        if failed := _failed(ends):
            done = [machine for machine, end in zip(machines, ends, strict=True) if end is None]
            raise Unavailable(f"{failed} Done on: {', '.join(done) or 'no machine'}.")

    async def look(self, commands: Sequence[Command]) -> dict[str, bytes]:
        """What each machine printed, one command each. Raises Unavailable, which names every machine that failed."""
        ends = await asyncio.gather(*(self._look(each) for each in commands), return_exceptions=True)
        if failed := _failed(ends):
            raise Unavailable(failed)
        return dict(end for end in ends if isinstance(end, tuple))

    async def _act(self, machine: str, commands: Sequence[Command], epoch: int) -> None:
        script = fence.script(commands, folder=self._folder, epoch=epoch)
        ended = await self._ended(machine, ("sh", "-s"), script, fence.seconds(commands))
        said = fence.refusal(ended.errors) if ended.code else fence.Refusal()
        if ended.code == fence.STALE and said.epoch is not None:
            raise Fenced(f"Machine {machine}", held=epoch, current=said.epoch)
        if ended.code:
            name = commands[said.command - 1].name if said.command else "the script"
            raise Unavailable(f"{machine}: '{name}' ended with {ended.code}: {_last(ended.errors)}.")

    async def _look(self, command: Command) -> tuple[str, bytes]:
        # It ends by itself where its caller has gone.
        words = ("timeout", "-k", str(fence.KILL_SECONDS), f"{command.seconds:g}", *command.words)
        ended = await self._ended(command.machine, words, command.given, command.seconds + fence.KILL_SECONDS)
        if ended.code:
            raise Unavailable(
                f"{command.machine}: '{command.name}' ended with {ended.code}: {_last(ended.errors)}."
            )
        return command.machine, ended.output

    async def _ended(self, machine: str, words: tuple[str, ...], given: bytes, seconds: float) -> Ended:
        """How words ended there. Raises Unavailable where the machine did not run them to their end."""
        process = await _begun(ssh(machine, words, self._reach))
        try:
            async with asyncio.timeout(seconds + SLACK_SECONDS):
                output, errors, _ = await asyncio.gather(
                    _read(process, process.stdout), _read(process, process.stderr), _give(process, given)
                )
                code = await process.wait()
        except TimeoutError:
            raise Unavailable(
                f"{machine} did not end within {seconds + SLACK_SECONDS:g} s; what it did is not known."
            ) from None
        finally:
            _kill(process)
            await process.wait()
        if max(len(output), len(errors)) > OUTPUT_BYTES:
            raise Unavailable(f"{machine} printed more than {OUTPUT_BYTES:,} bytes.")
        ended = Ended(code=code, output=output, errors=errors.decode(errors="replace"))
        if code == SSH_FAILED:
            raise Unavailable(
                f"{machine} cannot be reached by ssh: {_last(ended.errors)}.",
                fix=f"Try it: ssh -o BatchMode=yes {machine} true",
            )
        return ended


async def _begun(words: Sequence[str]) -> Process:
    try:
        # A group of its own: it does not hear our terminal, and is ended with what it started.
        return await asyncio.create_subprocess_exec(
            *words, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
        )
    except OSError as error:
        raise Unavailable(
            f"ssh cannot be run: {error.strerror}.", fix="Install it: apt-get install openssh-client"
        ) from error


async def _read(process: Process, stream: asyncio.StreamReader | None) -> bytes:
    """All of an output; of one that goes on and on, a little more than the bound, and its writer is ended."""
    assert stream is not None
    kept = bytearray()
    while piece := await stream.read(PIECE):
        kept += piece
        if len(kept) > OUTPUT_BYTES:
            _kill(process)
            break
    return bytes(kept)


def _kill(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _give(process: Process, given: bytes) -> None:
    assert process.stdin is not None
    # A command that ends without reading all of it says why by its code.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(given)
        await process.stdin.drain()
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.close()
        await process.stdin.wait_closed()


def _failed(ends: Sequence[object]) -> str:
    """The words of all that failed; what is no silence of a machine is raised as it is."""
    wrong = [end for end in ends if isinstance(end, BaseException)]
    for end in wrong:
        if not isinstance(end, Unavailable):
            raise end
    return " ".join(str(end) for end in wrong)


def _last(errors: str) -> str:
    """A program's last words; ours stand behind them."""
    lines = [line for line in errors.strip().splitlines() if not line.startswith(f"{fence.MARK} command")]
    return lines[-1][-SAID:].rstrip(".") if lines else "it said nothing"
