"""HAProxy's runtime socket: what it shows of its servers and of itself, and what it is told."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from watership.adapters.haproxy.seats import BACKEND, HOLD, Seat
from watership.adapters.unixline.calls import socket_path
from watership.errors import Unavailable
from watership.releases.ports import Waited

ANSWER_SECONDS: Final = 2.0
"""It answers within a millisecond, or it hangs."""

ANSWER_BYTES: Final = 4 * 1024 * 1024


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A pause as HAProxy keeps it: `left` seconds until it ends by itself. `waited`: None before the first."""

    all: bool
    writes: bool
    left: float
    waited: Waited | None


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What HAProxy shows at one moment. `uptime` in seconds; `dropped` counts the lines of its log that it lost."""

    seats: tuple[Seat, ...]
    pause: Pause
    pid: int
    uptime: int
    dropped: int


_DONE = re.compile(
    r"(?:(?:(?:IP|port) changed from '[^']*' to '[^']*'|no need to change the (?:addr|port))(?:, |(?= by )|$))+"
    r"(?: by '[^']*')?"
)
"""Its whole answer to an address that it took, or has already; to all else that it takes it answers nothing."""


class Runtime:
    """Talks to the socket at `path`, one connection per exchange."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def look(self) -> Sight:
        """What it shows now. Raises Unavailable, also when it lacks our backend."""
        shown = await self._tell("show stat -1 4 -1;show info;watership held")
        table, _, info = shown.partition("\n\n")
        rows = list(csv.DictReader(io.StringIO(table.removeprefix("# "))))
        seats = tuple(_seat(row) for row in rows if row["pxname"] == BACKEND)
        up = {row["svname"]: row["status"] != "MAINT" for row in rows if row["pxname"] == HOLD}
        held = [line.split() for line in info.splitlines() if line.startswith("held ")]
        facts = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
        try:
            return Sight(
                seats=seats,
                pause=_pause(held[0], all=up["all"], writes=up["writes"]),
                pid=int(facts["Pid"]),
                uptime=int(facts["Uptime_sec"]),
                dropped=int(facts["DroppedLogs"]),
            )
        except (LookupError, ValueError):
            raise Unavailable(
                f"The HAProxy behind {self._path} does not show the backend {BACKEND} as it is known here.",
                fix="Start it with the configuration that its agent writes.",
            ) from None

    async def order(self, orders: Sequence[str]) -> str:
        """Give orders; what it objects to. Whether they are in force only a look can tell."""
        return objections(await self._tell(";".join(orders)))

    async def _tell(self, line: str) -> str:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(
                    socket_path(self._path), limit=ANSWER_BYTES
                )
                try:
                    writer.write(line.encode() + b"\n")
                    return (await _whole(reader)).decode(errors="replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise Unavailable(
                f"HAProxy does not answer on {self._path}: {str(error) or 'no answer in time'}."
            ) from error


def objections(said: str) -> str:
    """What of an answer is no "done". Beside an objection HAProxy may tell in the same line what it did change."""
    return " ".join(line for line in said.split("\n") if line and not _DONE.fullmatch(line))


async def _whole(reader: asyncio.StreamReader) -> bytes:
    """All until it closes, within the bound."""
    said = b""
    while len(said) < ANSWER_BYTES and (part := await reader.read(65_536)):
        said += part
    return said


def _pause(told: Sequence[str], *, all: bool, writes: bool) -> Pause:
    """By the line that hold.lua answers with."""
    _, begun, left, waiting, held, turned_away, longest, seconds = told
    waited = Waited(
        waiting=int(waiting),
        held=int(held),
        told=int(turned_away),
        longest=float(longest),
        seconds=float(seconds),
    )
    return Pause(all=all, writes=writes, left=float(left), waited=waited if int(begun) else None)


def _seat(row: dict[str, str]) -> Seat:
    status = row["status"]
    return Seat(
        name=row["svname"],
        address=row["addr"],
        weight=int(row["weight"]),
        parked=status.startswith("MAINT"),
        # "DOWN 1/2" is on its way up, "UP 1/2" on its way down: HAProxy sends to the latter, not to the former.
        healthy=status.startswith("UP"),
        active=int(row["scur"]),
    )
