"""A place is where one repetition of one peer works: a database, a virtual host and a Redis of its own, all empty."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

VARIABLE = "PEERS_PLACE"
"""The environment's variable that tells a process of a peer its place."""

NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Taken out for all peers alike. What is installed has its bytecode; where this is set, whoever of us happens not to
have it yet would be compiled anew at each start, and the import measured would be the compiler's time."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """`servers` are the main processes of what stands behind the addresses, by name: their CPU is counted too."""

    peer: str
    postgres: str
    rabbit: str
    redis: str
    where: str
    servers: Mapping[str, int]

    @property
    def folder(self) -> Path:
        """For files of this repetition: logs, marks, accepted ids."""
        return Path(self.where)

    def environment(self) -> dict[str, str]:
        """Ours, with bytecode and without our own settings, and this place."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("WATERSHIP_") and name != NO_BYTECODE
        }
        return inherited | {VARIABLE: msgspec.json.encode(self).decode()}


def here() -> Place:
    """The place of this process, which was started with it in its environment."""
    return msgspec.json.decode(os.environ[VARIABLE], type=Place)
