"""Documents in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from watership.releases.instruments import Document


class MemoryDocuments:
    """Files by their path."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    async def read(self, path: str) -> Document | None:
        content = self._files.get(path)
        if content is None:
            return None
        digest = hashlib.sha256(content).hexdigest()
        return Document(path=path, content=content, sha256=digest)

    async def names(self, pattern: str) -> Sequence[str]:
        return sorted(name for name in self._files if fnmatchcase(name, pattern))
