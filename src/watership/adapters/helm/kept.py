"""What the router keeps over its own restart: one JSON file, replaced as a whole and flushed to the disk."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from watership.adapters.files.replace import replace_file
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.ports import PATIENCE_SECONDS, SlotWeights


class Moment(msgspec.Struct, frozen=True):
    """A moment by both clocks: seconds since boot while the machine stays up, the wall clock otherwise."""

    wall: datetime
    since_boot: float
    boot: str

    def passed(self, now: Moment) -> bool:
        return self.seconds_left(now) <= 0

    def seconds_left(self, now: Moment) -> float:
        if self.boot and self.boot == now.boot:
            return self.since_boot - now.since_boot
        return (self.wall - now.wall).total_seconds()


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The router's state that must not be forgotten."""

    weights: SlotWeights
    epoch: int = 0
    targets: dict[Slot, tuple[str, ...]] = {}
    until: Moment | None = None
    last_safe: SlotWeights | None = None
    paused_until: Moment | None = None
    writes_only: bool = False
    """The pause holds no reads."""
    patience: float = PATIENCE_SECONDS


FRESH = Kept(weights={Slot.BLUE: 100, Slot.GREEN: 0})
"""A router that was never told anything: blue is the slot that an environment begins with."""


def load(path: Path) -> Kept:
    """What the file holds. A file that cannot be read is an error: guessing weights would move traffic."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return FRESH
    except (OSError, msgspec.DecodeError) as error:
        raise Unavailable(
            f"The router's state in {path} cannot be read: {error}.",
            fix="Restore the file, or remove it to begin with all traffic on blue.",
        ) from error


def save(path: Path, kept: Kept) -> None:
    """Replace the file; once this returns, a crash of the machine does not undo it."""
    replace_file(path, msgspec.json.format(msgspec.json.encode(kept), indent=1))


def boot_id() -> str:
    """Names this boot of the machine; empty where the system has no name for it: the wall clock decides."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
