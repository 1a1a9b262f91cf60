"""A folder of backups: each is a file, and a record beside it of what it is and what it held when it was taken."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from watership.adapters.files.replace import replace_file, sync_folder
from watership.errors import BadInput, NotFound, Unavailable, Untrusted
from watership.releases.ports import Backup

SECRET = 0o600
"""A backup holds what its database holds: it is for its owner alone."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Table(msgspec.Struct, frozen=True):
    """What a table held: its number of rows, and a checksum of them in which their order does not count."""

    rows: int
    checksum: str


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a database held at one moment."""

    tables: dict[str, Table]
    schema: dict[str, str] = {}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a backup's file. A backup is there once its record is."""

    backup: Backup
    contents: Contents


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that is being taken: it is written to `partial`, which becomes `path` when it is whole."""

    id: str
    path: Path
    partial: Path
    taken_at: datetime


class BackupFolder:
    """Backups in `folder`, which is made when the first is taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, name: str, suffix: str, taken_at: datetime) -> Draft:
        """A place for a backup. Raises BadInput for a name that could lead elsewhere."""
        if not _NAME.fullmatch(name):
            raise BadInput(f"{name!r} cannot name a backup.", fix="Use letters, digits, dots and dashes.")
        backup_id = f"{name}-{taken_at:%Y%m%dT%H%M%S%f}"
        partial = self._folder / f"{backup_id}.partial"
        with self._writing():
            self._folder.mkdir(parents=True, exist_ok=True)
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, SECRET))
        return Draft(
            id=backup_id, path=self._folder / f"{backup_id}{suffix}", partial=partial, taken_at=taken_at
        )

    def keep(self, draft: Draft, contents: Contents, *, size: int | None = None) -> Backup:
        """Flush what was written, give it its name, and put it on record: whole or not at all.

        `size`: the bytes of the backup, where its file only says where it lies.
        """
        with self._writing():
            with draft.partial.open("rb") as file:
                os.fsync(file.fileno())
            backup = Backup(
                id=draft.id,
                path=str(draft.path),
                bytes=draft.partial.stat().st_size if size is None else size,
                sha256=_sha256(draft.partial),
                taken_at=draft.taken_at,
            )
            try:
                draft.partial.replace(draft.path)
                sync_folder(self._folder)
                replace_file(
                    _record(draft.path), msgspec.json.encode(Record(backup=backup, contents=contents))
                )
            except BaseException:
                draft.path.unlink(missing_ok=True)
                raise
        return backup

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as reason:
            raise Unavailable(f"{self._folder} cannot take a backup: {reason.strerror}.") from reason

    def kept(self) -> Sequence[Backup]:
        """Every backup on record, the oldest first."""
        records = [record for path in self._records() if (record := _read(path)) is not None]
        return sorted((each.backup for each in records), key=lambda each: each.taken_at)

    def unreadable(self) -> Sequence[Path]:
        """Files that should be records, and are none."""
        return [path for path in self._records() if _read(path) is None]

    def find(self, name: str | None) -> Backup:
        """The backup of that name, or the newest. Raises NotFound."""
        every = self.kept()
        found = next((each for each in every[::-1] if name in (None, each.id)), None)
        if found is None:
            what = f"no backup {name}" if name else "no backup"
            fix = "watership backup list" if every else "watership backup create"
            raise NotFound(f"There is {what} in {self._folder}.", fix=fix)
        return found

    def _records(self) -> Sequence[Path]:
        return sorted(self._folder.glob("*.json"))


def contents_of(backup: Backup) -> Contents:
    """What it held when it was taken. Raises Untrusted when that is not on record."""
    path = _record(Path(backup.path))
    record = _read(path)
    if record is None:
        raise Untrusted(
            f"What {backup.path} should hold is not known: {path} is gone, or no record.",
            fix="watership backup create",
        )
    return record.contents


def altered(backup: Backup) -> list[str]:
    """How the file differs from the one that was taken; empty when it is byte for byte the same."""
    path = Path(backup.path)
    if not path.is_file():
        return [f"{path} is not there"]
    if (size := path.stat().st_size) != backup.bytes:
        return [f"{path} has {size:,} bytes, it had {backup.bytes:,}"]
    if _sha256(path) != backup.sha256:
        return [f"{path} has another content than when it was taken"]
    return []


def altered_record(backup: Backup) -> str:
    """How the file that says where a backup lies differs from the one that was kept; empty when it does not."""
    path = Path(backup.path)
    if not path.is_file():
        return f"{path} is not there."
    return "" if _sha256(path) == backup.sha256 else f"{path} has another content than when it was kept."


def differences(wanted: Contents, found: Contents) -> list[str]:
    """How what was restored differs from what was there when the backup was taken."""
    wrong = []
    for name in sorted(wanted.tables.keys() | found.tables.keys()):
        was, now = wanted.tables.get(name), found.tables.get(name)
        if was is None or now is None:
            wrong.append(f"{name} {'was not there' if was is None else 'is not there'}")
        elif was.rows != now.rows:
            wrong.append(f"{name} has {now.rows} rows, it had {was.rows}")
        elif was.checksum != now.checksum:
            wrong.append(f"{name} has other values in its {now.rows} rows")
    return wrong if wanted.schema == found.schema else [*wrong, "the schema differs"]


def _record(path: Path) -> Path:
    return path.with_name(f"{path.stem}.json")


def _read(path: Path) -> Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
