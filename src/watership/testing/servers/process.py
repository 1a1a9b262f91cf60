"""A server of a test: started until it answers, stopped, killed, frozen, and restarted on its data and its ports."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from watership.errors import Conflict, Unavailable
from watership.testing.servers import family
from watership.testing.servers.program import group_of

START_SECONDS = 90.0  # RabbitMQ takes 5 s on two idle cores; a busy machine is allowed to be slow
STOP_SECONDS = 30.0  # a graceful stop writes what is in memory; longer than that means that it hangs
POLL_SECONDS = 0.02  # short beside the fastest start, long beside the cost of asking
LOG_LINES = 15  # of the server's log, in the error of a start that failed


class Server(ABC):
    """A private server. `with` starts it and, afterwards, stops it; without a `folder` its data go then too."""

    name: ClassVar[str]
    # What asks the server to end in order.
    graceful: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path | None = None, *, conf: Mapping[str, str] | None = None) -> None:
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix=f"watership-{self.name}-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        # The server's own settings; what is changed here holds from the next start.
        self.conf: dict[str, str] = dict(conf or {})
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The program to start, in the foreground, with its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server answers a client now."""

    @abstractmethod
    def prepare(self) -> None:
        """Write what the server reads at its start; before the first one, make its data too."""

    def environment(self) -> dict[str, str]:
        """What the program finds in its environment."""
        return dict(os.environ)

    @property
    def user(self) -> str | None:
        """Whose processes they are; None: ours."""
        return None

    @property
    def pid(self) -> int:
        """The id of the server's main process."""
        if self._process is None:
            raise Conflict(f"{self.name} was not started.", fix="Call start().")
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.folder / f"{self.name}.log"

    def start(self) -> Self:
        """Start the server and wait until it answers."""
        if self.alive():
            raise Conflict(f"{self.name} runs already, as process {self.pid}.")
        self.prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                env=self.environment(),
                cwd=self.folder,
                user=self.user,
                group=group_of(self.user),
                extra_groups=None if self.user is None else [],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # An interrupt typed at the terminal is for the test: the server outlives it until it is stopped.
                start_new_session=True,
            )
        self._wait_for_answer()
        return self

    def alive(self) -> bool:
        """Whether the server's main process runs; a frozen one does."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ask the server to end in order, and wait for it."""
        if self._process is None or not self.alive():
            return
        self.thaw()
        self._process.send_signal(self.graceful)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Unavailable(
                f"{self.name} did not stop within {STOP_SECONDS:g} s and was killed. {self._last_words()}"
            ) from None

    def kill(self) -> None:
        """End the server at once, as a crash does, with everything it started."""
        if self._process is None or not self.alive():
            return
        gone = family.kill(self.pid)
        self._process.wait(STOP_SECONDS)
        # Its children are not ours to wait for, and hold its files and memory until they have ended too.
        _until(lambda: not any(map(family.running, gone)), STOP_SECONDS)

    def freeze(self) -> None:
        """Let the server stand still, its connections open: as a machine that hangs."""
        family.stop(self.pid)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        family.resume(self.pid)

    def restart(self) -> None:
        """Start the server again on its data and ports; one that still runs is stopped in order before."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server, whatever state it is in, and remove a temporary folder."""
        try:
            self.stop()
        finally:
            if self._temporary:
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait_for_answer(self) -> None:
        if _until(lambda: not self.alive() or self.answers(), START_SECONDS) and self.alive():
            return
        why = f"did not answer within {START_SECONDS:g} s" if self.alive() else "ended at its start"
        self.kill()
        raise Unavailable(f"{self.name} {why}. {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"The end of {self.log}:", *lines])


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
