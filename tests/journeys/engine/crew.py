"""The crew: the processes of the system under test, started anew when they were killed, as a supervisor would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.engine.history import Frozen
from watership.demo.crew import Member
from watership.demo.traffic.client import Client, NoAnswer

ROOT = Path(__file__).resolve().parents[3]
APP = Path(__file__).with_name("app.py")

AGAIN_SECONDS = 0.1
"""Before a process is started again: one that dies at its start is not to take the whole machine."""

READY_SECONDS = 60.0
"""Within which a service is ready at the campaign's start, on a machine busy with other things."""


STOOD = (b"Application ready to accept connections", b"worker started")
"""What a process logs once it stands."""

DEPENDENCY_DOWN = 10
"""The exit status of a process that could not begin because what it needs does not answer: to be started again."""


LAST_WORDS = 3_000
"""Bytes of a log that are shown with a death."""


@dataclass(frozen=True, slots=True)
class Death:
    """A process that ended without having been asked: `code` is its exit status, negative for a signal."""

    name: str
    code: int
    words: str


class Role:
    """One process that is kept alive. `port` is where it answers HTTP."""

    def __init__(self, name: str, words: Sequence[str], port: int, environment: Mapping[str, str]) -> None:
        self.name = name
        self.port = port
        self.starts = 0
        self._command = (sys.executable, "-m", "watership", *words, "--app", f"{APP}:app")
        self._environment = environment
        self._member: Member | None = None

    @property
    def pid(self) -> int | None:
        """None between two lives."""
        return None if self._member is None or self._member.code is not None else self._member.pid

    @property
    def is_worker(self) -> bool:
        return self.name.startswith("worker")

    async def live(self, folder: Path) -> tuple[int, bytes]:
        """One life: how it ended, and what it logged."""
        log = folder / f"{self.name}.log"
        before = log.stat().st_size if log.exists() else 0
        self._member = await Member.start(self.name, self._command, folder, self._environment)
        self.starts += 1
        code = await self._member.ended()
        with log.open("rb") as lines:
            lines.seek(before)
            return code, lines.read()

    def send(self, number: signal.Signals) -> int | None:
        """Signal it; whom that reached."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pid

    async def ask(self, path: str) -> tuple[int, bytes]:
        """What it answers over HTTP. Raises NoAnswer."""
        client = Client("127.0.0.1", self.port)
        try:
            answer = await client.request("GET", path)
        finally:
            client.close()
        return answer.status, answer.body


class Crew:
    """Use as an async context manager. `deaths` are those that nobody wished; `frozen` who stood still, and when."""

    def __init__(self, roles: Sequence[Role], folder: Path) -> None:
        self.roles = tuple(roles)
        self.deaths: list[Death] = []
        self.frozen: list[Frozen] = []
        self.kills = 0
        self.starts_refused = 0
        """Lives that ended before they stood, because a dependency was down just then."""
        self._folder = folder
        self._ending = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def workers(self) -> list[Role]:
        return [role for role in self.roles if role.is_worker]

    @property
    def services(self) -> list[Role]:
        return [role for role in self.roles if not role.is_worker]

    async def __aenter__(self) -> Crew:
        self._tasks = [asyncio.create_task(self._keep(role), name=role.name) for role in self.roles]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def ready(self) -> None:
        """Return when every process answers that it is ready."""
        async with asyncio.timeout(READY_SECONDS):
            for role in self.roles:
                while not await self._is_ready(role):
                    await asyncio.sleep(0.05)

    async def end(self, seconds: float = 40.0) -> None:
        """SIGTERM for all. Whoever has not ended in time is killed, and counts among the deaths."""
        self._ending = True
        for role in self.roles:
            role.send(signal.SIGTERM)
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            role = next(each for each in self.roles if each.name == task.get_name())
            self.deaths.append(Death(role.name, 0, f"it had not ended {seconds:.0f} s after SIGTERM"))
            role.send(signal.SIGKILL)
        await asyncio.gather(*self._tasks)
        self._tasks = []

    def kill(self, role: Role) -> bool:
        """SIGKILL, as a power cut; False when it was just not there."""
        reached = role.send(signal.SIGKILL) is not None
        self.kills += reached
        return reached

    async def freeze(self, role: Role, seconds: float) -> bool:
        """SIGSTOP, and SIGCONT after `seconds`; False when it was just not there, or died meanwhile."""
        pid = role.send(signal.SIGSTOP)
        if pid is None:
            return False
        since = time.time()
        try:
            await asyncio.sleep(seconds)
        finally:
            until = time.time()
            thawed = role.pid == pid and role.send(signal.SIGCONT) == pid
            self.frozen.append(Frozen(pid=pid, since=since, until=until))
        return thawed

    async def _keep(self, role: Role) -> None:
        while not self._ending:
            code, words = await role.live(self._folder)
            stood = any(word in words for word in STOOD)
            if code == DEPENDENCY_DOWN and not stood:
                self.starts_refused += 1
            elif not self._was_asked(code, stood):
                self.deaths.append(Death(role.name, code, words[-LAST_WORDS:].decode(errors="replace")))
            await asyncio.sleep(AGAIN_SECONDS)

    def _was_asked(self, code: int, stood: bool) -> bool:
        """Whether an end was wished for: by us, or by a run that is poison."""
        if code == -signal.SIGKILL:
            return True
        # Before it stands it has no ears for a SIGTERM, and just dies of it.
        return self._ending and (code == 0 or (code == -signal.SIGTERM and not stood))

    async def _is_ready(self, role: Role) -> bool:
        with suppress(NoAnswer):
            return (await role.ask("/readyz"))[0] == 200
        return False


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Of a process: ours, the repository on its path, and its settings. Ours of Watership are left out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WATERSHIP_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "CAMPAIGN_FOLDER": str(folder),
        "WATERSHIP_LOG_FORMAT": "json",
        **settings,
    }
