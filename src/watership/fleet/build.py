"""A build is one immutable version of an application: a digest, and the schema versions it can live with."""

from __future__ import annotations

import msgspec


class SchemaRange(msgspec.Struct, frozen=True):
    """The schema versions that a build reads and writes correctly, both ends included."""

    lowest: int
    highest: int

    def __contains__(self, version: int) -> bool:
        return self.lowest <= version <= self.highest


class SchemaStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Which schema a store has (0: none), and which ones this build reads and writes."""

    present: int
    known: SchemaRange

    @property
    def fits(self) -> bool:
        return self.known.lowest <= self.present <= self.known.highest


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """What is put into a slot. `digest` is sha256 over the content of `source`, file by file in name order."""

    version: str
    digest: str
    source: str
    schema: SchemaRange
