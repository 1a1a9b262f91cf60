"""Tags of git, signed by SSH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.releases.checks.scenes import Looker

SIGNERS = {"signers": "signers"}


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "gpg.format=ssh")
    quiet = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(
        ["git", *who, "-c", f"user.signingkey={folder / 'key'}", *words],
        cwd=folder,
        check=True,
        capture_output=True,
        env=quiet,
    )


@pytest.fixture
def repository(looker: Looker) -> Looker:
    git(looker.root, "init", "-q")
    git(looker.root, "commit", "-q", "--allow-empty", "-m", "A release")
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(looker.root / "key")]
    subprocess.run(command, check=True)
    looker.write("signers", f"ada@example.com {(looker.root / 'key.pub').read_text()}")
    return looker


def test_a_tag_passes_only_with_the_signature_of_who_may_sign(repository: Looker) -> None:
    repository.fails("code.tag", "git knows no tag v2.1.0", **SIGNERS)
    git(repository.root, "tag", "v2.1.0")
    repository.fails("code.tag", "lightweight", **SIGNERS)
    git(repository.root, "tag", "-f", "-a", "-m", "2.1.0", "v2.1.0")
    repository.fails("code.tag", "does not verify", **SIGNERS)
    git(repository.root, "tag", "-f", "-s", "-m", "2.1.0", "v2.1.0")
    assert "ada@example.com" in repository.passes("code.tag", **SIGNERS)
    repository.write(
        "signers", (repository.root / "signers").read_text().replace("ada@", "bo@").replace("AAAAI", "AAAAJ")
    )
    repository.fails("code.tag", "does not verify", **SIGNERS)


def test_without_git_nothing_is_known(looker: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    looker.unsure("code.tag", "git", **SIGNERS)
