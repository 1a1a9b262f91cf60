"""The crew: processes of the demo's own (oracle, traffic, controllers), started, awaited and ended by their pid."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from watership.errors import Unavailable

GRACE_SECONDS = 10.0
"""What a process gets to end in before it is killed."""

START_SECONDS = 30.0


class Member:
    """One process. What it prints goes to a log of its name."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, log: Path) -> None:
        self._process = process
        self.name = name
        self.log = log

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> Member:
        """Start a process in a session of its own, so that Ctrl-C reaches it through us and in order."""
        log = folder / f"{name}.log"
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        return cls(process, name, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.returncode

    async def ended(self) -> int:
        return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Nothing, when it has ended already."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def end(self, seconds: float = GRACE_SECONDS) -> int:
        """SIGTERM, and SIGKILL for one that is still there after `seconds`."""
        if self.code is None:
            self.signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(seconds):
                    return await self._process.wait()
            except TimeoutError:
                self.signal(signal.SIGKILL)
        return await self._process.wait()

    async def says(self, words: str) -> None:
        """Wait until its log contains `words`. Raises Unavailable when it ends before, or takes too long."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while words not in self.log.read_text(encoding="utf-8", errors="replace"):
            if self.code is not None or asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"The demo's {self.name} did not start.", fix=f"Look at {self.log}.")
            await asyncio.sleep(0.02)

    def tail(self, lines: int = 5) -> str:
        """The last words of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
