"""Secrets by their age."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.releases.checks.scenes import Looker, now
from tests.releases.checks.vault_standin import TOKEN, secret
from watership.releases.book.quantity import Given
from watership.releases.book.system import System
from watership.testing.servers import free_port
from watership.testing.standin import StandIn

DAY = 86400.0
OLD, NEW = now() - timedelta(days=200), now() - timedelta(days=20)


@pytest.fixture
def vaults(looker: Looker) -> Iterator[Looker]:
    looker.write("token", TOKEN)
    (looker.root / "token").chmod(0o600)
    here = secret("app", [OLD, NEW]) | secret("first", [NEW]) | secret("gone", [OLD, NEW], deleted=True)
    there = secret("app", [OLD]) | secret("first", [NEW])
    with StandIn(here) as one, StandIn(there) as two:
        for name, url in (
            ("vault", one.url),
            ("other", two.url),
            ("nobody", f"http://127.0.0.1:{free_port()}"),
        ):
            looker.systems[name] = System(url=url, secret="file:token", headers={"x-vault-token": "{secret}"})
        yield looker


def test_a_secret_is_rotated_within_its_time(vaults: Looker) -> None:
    vaults.passes("vault.rotated", of="vault", path="app", within=90 * DAY)
    vaults.fails("vault.rotated", "10d is the limit", of="vault", path="app", within=10 * DAY)
    vaults.fails("vault.rotated", "never rotated", of="vault", path="first", within=90 * DAY)
    vaults.fails("vault.rotated", "was deleted", of="vault", path="gone", within=90 * DAY)
    vaults.fails("vault.rotated", "no secret at none", of="vault", path="none", within=90 * DAY)
    vaults.unsure("vault.rotated", "Unavailable", of="nobody", path="app", within=90 * DAY)


def test_without_a_token_that_counts_nothing_is_known(vaults: Looker) -> None:
    vaults.write("token", "another")
    vaults.unsure("vault.rotated", "permission denied", of="vault", path="app", within=90 * DAY)


def test_the_deployed_version_is_the_current_one(vaults: Looker) -> None:
    asked: dict[str, Given] = {"of": "vault", "path": "app", "within": 90 * DAY, "deployed": "secrets.json"}
    vaults.fails("vault.deployed", "There is no secrets.json", **asked)
    vaults.write("secrets.json", '{"app": 2}')
    vaults.passes("vault.deployed", **asked)
    vaults.fails("vault.deployed", "10d is the limit", **(asked | {"within": 10 * DAY}))
    vaults.unsure("vault.deployed", "Unavailable", **(asked | {"of": "nobody"}))
    vaults.write("secrets.json", '{"app": 1}')
    vaults.fails("vault.deployed", "app is version 2; deployed is 1", **asked)
    vaults.write("secrets.json", "[]")
    vaults.fails("vault.deployed", "does not say which", **asked)


def test_two_vaults_have_the_same_versions(vaults: Looker) -> None:
    vaults.passes("vault.synced", of="vault", to="other", paths="first")
    vaults.fails("vault.synced", "version 2 in vault, 1 in other", of="vault", to="other", paths="first, app")
    vaults.fails("vault.synced", "gone is not in other", of="vault", to="other", paths="gone")
    vaults.unsure("vault.synced", "an empty 'paths'", of="vault", to="other", paths="")
    vaults.unsure("vault.synced", "Unavailable", of="vault", to="nobody", paths="first")
