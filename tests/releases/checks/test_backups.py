"""Backups in an S3 bucket and in a manifest, and what a restore proves of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from tests.releases.checks.aws_standin import KEY_ID, REGION, SECRET, Aws
from tests.releases.checks.records import a_drill, put
from tests.releases.checks.scenes import Looker, now
from watership.releases.readiness.drill import Drill
from watership.testing.servers import free_port

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def aws() -> Aws:
    daily = {f"full/{day:02}.dump": (now() - timedelta(days=day, hours=1), 1000) for day in range(32)}
    return Aws(
        objects={
            **daily,
            "incremental/1": (now() - timedelta(minutes=20), 100),
            "wal/000000010000000000000007": (now() - timedelta(minutes=2), 16),
            "full/": (now(), 0),
        }
    )


@pytest.fixture
def kept(looker: Looker, aws: Aws) -> Iterator[Looker]:
    looker.write("aws.key", SECRET)
    (looker.root / "aws.key").chmod(0o600)
    with aws.standin() as server:
        looker.named("backups", f"{server.url}/backups", secret="file:aws.key", key=KEY_ID, region=REGION)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}/backups")
        yield looker


def test_a_young_backup_passes_by_its_age_and_kind(kept: Looker) -> None:
    assert "full/00.dump (1,000 bytes)" in kept.passes(
        "backups.young", of="backups", kind="full", younger_than=4 * HOUR
    )
    kept.passes("backups.young", of="backups", kind="wal", younger_than=300.0)
    kept.fails("backups.young", "30m is the limit", of="backups", kind="full", younger_than=1800.0)
    kept.fails("backups.young", "holds no state backup", of="backups", kind="state", younger_than=DAY)
    kept.unsure("backups.young", "No backup is 'half'", of="backups", kind="half", younger_than=DAY)
    kept.unsure("backups.young", "Unavailable", of="nobody", kind="full", younger_than=DAY)


def test_an_empty_backup_and_one_from_the_future_fail(kept: Looker, aws: Aws) -> None:
    aws.objects["full/00.dump"] = (now(), 0)
    kept.fails("backups.young", "is empty", of="backups", kind="full", younger_than=DAY)
    aws.objects["full/00.dump"] = (now() + timedelta(hours=2), 10)
    kept.fails("backups.young", "from the future", of="backups", kind="full", younger_than=DAY)


def test_an_incremental_counts_only_with_the_full_one_it_is_based_on(kept: Looker, aws: Aws) -> None:
    kept.passes("backups.complete", of="backups", full=DAY, incremental=HOUR)
    kept.fails("backups.complete", "30m is the limit", of="backups", full=1800.0, incremental=HOUR)
    kept.fails("backups.complete", "10m is the limit", of="backups", full=DAY, incremental=600.0)
    aws.objects["full/now.dump"] = (now() - timedelta(minutes=1), 1000)
    kept.fails("backups.complete", "no incremental", of="backups", full=DAY, incremental=HOUR)
    kept.unsure("backups.complete", "Unavailable", of="nobody", full=DAY, incremental=HOUR)


def test_thirty_days_are_kept_without_a_gap(kept: Looker, aws: Aws) -> None:
    kept.passes("backups.retained", of="backups")
    del aws.objects["full/10.dump"], aws.objects["full/11.dump"]
    kept.fails("backups.retained", "the longest gap is 3d", of="backups")
    for day in range(20, 32):
        del aws.objects[f"full/{day:02}.dump"]
    kept.fails("backups.retained", "30d are wanted", of="backups")
    kept.fails("backups.retained", "holds no state backup", of="backups", kind="state")
    kept.unsure("backups.retained", "Unavailable", of="nobody")


def test_a_restore_proves_the_backup_that_it_names(kept: Looker, aws: Aws) -> None:
    kept.fails("backups.proved", "No restore is on record", of="backups", younger_than=7 * DAY)
    put(kept, _restored("full/01.dump"))
    kept.passes("backups.proved", of="backups", younger_than=7 * DAY)
    kept.fails("backups.proved", "1d is the limit", of="backups", younger_than=DAY)
    kept.unsure("backups.proved", "Unavailable", of="nobody", younger_than=DAY)
    del aws.objects["full/01.dump"]
    kept.fails("backups.proved", "which is not in backups", of="backups", younger_than=7 * DAY)


def test_a_restore_that_failed_or_came_before_the_backup_proves_nothing(kept: Looker, aws: Aws) -> None:
    put(kept, _restored("full/00.dump"))
    aws.objects["full/00.dump"] = (now(), 10)
    kept.fails("backups.proved", "taken after the restore", of="backups", younger_than=DAY)
    put(kept, a_drill("backup-restore", ago=timedelta(0), outcome="failed", words="rows are missing"))
    kept.fails("backups.proved", "rows are missing", of="backups", younger_than=DAY)


def _restored(name: str) -> Drill:
    return a_drill("backup-restore", ago=timedelta(minutes=10), facts={"backup": name, "sha256": "aa"})


def test_a_manifest_is_a_catalogue_too(looker: Looker) -> None:
    one = {
        "kind": "full",
        "name": "1.dump",
        "taken_at": now() - timedelta(hours=1),
        "bytes": 5,
        "sha256": "aa",
    }
    looker.named("local", "file:backups/manifest.json")
    looker.unsure("backups.young", "no manifest", of="local", kind="full", younger_than=DAY)
    looker.write("backups/manifest.json", msgspec.json.encode({"backups": [one]}))
    looker.passes("backups.young", of="local", kind="full", younger_than=DAY)
    put(
        looker,
        a_drill("backup-restore", facts={"backup": "1.dump", "sha256": "bb"}, ago=timedelta(minutes=1)),
    )
    looker.fails("backups.proved", "other bytes", of="local", younger_than=DAY)
    looker.write(
        "backups/manifest.json", msgspec.json.encode({"backups": [one | {"taken_at": "2026-11-29T10:00:00"}]})
    )
    looker.unsure("backups.young", "in which zone", of="local", kind="full", younger_than=DAY)
