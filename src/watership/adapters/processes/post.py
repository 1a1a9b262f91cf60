"""A post is the place of one instance: somebody must stand there, and who falls is replaced."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from watership.adapters.files.replace import replace_file
from watership.adapters.http.readiness import Readiness, readiness
from watership.adapters.processes import life, presence
from watership.adapters.processes.command import Command
from watership.adapters.processes.life import Life
from watership.adapters.processes.starving import VMSTAT, Starvation
from watership.releases.ports import HostSpec, Instance, InstanceState, Role

FIRST_BACKOFF_SECONDS = 0.1
LAST_BACKOFF_SECONDS = 5.0
"""Between restarts, doubling: a short fault is over at once, a broken build does not fill the machine."""

STABLE_SECONDS = 10.0
"""A process that lived this long did not crash at its start: the next restart is quick again."""

LOOK_SECONDS = 0.1
"""Between two looks at a process."""

READINESS_SECONDS = 0.5
"""Between two requests to /readyz."""

LOG_BYTES = 10 * 1024 * 1024
"""A log beyond this is kept once as .1 and begun anew: two such files per instance at most."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a post over the agent's own restart."""

    life: Life | None = None
    restarts: int = 0
    oom_kills: int = 0
    unwitnessed: bool = False
    """A process of the post has ended, and nobody saw how: it was the child of an agent that was gone by then."""


class Post:
    """Keeps one instance running until it is dismissed. Files of the post lie in `folder`, by its name."""

    def __init__(
        self,
        spec: HostSpec,
        role: Role,
        index: int,
        *,
        folder: Path,
        command: Command,
        wanted: bool = True,
        vmstat: Path = VMSTAT,
    ) -> None:
        self.name = f"{spec.deployment}-{role}-{index}"
        self.spec = spec
        self.role = role
        self.index = index
        self._command = command
        self._files: Callable[[str], Path] = lambda kind: folder / f"{self.name}.{kind}"
        self._record = self._read_record()
        self._wanted = wanted
        self._ready = False
        self._ended = False
        self._backoff = FIRST_BACKOFF_SECONDS
        self._starvation = Starvation(vmstat)
        self._task = asyncio.create_task(self._keep()) if wanted else None

    def instance(self) -> Instance:
        """How the post stands now, by what its process itself says."""
        told = self._presence()
        running = life.alive(self._files("lock"))
        return Instance(
            name=self.name,
            deployment=self.spec.deployment,
            role=self.role,
            state=self._state(told, running=running),
            pid=self._record.life.pid if self._record.life is not None and running else None,
            address=told.address if told is not None and running else None,
            digest=told.digest if told is not None and running else None,
            version=told.version if told is not None and running else None,
            restarts=self._record.restarts,
            oom_kills=self._oom_kills(),
        )

    def _oom_kills(self) -> int | None:
        record = self._record
        return None if record.unwitnessed and not record.oom_kills else record.oom_kills

    async def dismiss(self, grace_seconds: float) -> None:
        """End the process and stop replacing it: ask first, kill what is left after the grace."""
        self._wanted = False
        await self.leave()
        if self._alive():
            self._send(signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + grace_seconds
        while self._alive():
            if asyncio.get_running_loop().time() >= deadline:
                self._send(signal.SIGKILL, whole_session=True)
            await asyncio.sleep(LOOK_SECONDS / 4)
        for kind in ("lock", "presence", "record"):
            self._files(kind).unlink(missing_ok=True)

    async def leave(self) -> None:
        """Stop watching, and let the process live: the next agent takes it over."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _state(self, told: presence.Presence | None, *, running: bool) -> InstanceState:
        if not running:
            return InstanceState.DEAD
        if not self._wanted or (told is not None and told.state == "draining"):
            return InstanceState.DRAINING
        if told is not None and told.state == "ready" and (self._ready or self.role == "worker"):
            return InstanceState.READY
        return InstanceState.STARTING

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        born = asked = loop.time()
        while True:
            if not self._alive():
                self._ready = False
                if self._record.life is not None:
                    await self._pause(loop.time() - born)
                self._start()
                born = loop.time()
            elif loop.time() >= asked:
                asked = loop.time() + READINESS_SECONDS
                self._starvation.note()
                await self._ask_ready()
                self._rotate()
            await asyncio.sleep(LOOK_SECONDS)

    async def _pause(self, lived: float) -> None:
        """Wait before a restart: longer each time that the process dies young."""
        if lived >= STABLE_SECONDS:
            self._backoff = FIRST_BACKOFF_SECONDS
        await asyncio.sleep(self._backoff)
        self._backoff = min(self._backoff * 2, LAST_BACKOFF_SECONDS)

    def _start(self) -> None:
        again = self._record.life is not None
        self._files("presence").unlink(missing_ok=True)
        environment = os.environ | {presence.PRESENCE_VARIABLE: os.fspath(self._files("presence"))}
        try:
            begun = life.begin(
                self._command(self.spec, self.role, self.index),
                environment=environment,
                lock=self._files("lock"),
                log=self._files("log"),
            )
        except OSError as error:
            # A missing program or a full process table: told where the process would have told it, and tried again.
            with self._files("log").open("a", encoding="utf-8") as log:
                log.write(f"watership: the process could not be started: {error}\n")
            begun = Life(0, "")
        if begun is not None:
            self._keep_record(life=begun, restarts=self._record.restarts + again)
            self._ended = False

    def _keep_record(self, **facts: object) -> None:
        self._record = msgspec.structs.replace(self._record, **facts)
        replace_file(self._files("record"), msgspec.json.encode(self._record))

    def _alive(self) -> bool:
        """Whether the post is manned; takes over a process whose start was not recorded."""
        known = self._record.life
        code = life.bury(known.pid) if known is not None and known.pid else None
        manned = life.alive(self._files("lock"))
        if self._wanted and known is not None and known.pid and (code is not None or not manned):
            self._witness(known.pid, code)
        if not manned:
            return False
        if known is None or not life.birth(known.pid):
            self._adopt()
        return True

    def _witness(self, pid: int, code: int | None) -> None:
        """How a process ended that nobody told to end; once for each."""
        if self._ended:
            return
        self._ended = True
        code = life.ending(pid) if code is None else code
        if code is None:
            self._keep_record(unwitnessed=True)
        elif self._starvation.caused(code):
            self._keep_record(oom_kills=self._record.oom_kills + 1)

    def _adopt(self) -> None:
        """The process that holds the lock is another than the one recorded: find out which."""
        if (pid := life.holder(self._files("lock")) or self._told_pid()) and (born := life.birth(pid)):
            self._keep_record(life=Life(pid, born))
            self._ended = False

    def _told_pid(self) -> int | None:
        """Where the system does not tell who holds the lock, believe what the process says of itself."""
        try:
            return msgspec.json.decode(self._files("presence").read_bytes(), type=presence.Presence).pid
        except (OSError, msgspec.DecodeError):
            return None

    async def _ask_ready(self) -> None:
        told = self._presence()
        if self.role != "serve" or told is None or told.address is None or told.state != "ready":
            self._ready = False
            return
        match await readiness(told.address):
            case Readiness.READY:
                self._ready = True
            case Readiness.REFUSED:
                self._ready = False
            case Readiness.SILENT:
                pass  # the router, which is nearer, decides when silence means death

    def _presence(self) -> presence.Presence | None:
        known = self._record.life
        return presence.read(self._files("presence"), known.pid) if known is not None else None

    def _send(self, number: signal.Signals, *, whole_session: bool = False) -> None:
        if self._record.life is not None and self._record.life.pid:
            life.send(self._record.life, number, whole_session=whole_session)

    def _rotate(self) -> None:
        log = self._files("log")
        if log.exists() and log.stat().st_size > LOG_BYTES:
            # The process keeps its file open for appending: copied and cut, it goes on at the beginning.
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)

    def _read_record(self) -> Record:
        try:
            return msgspec.json.decode(self._files("record").read_bytes(), type=Record)
        except FileNotFoundError:
            return Record()
        except msgspec.DecodeError:
            # Replaced as a whole, so somebody else wrote it; the lock still tells whether a process lives.
            return Record()
