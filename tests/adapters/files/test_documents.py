"""Documents stay below their root, whatever a path or a link says."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from watership.adapters.files.documents import DOCUMENT_BYTES, FileDocuments
from watership.errors import BadInput


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("hush")
    root = tmp_path / "project"
    (root / "evidence").mkdir(parents=True)
    (root / "evidence" / "b.json").write_text("{}")
    (root / "evidence" / "a.json").write_text("[]")
    return root


async def test_a_document_has_content_and_digest(root: Path) -> None:
    found = await FileDocuments(root).read("evidence/a.json")
    assert found is not None
    assert (found.path, found.content) == ("evidence/a.json", b"[]")
    assert found.sha256 == hashlib.sha256(b"[]").hexdigest()


async def test_what_is_not_there_is_none(root: Path) -> None:
    (root / "dangling").symlink_to("nowhere")
    for path in ("nothing", "evidence/a.json/deeper", "dangling"):
        assert await FileDocuments(root).read(path) is None


async def test_nothing_outside_of_the_root_is_read(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "secret.txt")
    (root / "up").symlink_to(root.parent)
    for path in (
        "../secret.txt",
        str(root.parent / "secret.txt"),
        "link",
        "up/secret.txt",
        "evidence/../../secret.txt",
    ):
        with pytest.raises(BadInput, match="not below"):
            await FileDocuments(root).read(path)
    assert await FileDocuments(root).names("*") == []
    assert await FileDocuments(root).names("up/*") == []


async def test_a_link_inside_of_the_root_is_followed(root: Path) -> None:
    (root / "latest.json").symlink_to("evidence/b.json")
    found = await FileDocuments(root).read("latest.json")
    assert found is not None
    assert found.content == b"{}"


async def test_what_is_no_file_or_too_large_is_refused(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with (root / "large").open("wb") as large:
        large.truncate(DOCUMENT_BYTES + 1)
    for path, words in (
        ("evidence", "no file"),
        ("pipe", "no file"),
        ("large", "larger than 16 MiB"),
        ("", "no file"),
    ):
        with pytest.raises(BadInput, match=words):
            await FileDocuments(root).read(path)


async def test_names_are_sorted_files_below_the_root(root: Path) -> None:
    assert await FileDocuments(root).names("**/*") == ["evidence/a.json", "evidence/b.json"]
    assert await FileDocuments(root).names("evidence/*.txt") == []
    for pattern in ("", "/etc/*", "../*", "evidence/../../*"):
        with pytest.raises(BadInput, match="no pattern"):
            await FileDocuments(root).names(pattern)
