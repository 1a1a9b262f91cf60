"""What all backups must do, as one suite: what restores, what is found wrong, and what a drill measures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from watership.adapters.files.backups import BackupFolder
from watership.durable.clock import SystemClock
from watership.errors import BadInput, WatershipError
from watership.releases.ports import Backup, Backups
from watership.releases.readiness.course import HEARTBEAT, Heartbeat
from watership.releases.readiness.drill import Drill
from watership.releases.readiness.restore import Recovery, hold


class Restorable(Backups, Recovery, Protocol):
    """Backups that can be drilled with."""


@dataclass(slots=True)
class Kept:
    """A database with a table `orders` of 100 rows, and its backups."""

    backups: Restorable
    heartbeat: Heartbeat
    folder: Path
    sql: Callable[[str], object]
    schema: str
    """What stands before a table's name where it is said."""
    break_database: Callable[[], None]
    left: Callable[[], Sequence[str]]
    """Copies that were restored, and are still there."""

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    async def drilled(self) -> Drill:
        return await hold(self.backups, self.heartbeat, SystemClock(), environment="test", by="dana")


def rewritten(backup: Backup, content: bytes) -> Backup:
    """The backup with other content and a checksum to match: only restoring it can tell."""
    Path(backup.path).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return msgspec.structs.replace(backup, sha256=digest, bytes=len(content))


class BackupsSuite:
    """Subclass it with a fixture `kept`."""

    async def test_a_backup_can_be_restored_and_is_on_record(self, kept: Kept) -> None:
        backup = await kept.backups.create("before-2.1")
        kept.sql("DELETE FROM orders")

        assert await kept.backups.verify(backup) == []
        assert kept.files() == sorted([Path(backup.path).name, f"{backup.id}.json"])
        assert Path(backup.path).stat().st_mode & 0o077 == 0
        assert (BackupFolder(kept.folder).find(None), BackupFolder(kept.folder).unreadable()) == (backup, [])
        assert list(kept.left()) == []

    async def test_a_backup_that_is_gone_or_cut_or_altered_is_found(self, kept: Kept) -> None:
        backup = await kept.backups.create("one")
        path = Path(backup.path)
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        assert "bytes" in (await kept.backups.verify(backup))[0]
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert "another content" in (await kept.backups.verify(backup))[0]
        path.unlink()
        assert "not there" in (await kept.backups.verify(backup))[0]

    async def test_a_backup_that_was_bad_from_the_start_is_found(self, kept: Kept) -> None:
        backup = await kept.backups.create("one")

        (wrong,) = await kept.backups.verify(rewritten(backup, b"no database at all"))

        assert "cannot be restored" in wrong
        assert list(kept.left()) == []

    async def test_what_is_restored_otherwise_than_it_was_is_named_table_by_table(self, kept: Kept) -> None:
        for table in ("lost", "older"):
            kept.sql(f"CREATE TABLE {table} (id int)")
        kept.sql("INSERT INTO older VALUES (1), (2)")
        backup = await kept.backups.create("first")
        for change in (
            "UPDATE orders SET item = 'twine' WHERE id = 7",
            "DELETE FROM older WHERE id = 2",
            "DROP TABLE lost",
        ):
            kept.sql(change)
        later = await kept.backups.create("later")

        found = await kept.backups.verify(rewritten(backup, Path(later.path).read_bytes()))

        assert [line.removeprefix(kept.schema) for line in found if line != "the schema differs"] == [
            "lost is not there",
            "older has 1 rows, it had 2",
            "orders has other values in its 100 rows",
        ]

    async def test_a_backup_whose_record_is_gone_is_not_verified(self, kept: Kept) -> None:
        backup = await kept.backups.create("one")
        (kept.folder / f"{backup.id}.json").write_text("{}")

        (wrong,) = await kept.backups.verify(backup)

        assert "not known" in wrong
        assert [path.name for path in BackupFolder(kept.folder).unreadable()] == [f"{backup.id}.json"]

    async def test_a_backup_that_cannot_be_taken_leaves_nothing(self, kept: Kept) -> None:
        kept.break_database()

        with pytest.raises(WatershipError):
            await kept.backups.create("never")
        assert kept.files() == []

    async def test_a_name_cannot_lead_elsewhere(self, kept: Kept) -> None:
        with pytest.raises(BadInput):
            await kept.backups.create("../elsewhere")

    async def test_a_drill_measures_how_long_it_took_and_what_was_lost(self, kept: Kept) -> None:
        drill = await kept.drilled()

        assert (drill.outcome, drill.words, drill.kind) == ("passed", "", "backup-restore")
        assert [step.name for step in drill.steps] == [
            *("heartbeat", "backup", "heartbeat taken away", "restore", "compare")
        ]
        assert drill.rto_seconds is not None and 0 < drill.rto_seconds <= drill.seconds
        assert drill.rpo_seconds is not None and 0 < drill.rpo_seconds <= drill.seconds
        assert drill.facts["backup"] == BackupFolder(kept.folder).find(None).id
        with pytest.raises(Exception, match=HEARTBEAT):
            kept.sql(f"SELECT * FROM {HEARTBEAT}")  # noqa: S608

    async def test_a_drill_beside_another_says_so_and_leaves_its_heartbeat(self, kept: Kept) -> None:
        await kept.heartbeat.begin()

        drill = await kept.drilled()

        assert (drill.outcome, drill.rto_seconds, drill.rpo_seconds) == ("failed", None, None)
        assert "another drill" in drill.words
        kept.sql(f"SELECT * FROM {HEARTBEAT}")  # noqa: S608
