"""The application's database is a file, or the PostgreSQL that the settings name."""

from __future__ import annotations

from pathlib import Path

import pytest

from watership.config import load
from watership.errors import BadInput, Unavailable
from watership.releases.ports import Migration
from watership.testing.servers.ports import LOOPBACK, free_port
from watership.wiring.database import migrator_of, vault_of
from watership.wiring.environment import LocalEnvironment, Places

STEP = Migration(
    start=0, end=1, name="1", forward="CREATE TABLE orders (id INTEGER)", backward="DROP TABLE orders"
)


def named(folder: Path, url: str) -> LocalEnvironment:
    return LocalEnvironment(load(folder, {"WATERSHIP_ENVIRONMENT_DATABASE": url}))


async def test_the_postgresql_of_the_settings_is_the_one_that_is_migrated(
    tmp_path: Path, postgres_url: str
) -> None:
    places = named(tmp_path, postgres_url).places
    migrator = migrator_of(places.database, places.url)
    assert await migrator.version() == 0
    backups = vault_of(places.database, places.url, places.backups).backups
    assert await backups.verify(await backups.create("before")) == []
    assert not places.database.exists()
    assert await migrator.apply(STEP, forward=True, epoch=1) == 1
    assert await migrator_of(places.database, places.url).version() == 1


async def test_nothing_is_started_beside_a_database_that_is_not_there(tmp_path: Path) -> None:
    for url, error in (
        ("mysql://me:hidden@host/app", BadInput),
        (f"postgresql://me:hidden@{LOOPBACK}:{free_port()}/app", Unavailable),
    ):
        local = named(tmp_path, url)
        with pytest.raises(error) as refused:
            await local.up(f"{LOOPBACK}:0")
        assert "hidden" not in str(refused.value)
        assert not local.places.processes.exists()


def test_without_a_word_it_is_a_file_of_the_environment(tmp_path: Path) -> None:
    places = Places.of(load(tmp_path, {}))
    assert (places.url, places.database.name) == ("", "application.db")
