"""The audit log of an environment, from its file: verified, read, exported, and sealed anew."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from watership.adapters.files import audit as files
from watership.adapters.files import records
from watership.adapters.files.bindings import Bindings
from watership.adapters.files.replace import replace_file
from watership.config import Config
from watership.durable.clock import SystemClock
from watership.errors import BadInput, NotFound
from watership.releases.auditing.audit import GENESIS, Broken, Entry, Verified, decode, digest
from watership.releases.auditing.export import Format, exported
from watership.releases.auditing.head import Head, checked, head_of
from watership.releases.readiness.binding import Astray

POLL_SECONDS = 0.2
"""Between two looks for new entries: soon for whoever watches, and cheap."""


class Exported(Struct, frozen=True, kw_only=True):
    """What was written: how much, its own digest, and the digest of the last entry."""

    count: int
    sha256: str
    head: str


class Agreement(Struct, frozen=True, kw_only=True):
    """How the records of releases agree with the audit, by file."""

    astray: dict[str, Astray]
    unbound: dict[str, int]
    """The line of a last record that is in no entry: a crash came between, or somebody added it. It does not count."""


def log_of(config: Config) -> Path:
    """Where the environment's own log is."""
    return Path(config.environment.state) / "audit.jsonl"


def verify_log(path: Path, head: str | None = None, *, secret: str = "") -> Verified | Broken:
    """Check every entry of the log at `path`, its head, and that it holds the entry `head` where one is given.

    Raises NotFound where there are no entries to verify; with a `head`, given or kept, a log that was emptied is
    Broken.
    """
    return _looked_at(path, secret, head)[1]


def agreement(path: Path, folder: Path, *, secret: str = "") -> Agreement:
    """Compare the records below `folder` with the log at `path`. Raises AuditBroken where it cannot be trusted."""
    astray, unbound = records.compared(folder, Bindings(path, secret=secret))
    return Agreement(astray=astray, unbound=unbound)


def records_beside(path: Path, config: Config) -> Path | None:
    """The folder with the records that a log speaks of; None for a log without any beside it, such as an export."""
    folder = path.parent / "releases"
    own = path.resolve() == log_of(config).resolve()
    return folder if own or (path.name == log_of(config).name and folder.is_dir()) else None


def read_log(path: Path, *, secret: str = "") -> tuple[list[Entry], Verified | Broken]:
    """Every entry, and whether they can be trusted; none where they cannot. Raises NotFound where there are none."""
    found, state = _looked_at(path, secret, None)
    return ([] if isinstance(state, Broken) else [entry for entry in found if entry is not None]), state


def _looked_at(path: Path, secret: str, noted: str | None) -> tuple[list[Entry | None], Verified | Broken]:
    kept = files.read_head(path)
    if noted is None and (kept is None or (isinstance(kept, Head) and kept.count == 0)):
        _require(path)
    found = files.read(path)
    return found, checked(found, kept, secret=secret, noted=noted)


def export_log(path: Path, out: BinaryIO, to: Format, *, secret: str = "") -> Exported | Broken:
    """Write the whole log, if it is whole, and say what was written."""
    entries, state = read_log(path, secret=secret)
    if isinstance(state, Broken):
        return state
    total = hashlib.sha256()
    for line in exported(entries, to):
        total.update(line)
        out.write(line)
    return Exported(count=len(entries), sha256=total.hexdigest(), head=entries[-1].digest)


def export_file(path: Path, file: Path, to: Format, *, secret: str = "") -> Exported | Broken:
    """Export into a file, as a whole or not at all. Lines get a head beside them, to be verified as the log is."""
    if file.resolve() in (path.resolve(), files.head_file(path).resolve()):
        raise BadInput("An export does not replace the log itself.", fix="Name another file.")
    content = io.BytesIO()
    found = export_log(path, content, to, secret=secret)
    if isinstance(found, Exported):
        replace_file(file, content.getvalue())
        if to == "jsonl":
            files.replace_head(file, head_of(files.read(file)[-1], secret))
    return found


def follow_log(
    path: Path, after: Entry | None, *, pause: Callable[[float], None] = time.sleep
) -> Iterator[Entry | Broken]:
    """The entries that come after `after`, as they come. The last thing is what is Broken, if anything is."""
    last = after
    with path.open("rb") as file:
        for _ in range(after.number if after else 0):
            file.readline()
        while True:
            place = file.tell()
            if os.fstat(file.fileno()).st_size < place:
                yield Broken(last.number + 1 if last else 1, "the log was cut while it was followed")
                return
            line = file.readline()
            if not line.endswith(b"\n"):
                file.seek(place)
                pause(POLL_SECONDS)
                continue
            found = _next(line, last)
            yield found
            if isinstance(found, Broken):
                return
            last = found


def _next(line: bytes, last: Entry | None) -> Entry | Broken:
    entry, number = decode(line[:-1]), last.number + 1 if last else 1
    if entry is None or entry.number != number or entry.previous != (last.digest if last else GENESIS):
        return Broken(number, "it does not follow the entry before it")
    return entry if entry.digest == digest(entry) else Broken(number, "its content does not match its digest")


def seal_log(path: Path, *, secret: str, by: str) -> Entry:
    """Put a new head beside the log. See `files.seal`."""
    return files.seal(path, SystemClock().now, secret=secret, by=by)


def _require(path: Path) -> None:
    if not path.is_file():
        raise NotFound(
            f"There are no entries: there is no audit log at {path}.",
            fix="The first release writes them; for another log: watership audit verify FILE",
        )
    if path.stat().st_size == 0:
        raise NotFound(f"The audit log {path} has no entries.", fix="The first release writes them.")
