"""Secrets by reference: read late, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from watership.adapters.files.secrets import MOST_BYTES, ReferredSecrets
from watership.errors import BadInput, Unavailable
from watership.releases.measurement import failed, scrubbed


def test_a_secret_is_what_stands_there_now(tmp_path: Path) -> None:
    variables = {"A_SECRET": "hush"}
    secrets = ReferredSecrets(tmp_path, variables)
    assert secrets.read("env:A_SECRET") == "hush"
    variables["A_SECRET"] = "other"
    assert secrets.read("env:A_SECRET") == "other"
    file = tmp_path / "key"
    for content in ("one\n", "two"):
        file.write_text(content)
        file.chmod(0o600)
        assert secrets.read("file:key") == content.strip()
    assert secrets.read(f"file:{file}") == "two"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * (MOST_BYTES + 1)])
def test_what_is_no_secret_is_unavailable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(Unavailable, match="key"):
        ReferredSecrets(tmp_path, {}).read("file:key")


def test_a_missing_one_is_named_and_one_that_others_may_read_is_refused(tmp_path: Path) -> None:
    secrets = ReferredSecrets(tmp_path, {"EMPTY": ""})
    for reference, named in (
        ("env:NOWHERE", "env:NOWHERE"),
        ("env:EMPTY", "env:EMPTY"),
        ("file:nothing", "nothing"),
    ):
        with pytest.raises(Unavailable, match=named):
            secrets.read(reference)
    (tmp_path / "open").write_text("hush")
    (tmp_path / "open").chmod(0o644)
    for reference in ("file:open", "vault:key"):
        with pytest.raises(BadInput) as caught:
            secrets.read(reference)
        assert "hush" not in str(caught.value)


def test_a_secret_that_was_read_is_in_no_evidence(tmp_path: Path) -> None:
    # A word of this test alone: the process knows every secret that any test has read.
    ReferredSecrets(tmp_path, {"PASSWORD": "a staple of these secrets"}).read("env:PASSWORD")

    finding = scrubbed(
        failed(
            "http://me:a%20staple%20of%20these%20secrets@host answered 500", url="a staple of these secrets"
        )
    )

    assert "staple" not in finding.evidence and finding.facts == {"url": "[secret env:PASSWORD]"}
