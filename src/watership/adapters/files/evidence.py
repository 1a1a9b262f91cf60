"""A file of evidence is looked at when a report is written: it is there as it was, was changed, or is gone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from watership.releases.reporting.report import EvidenceFile

ELSEWHERE: Final = ("http://", "https://")
"""Evidence that is no file of ours: a report names it, and nobody can say here whether it still leads anywhere."""

MAX_BYTES: Final = 512 * 1024 * 1024
"""A file is read for its digest up to here; of a larger one it is only known that it is there."""


def found(evidence: str, folders: Sequence[Path], *, beside: Path, sha256: str = "") -> EvidenceFile | None:
    """The file that `evidence` names, in the first of `folders` that has it; its path is from `beside` on.

    None where it names no file: an address elsewhere, or words that never had a file's digest.
    """
    if evidence.lower().startswith(ELSEWHERE):
        return None
    there = next((folder / evidence for folder in folders if _is_file(folder / evidence)), None)
    if there is None:
        return EvidenceFile(path=evidence, sha256=sha256, state="gone") if sha256 else None
    path = os.path.relpath(there.resolve(), beside.resolve())
    return EvidenceFile(path=path, sha256=sha256, state="changed" if _changed(there, sha256) else "there")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no path at all: too long, or with a NUL in it
        return False


def _changed(file: Path, sha256: str) -> bool:
    if not sha256 or file.stat().st_size > MAX_BYTES:
        return False
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() != sha256.lower()
