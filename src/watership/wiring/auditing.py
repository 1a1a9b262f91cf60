"""The audit log of an environment, verified from its file."""

from __future__ import annotations

from pathlib import Path

from watership.adapters.files import audit as files
from watership.errors import NotFound
from watership.releases.audit import Broken, Verified, verify


def verify_log(path: Path, head: str | None = None) -> Verified | Broken:
    """Check every entry of the log at `path`, and that it ends at `head` where one is given.

    Raises NotFound where there are no entries to verify; with a `head`, a log that was emptied is Broken.
    """
    if not path.is_file():
        raise NotFound(
            f"There are no entries: there is no audit log at {path}.",
            fix="The first release writes them; for another log: watership audit verify FILE",
        )
    if head is None and path.stat().st_size == 0:
        raise NotFound(f"The audit log {path} has no entries.", fix="The first release writes them.")
    return verify(files.read(path), head=head)
