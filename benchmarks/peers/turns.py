"""Peers take turns, each measurement in a process of its own, until all is measured or the time is up."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.peers import survival
from benchmarks.peers.cases import MEASUREMENT_SECONDS, Case, Plan
from benchmarks.peers.engine import PEERS as ENGINES
from benchmarks.peers.figures import Failed, Figures, Survival
from benchmarks.peers.goals import CELERY, US
from benchmarks.peers.grounds import Grounds
from benchmarks.peers.place import Place
from benchmarks.peers.survival import Kept
from watership.testing.servers import family

ERROR_CHARACTERS = 1_500
LEAST_SECONDS = 8.0
"""A measurement that has less time left is not begun."""


class Turns:
    """`figures` grow as it goes; `kept` are the folders of accepted runs that must survive."""

    def __init__(self, grounds: Grounds, plan: Plan, peers: tuple[str, ...], deadline: float) -> None:
        self._grounds = grounds
        self._plan = plan
        self._peers = peers
        self._deadline = deadline
        self.figures: Figures = []
        self.kept: list[Path] = []

    def run(self) -> None:
        """Every measurement once, then every one again: what disturbs the machine for a while meets them all."""
        for repetition in range(1, self._plan.repetitions + 1):
            for kind, peer in self._measurements(repetition):
                left = self._deadline - time.monotonic()
                if left < LEAST_SECONDS:
                    if repetition == 1:
                        self._fail(peer, kind, "not reached: the time of the whole run was up")
                    continue
                say(
                    f"repetition {repetition} of {self._plan.repetitions}: {peer}, {kind} ({left:.0f} s left)"
                )
                self._measure(kind, peer, min(left, MEASUREMENT_SECONDS))

    def crash(self) -> None:
        """SIGKILL PostgreSQL, start it on its disk, look for every accepted run; no figure if none was accepted."""
        if not self.kept:
            return
        self._grounds.crash_postgres()
        found: list[str] = []
        for folder in self.kept:
            kept = Kept.read(folder)
            found.extend(asyncio.run(survival.wrong(kept.postgres, kept.runs, kept.steps)))
        for each in found[:5]:
            say(f"lost: {each}")
        self.figures.append(Survival(lost=len(found)))

    def _measurements(self, repetition: int) -> Iterator[tuple[str, str]]:
        # What is required comes first, then what the goals are about: the time of all may be up before the last.
        required = [peer for peer in self._peers if peer in CELERY]
        recovering = [peer for peer in self._peers if peer in self._plan.kills and repetition == 1]
        if US in self._peers:
            yield "path", US
        yield from (("jobs", peer) for peer in required)
        yield from (("engine", peer) for peer in self._peers if peer in ENGINES)
        yield from (("recovery", peer) for peer in recovering if peer == US)
        yield from (("jobs", peer) for peer in self._peers if peer not in required)
        yield from (("recovery", peer) for peer in recovering if peer != US)

    def _measure(self, kind: str, peer: str, seconds: float) -> None:
        plan = self._plan
        case = msgspec.structs.replace(plan.case, jobs=plan.jobs[peer], kills=plan.kills.get(peer, 0))
        with self._grounds.place(peer, keep=kind == "path") as place:
            try:
                self.figures.extend(_in_process(kind, place, case, seconds))
            except _Unmeasured as reason:
                self._fail(peer, kind, str(reason))
            else:
                if kind == "path":
                    self.kept.append(place.folder)

    def _fail(self, peer: str, kind: str, error: str) -> None:
        say(f"{peer}, {kind}, failed: {error}")
        self.figures.append(Failed(peer=peer, kind=kind, error=error))


class _Unmeasured(Exception):
    pass


def _in_process(kind: str, place: Place, case: Case, seconds: float) -> Figures:
    command = [sys.executable, "-m", "benchmarks.peers.row", kind, msgspec.json.encode(case).decode()]
    with subprocess.Popen(
        command, env=place.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            family.kill(process.pid)
            raise _Unmeasured(f"it did not end within {seconds:.0f} s") from None
        except BaseException:
            family.kill(process.pid)
            raise
    if process.returncode != 0:
        raise _Unmeasured(f"ended with {_status(process.returncode)}: {err.strip()[-ERROR_CHARACTERS:]}")
    return msgspec.json.decode(out.splitlines()[-1], type=Figures)


def _status(code: int) -> str:
    return str(code) if code >= 0 else signal.Signals(-code).name


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
