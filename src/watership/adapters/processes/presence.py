"""A presence is what a process says of itself, in a small file whose path it was given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

PRESENCE_VARIABLE = "WATERSHIP_PRESENCE"
"""The environment variable that names the file."""


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """Written by the process: who it is, where it answers, which build it carries, how far it is."""

    pid: int
    state: Literal["starting", "ready", "draining"]
    address: str | None = None
    digest: str | None = None
    version: str | None = None


def announce(presence: Presence) -> bool:
    """Write the presence of this process, if it was asked to; whether it was. Call it whenever it changes."""
    path = os.environ.get(PRESENCE_VARIABLE)
    if not path:
        return False
    target = Path(path)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(presence))
    # Replaced, so that a reader never sees half of it; not flushed, since it describes a living process.
    fresh.replace(target)
    return True


def read(path: Path, leader: int) -> Presence | None:
    """What the process in `leader`'s session says; None while it says nothing that can be read or believed."""
    try:
        presence = msgspec.json.decode(path.read_bytes(), type=Presence)
    except (OSError, msgspec.DecodeError):
        return None
    return presence if presence.pid == leader or _session(presence.pid) == leader else None


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
