"""A stand-in for Vault: the metadata of secrets (key-value, version 2), for who shows the token."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from watership.testing.standin import Answer, Asked, Route

TOKEN: Final = "hvs.token"


def secret(path: str, made: Sequence[datetime], *, deleted: bool = False) -> dict[str, Route]:
    """A secret with a version of each moment."""
    versions = {
        str(number): {"created_time": at.isoformat(), "deletion_time": "", "destroyed": False}
        for number, at in enumerate(made, 1)
    }
    if deleted:
        versions[str(len(made))]["deletion_time"] = made[-1].isoformat()
    data = {"current_version": len(made), "max_versions": 0, "custom_metadata": None, "versions": versions}

    def answer(asked: Asked) -> Answer:
        if asked.headers.get("x-vault-token") != TOKEN:
            return Answer({"errors": ["permission denied"]}, 403)
        return Answer({"request_id": "1", "data": data})

    return {f"GET /v1/secret/metadata/{path}": answer}
