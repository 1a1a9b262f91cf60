"""A bundle is a build as one file: the same bytes for the same build, to be unpacked on a machine."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Final

from watership.adapters.files.builds import files
from watership.errors import BadInput

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of all files of a build: sources have some MB. What is larger belongs into an image, or beside the build."""


def bundle(folder: Path) -> bytes:
    """The build's files as tar.gz. Raises BadInput for what is too much to be sent along."""
    packed, size = io.BytesIO(), 0
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in files(folder):
            content = path.read_bytes()
            size += len(content)
            if size > MOST_BYTES:
                raise BadInput(f"{folder} holds more than {MOST_BYTES:,} bytes.", fix="Put it into an image.")
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = len(content)
            # Whoever runs it may read it, and nobody writes it.
            entry.mode = 0o555 if path.stat().st_mode & 0o100 else 0o444
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)
