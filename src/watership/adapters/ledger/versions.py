"""The version of a store's schema, and whether a build can work with it."""

from __future__ import annotations

import msgspec

from watership.errors import BadInput, Conflict
from watership.fleet.build import SchemaRange


class SchemaStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`present` stands in the database (0: nothing); this build reads and writes `lowest` to `highest`."""

    present: int
    lowest: int
    highest: int

    @property
    def fits(self) -> bool:
        return self.lowest <= self.present <= self.highest


def status_of(present: int, known: SchemaRange) -> SchemaStatus:
    return SchemaStatus(present=present, lowest=known.lowest, highest=known.highest)


def check(status: SchemaStatus) -> None:
    """Raise Conflict unless this build can work with the schema. Nobody migrates by the way."""
    if status.fits:
        return
    if status.present > status.highest:
        raise too_new(status)
    raise Conflict(
        f"The database has schema {status.present or 'none'}; this build needs {status.highest}.",
        fix="Run: watership db upgrade",
    )


def too_new(status: SchemaStatus) -> Conflict:
    return Conflict(
        f"The store has schema {status.present}; this build knows {status.lowest} to {status.highest}.",
        fix="Start the newer build, or migrate the store back with it first: watership db downgrade",
    )


def check_target(version: int, known: SchemaRange) -> None:
    if not 0 <= version <= known.highest:
        raise BadInput(f"There is no schema {version}; this build knows {known.lowest} to {known.highest}.")
