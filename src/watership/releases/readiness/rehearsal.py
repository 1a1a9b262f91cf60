"""A rehearsal is a release's migrations, tried on a copy of the database before anybody depends on them.

Whoever rehearses writes one as JSON; it names the scripts by the digests of their bytes, so that it proves nothing of
scripts that were changed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct


class Script(Struct, frozen=True, kw_only=True):
    """A migration as it was tried."""

    name: str
    forward_sha256: str
    backward_sha256: str


class Copy(Struct, frozen=True, kw_only=True):
    """What it was tried on. `of`: the database that was copied; `rows`: of all its tables."""

    of: str
    taken_at: datetime
    rows: int


class Ran(Struct, frozen=True, kw_only=True):
    """One direction of all migrations. `schema`: the version that the database told afterwards, where it tells one.

    `shape`: a digest of all that the database's catalogue says of tables, columns, indexes and constraints.
    `error`: why it did not get through, in the database's words.
    """

    seconds: float
    shape: str
    schema: int | None = None
    error: str = ""


class Held(Struct, frozen=True, kw_only=True):
    """A lock that a migration held, and how long others had to wait for it at most."""

    migration: str
    table: str
    mode: str
    seconds: float


class Index(Struct, frozen=True, kw_only=True):
    """An index that was built, and how long that took."""

    name: str
    table: str
    seconds: float


class Reads(Struct, frozen=True, kw_only=True):
    """How long the application's own queries took, in seconds at the 95th percentile."""

    before: float
    during: float
    after: float
    samples: int


class Rehearsal(Struct, frozen=True, kw_only=True):
    """Forward, backward, and forward again. What was not looked at is None: it is not known.

    `integrity`: what the integrity checks found wrong after the way forward; empty when nothing.
    """

    schema: Literal["watership/rehearsal/v1"]
    scripts: tuple[Script, ...]
    copy: Copy
    began: datetime
    ended: datetime
    before: Ran
    """The copy as it was: nothing ran, `seconds` is 0."""
    forward: Ran | None = None
    backward: Ran | None = None
    again: Ran | None = None
    integrity: tuple[str, ...] | None = None
    locks: tuple[Held, ...] | None = None
    indexes: tuple[Index, ...] | None = None
    reads: Reads | None = None


def differing(tried: Sequence[Script], planned: Sequence[Script]) -> list[str]:
    """The scripts that are planned and were not tried as they are, or were tried and are not planned."""
    there, wanted = {each.name: each for each in tried}, {each.name: each for each in planned}
    lacking = [f"{name} was not rehearsed" for name in wanted if name not in there]
    strange = [f"{name} is not planned" for name in there if name not in wanted]
    changed = [
        f"{name} was changed since" for name in wanted if name in there and wanted[name] != there[name]
    ]
    return lacking + strange + changed


def faults(tried: Rehearsal) -> list[str]:
    """What went wrong in a rehearsal, whatever was planned."""
    ways = (("forward", tried.forward), ("backward", tried.backward), ("forward again", tried.again))
    wrong = [f"it did not go {way}" for way, ran in ways if ran is None]
    wrong += [f"{way} failed: {ran.error}" for way, ran in ways if ran is not None and ran.error]
    if not wrong and tried.backward is not None and tried.backward.shape != tried.before.shape:
        wrong.append("backward does not lead to the shape from which it came")
    if (
        not wrong
        and tried.again is not None
        and tried.forward is not None
        and tried.again.shape != tried.forward.shape
    ):
        wrong.append("forward again does not lead where forward did")
    return wrong + list(tried.integrity or ())
