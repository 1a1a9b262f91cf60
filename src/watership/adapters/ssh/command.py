"""A command for a machine is data: the same list is run, printed for people, or compared in a test."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

import msgspec

LOOK_SECONDS: Final = 20.0
"""How long a command that only looks may take: what a machine's own programs answer takes a second."""

ACT_SECONDS: Final = 300.0
"""How long a command that changes something may take: an image of some GB comes within minutes."""

SHOWN_BYTES: Final = 20_000
"""Of what a command is given to read, shown to people as it is; more is told as a number."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Words that a machine is to run, and how long they may take. `given` is what they read from standard input."""

    machine: str
    words: tuple[str, ...]
    given: bytes = b""
    seconds: float = ACT_SECONDS

    @property
    def name(self) -> str:
        """What it is called in an error: its first words say what it does."""
        return self.words[0] if self.words[0] in ("sh", "install") else " ".join(self.words[:2])


def printed(commands: Sequence[Command]) -> str:
    """The commands for people, in the order of their machines, as they would be typed there."""
    return "\n".join(_printed(each) for each in commands)


def _printed(command: Command) -> str:
    line = f"{command.machine}$ {shlex.join(command.words)}"
    if not command.given:
        return line
    try:
        text = command.given.decode() if len(command.given) <= SHOWN_BYTES else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        return f"{line} < ({len(command.given):,} bytes)"
    return f"{line} <<'END'\n{text.rstrip()}\nEND"


def slug(text: str) -> str:
    """A name that Compose, systemd and Kubernetes all take: `2.1.0-3f9ac1d2` is `2-1-0-3f9ac1d2`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
