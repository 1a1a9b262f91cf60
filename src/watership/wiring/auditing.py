"""The audit log of an environment, verified from its file."""

from __future__ import annotations

from pathlib import Path

from watership.adapters.files import audit as files
from watership.errors import NotFound
from watership.releases.audit import Broken, Verified, verify


def verify_log(path: Path, head: str | None = None) -> Verified | Broken:
    """Check every entry of the log at `path`, and that it ends at `head` where one is given."""
    if not path.is_file():
        raise NotFound(f"There is no audit log at {path}.", fix="Name it: watership audit verify FILE")
    return verify(files.read(path), head=head)
