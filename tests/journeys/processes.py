"""Commands of Watership in processes of their own, which die by SIGKILL and come back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class Process:
    """One of them. It works in `folder`, and what it and its like print is in `<command>.log` there."""

    def __init__(self, folder: Path, *words: str, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._words = words
        self._environment = os.environ | environment
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "watership", *self._words]
        with (self._folder / f"{self._words[0]}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def replace(self) -> None:
        """Kill it, and start another one in its place."""
        self.kill()
        self._process = self._start()


@contextmanager
def processes(
    count: int, folder: Path, *words: str, environment: Mapping[str, str]
) -> Iterator[list[Process]]:
    """So many of one command, for the length of the block."""
    started: list[Process] = []
    try:
        # One by one: if the last cannot be started, the first are ended all the same.
        started.extend(Process(folder, *words, environment=environment) for _ in range(count))
        yield started
    finally:
        for each in started:
            each.kill()
