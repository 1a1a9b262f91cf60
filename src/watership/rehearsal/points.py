"""Points are the places at which a controller may die: before and after every write that it makes."""

from __future__ import annotations

import dataclasses
import inspect
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar, cast

from watership.adapters.files.outbox import OutboxFile
from watership.adapters.sqlite.store import SQLiteStore
from watership.errors import BadInput
from watership.releases.environment import Environment

T = TypeVar("T")

WRITES: Final[dict[str, tuple[str, ...]]] = {
    "journal": ("write",),
    "router": ("set_targets", "set_weights", "drain", "pause", "resume"),
    "intake": ("set_weights", "set_readonly"),
    "deployments": ("put",),
    "work": ("write",),
    "hosts": ("ensure", "stop"),
    "handover": ("hand_over",),
    "migrator": ("apply", "fill"),
    "backups": ("create",),
    "audit": ("append",),
    "snapshots": ("put",),
    "records": ("add",),
    "lock": ("acquire", "depose", "release"),
    "messages": ("put", "mark"),
}
"""By port, what changes something. `messages` is the outbox, `journal` the controller's own store."""

SIDES: Final = ("before", "after")


class Points:
    """Counts a controller's writes by name, and kills its process at one of them, or has it stand still.

    `dies`: where, as `router.set_weights#2/before`; empty: nowhere. `stands`: where it stops until it is let go on by
    SIGCONT. `notes`: the file that each point is written to as it is come by.
    """

    def __init__(self, dies: str = "", notes: Path | None = None, *, stands: str = "") -> None:
        self._dies = dies
        self._stands = stands
        self._notes = notes
        self._counts: Counter[str] = Counter()

    def next(self, call: str) -> str:
        """The name of the write that begins now."""
        self._counts[call] += 1
        return f"{call}#{self._counts[call]}"

    def come_by(self, point: str) -> None:
        """Before or after a write. It does not return where the controller is to die."""
        if self._notes is not None:
            with self._notes.open("a", encoding="utf-8") as notes:
                notes.write(f"{point}\n")
        if point == self._dies:
            # As a power cut would, and before anything else of this process runs.
            os.kill(os.getpid(), signal.SIGKILL)
        if point == self._stands:
            os.kill(os.getpid(), signal.SIGSTOP)


class Watched:
    """A port whose every write is two points."""

    def __init__(self, target: object, port: str, points: Points) -> None:
        self._target = target
        self._port = port
        self._points = points

    def __getattr__(self, name: str) -> object:
        found = getattr(self._target, name)
        if name not in WRITES[self._port]:
            return found
        call = f"{self._port}.{name}"
        if inspect.iscoroutinefunction(found):
            return self._awaited(call, found)
        return self._called(call, found)

    def _awaited(
        self, call: str, method: Callable[..., Awaitable[object]]
    ) -> Callable[..., Awaitable[object]]:
        async def awaited(*args: object, **given: object) -> object:
            point = self._points.next(call)
            self._points.come_by(f"{point}/before")
            result = await method(*args, **given)
            self._points.come_by(f"{point}/after")
            return result

        return awaited

    def _called(self, call: str, method: Callable[..., object]) -> Callable[..., object]:
        def called(*args: object, **given: object) -> object:
            point = self._points.next(call)
            self._points.come_by(f"{point}/before")
            result = method(*args, **given)
            self._points.come_by(f"{point}/after")
            return result

        return called


class WatchedGlass:
    """A controller's ports, with points at each write: see `wiring.glass`."""

    def __init__(self, points: Points) -> None:
        self._points = points

    def environment(self, environment: Environment) -> Environment:
        ports = {name for name in WRITES if getattr(environment, name, None) is not None}
        return dataclasses.replace(
            environment, **{name: self._watched(getattr(environment, name), name) for name in ports}
        )

    def journal(self, store: SQLiteStore) -> SQLiteStore:
        return self._watched(store, "journal")

    def outbox(self, box: OutboxFile) -> OutboxFile:
        return self._watched(box, "messages")

    def _watched(self, target: T, port: str) -> T:
        return cast(T, Watched(target, port, self._points))


def read(notes: Path) -> list[str]:
    """The points that a controller came by, in order."""
    return notes.read_text(encoding="utf-8").split() if notes.is_file() else []


def write_of(point: str) -> str:
    """`router.set_weights#2/before` → `router.set_weights/before`: what is done, whichever time."""
    call, _, rest = point.partition("#")
    side = rest.partition("/")[2]
    if side not in SIDES:
        raise BadInput(f"'{point}' names no point.")
    return f"{call}/{side}"
