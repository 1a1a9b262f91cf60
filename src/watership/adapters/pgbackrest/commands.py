"""The commands of pgBackRest, as data: they are run, printed, and compared in a test."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, assert_never

from msgspec import Struct

from watership.errors import BadInput

PROGRAM: Final = "pgbackrest"

Kind = Literal["full", "diff", "incr"]

_STANZA: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_PIECE: Final = re.compile(r"[0-9A-F]{24}")


class Stanza(Struct, frozen=True, kw_only=True):
    """What pgBackRest calls the backups of one server: its name, and the `config` that says where they lie."""

    name: str
    config: str = ""
    """Empty: where pgBackRest looks by itself."""

    def __post_init__(self) -> None:
        if not _STANZA.fullmatch(self.name):
            raise BadInput(f"{self.name!r} is no stanza.", fix="Say it as pgbackrest.conf does: [main]")

    def command(self, what: str, *options: str) -> list[str]:
        """The command `what` of this stanza."""
        config = [f"--config={self.config}"] if self.config else []
        return [PROGRAM, *config, f"--stanza={self.name}", "--log-level-console=warn", *options, what]


class ToPoint(Struct, frozen=True, kw_only=True):
    """Restore to the restore point of that name, and stand still there."""

    name: str


class ToMoment(Struct, frozen=True, kw_only=True):
    """Restore what was committed until `at`."""

    at: datetime


Target = ToPoint | ToMoment


def backup_command(stanza: Stanza, kind: Kind) -> list[str]:
    """Take a backup; the first of all is a full one, whatever is asked for."""
    return stanza.command("backup", f"--type={kind}")


def info_command(stanza: Stanza) -> list[str]:
    """Tell what the repository has."""
    return stanza.command("info", "--output=json")


def pieces_command(stanza: Stanza) -> list[str]:
    """Tell which pieces of the log the repository has, and since when."""
    return [*stanza.command("repo-ls", "--recurse", "--output=json"), f"archive/{stanza.name}"]


def restore_command(stanza: Stanza, *, label: str, data: Path, spaces: Path, to: Target) -> list[str]:
    """Restore the backup `label` into the empty folder `data`, for a server that sends nothing to the archive."""
    return stanza.command(
        "restore",
        f"--set={label}",
        f"--pg1-path={data}",
        f"--tablespace-map-all={spaces}",
        "--archive-mode=off",
        *_target(to),
    )


def _target(to: Target) -> Sequence[str]:
    match to:
        case ToPoint(name=name):
            return "--type=name", f"--target={name}", "--target-action=pause"
        case ToMoment(at=at):
            moment = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00"
            return "--type=time", f"--target={moment}", "--target-action=promote"
        case _:
            assert_never(to)


def fetching(stanza: Stanza, data: Path, *, newest: str) -> str:
    """PostgreSQL's `restore_command` that has no piece of the log after `newest`: as if the rest had been lost."""
    if not _PIECE.fullmatch(newest):
        raise BadInput(f"{newest!r} names no piece of a log.")
    *words, _ = stanza.command("archive-get", f"--pg1-path={data}")
    # The shell's comparison is of text, which is the order of pieces; a history of a later timeline is later too.
    return f'test "%f" \\> {newest} && exit 1; exec {shlex.join(words)} archive-get %f "%p"'
