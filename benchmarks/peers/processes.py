"""The processes of a peer: started as a user starts them, killed as a crash kills them, and never left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks.peers.place import Place
from watership.testing.servers import family

STOP_SECONDS = 3.0
"""What an idle worker gets to end in order; then it is killed: nothing of its work is needed any more."""

LOG_CHARACTERS = 3_000


class Died(Exception):
    """A process of a peer ended although nobody asked it to."""


class Started:
    """A process with everything it starts."""

    def __init__(self, name: str, command: Sequence[str], place: Place, more: Mapping[str, str]) -> None:
        self.name = name
        self.log = place.folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=place.environment() | dict(more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises Died, with the end of the log, when it has ended."""
        if (code := self._process.poll()) is not None:
            words = self.log.read_text(errors="replace")[-LOG_CHARACTERS:]
            raise Died(f"{self.name} ended with {code}:\n{words}")

    def owns(self, pid: int) -> bool:
        return pid in family.members(self.pid)

    def kill(self) -> None:
        family.kill(self.pid)
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def running(
    commands: Mapping[str, Sequence[str]], place: Place, more: Mapping[str, str] | None = None
) -> Iterator[dict[str, Started]]:
    """All of them until the end of the block; the dictionary may be changed meanwhile."""
    started: dict[str, Started] = {}
    try:
        for name, command in commands.items():
            started[name] = Started(name, command, place, more or {})
        yield started
    finally:
        for each in started.values():
            each.stop()


def import_milliseconds(statement: str, place: Place) -> float:
    """How long a fresh interpreter takes for `statement`, its own start not counted."""
    measure = f"import time; t = time.perf_counter(); {statement}; print((time.perf_counter() - t) * 1e3)"
    command = [sys.executable, "-c", measure]
    done = subprocess.run(
        command, env=place.environment(), capture_output=True, text=True, timeout=30, check=True
    )
    return float(done.stdout.split()[-1])
