"""HAProxy's own process: started with the configuration of its agent, started again when it died, reloaded."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from watership.adapters.files.replace import replace_file
from watership.adapters.haproxy.configuration import Frame, frame, seating
from watership.adapters.haproxy.seats import Chair, names
from watership.adapters.helm.process import GRACE_SECONDS
from watership.adapters.http.readiness import READY_PATH
from watership.adapters.processes import life
from watership.errors import Unavailable
from watership.fleet.deployment import Slot

PLACES: Final = "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"
"""Where it lies on machines on which a user's PATH does not name it."""


class HaproxyProgram:
    """Everything of it lies in `folder`; it outlives the agent, and is found again by the lock that it holds."""

    def __init__(
        self,
        folder: Path,
        *,
        listen: str,
        health: str = READY_PATH,
        grace_seconds: int = int(GRACE_SECONDS),
        program: str = "haproxy",
    ) -> None:
        self.folder = folder.resolve()
        self._program = program
        self.listen = listen
        self.health = health
        self.grace_seconds = grace_seconds
        self._frame = Frame(
            listen=listen,
            socket=Path("haproxy.sock"),
            log=Path("log.sock"),
            lua=Path("hold.lua"),
            grace_seconds=grace_seconds,
        )

    @property
    def socket(self) -> Path:
        return self.folder / "haproxy.sock"

    @property
    def log(self) -> Path:
        return self.folder / "log.sock"

    @property
    def seating(self) -> Path:
        return self.folder / "seats.cfg"

    @property
    def runs(self) -> bool:
        return life.alive(self._lock)

    @property
    def pid(self) -> int:
        """Of its master process."""
        return msgspec.json.decode(self._life.read_bytes(), type=life.Life).pid

    def ensure(self) -> bool:
        """Start it unless it runs; whether it was started. Raises Unavailable when there is no HAProxy."""
        self._reap()
        if self.runs:
            return False
        path = shutil.which(self._program, path=f"{os.environ.get('PATH', '')}:{PLACES}")
        if path is None:
            raise Unavailable(
                f"There is no program '{self._program}' here.", fix="Install HAProxy: apt install haproxy."
            )
        self._write()
        begun = life.begin(
            [path, "-W", "-db", "-C", os.fspath(self.folder), "-f", "haproxy.cfg", "-f", "seats.cfg"],
            environment=os.environ,
            lock=self._lock,
            log=self.folder / "haproxy.log",
        )
        if begun is not None:
            replace_file(self._life, msgspec.json.encode(begun))
        return begun is not None

    def renew(self) -> None:
        """One that runs takes our configuration where it was begun with another: by an agent of an earlier version."""
        wanted = {"hold.lua": self._lua(), "haproxy.cfg": frame(self._frame).encode()}
        if self.runs and any((self.folder / name).read_bytes() != text for name, text in wanted.items()):
            self._write()
            self.reload()

    def reload(self) -> None:
        """Let it read its configuration again, without closing what it listens on."""
        os.kill(self.pid, signal.SIGUSR2)

    def stop(self) -> None:
        """Let it finish what is in flight, within its grace, and end."""
        if self.runs:
            os.kill(self.pid, signal.SIGUSR1)

    def kill(self) -> None:
        """End it at once."""
        if self.runs:
            os.killpg(self.pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Take note of the end of a process that we started, which would stay in the system's table."""
        with suppress(ChildProcessError, OSError, msgspec.DecodeError):
            os.waitpid(self.pid, os.WNOHANG)

    def last_words(self) -> str:
        """The end of what it printed."""
        try:
            return (self.folder / "haproxy.log").read_text(encoding="utf-8").strip()[-400:]
        except OSError:
            return ""

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self.folder / "hold.lua", self._lua())
        replace_file(self.folder / "haproxy.cfg", frame(self._frame).encode())
        if not self.seating.exists():
            empty = [Chair(name=name, address=None) for slot in Slot for name in names(slot)]
            replace_file(self.seating, seating(empty, health=self.health).encode())

    def _lua(self) -> bytes:
        return (resources.files("watership.adapters.haproxy") / "hold.lua").read_bytes()

    @property
    def _lock(self) -> Path:
        return self.folder / "haproxy.lock"

    @property
    def _life(self) -> Path:
        return self.folder / "haproxy.life"
