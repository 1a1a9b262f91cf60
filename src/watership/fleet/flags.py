"""A flag says who gets a feature: nobody, everybody, a share by stable hash, or named tenants."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from watership.errors import BadInput, Conflict
from watership.fleet.intake import BUCKETS

READ_ONLY: Final = "ENABLE_READ_ONLY"
"""The intake's read-only switch seen as a flag: the intake's row is the truth, and no second one is kept."""

PAUSE: Final = "PAUSE."
"""Begins the flags that pause a program. The intake's row names those that are on, for whoever claims; the flag is who
paused it, when and why."""

FLAGS_LIMIT: Final = 1_000
"""Flags of one store: every process reads all of them every two seconds."""

TENANTS_LIMIT: Final = 1_000
"""Tenants that a flag names; a larger group is a share, or a matter of the application's own data."""

REASON_CHARACTERS: Final = 1_000

FLAGS_TOPIC: Final = "flags"
"""Rung when a flag has changed. A hint: every process looks anyway."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """`disabled`: nobody gets it, whatever else is set. Then a tenant's own word counts, then `on` and `percent`.

    `version` is the number of its last change; 0 is a flag that nobody has set.
    """

    name: str
    on: bool = False
    percent: float = 100.0
    tenants: Mapping[str, bool] = {}
    disabled: bool = False
    version: int = 0
    updated_at: datetime | None = None
    by: str = ""
    reason: str = ""


class FlagChange(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the record of changes, which only grows. `before` is None for a flag that was not there."""

    number: int
    name: str
    at: datetime
    by: str
    reason: str
    before: Flag | None
    after: Flag


class Why(StrEnum):
    """What decided."""

    DISABLED = "disabled"
    TENANT = "tenant"
    OFF = "off"
    ON = "on"
    SPLIT = "split"
    NO_KEY = "no key"


class Evaluation(msgspec.Struct, frozen=True):
    """Whether a flag is on for somebody, and what decided it."""

    on: bool
    why: Why


class Flags(Protocol):
    """The flags, in the database of the runs."""

    async def flags(self) -> Sequence[Flag]:
        """All flags by name, ENABLE_READ_ONLY among them."""

    async def set_flag(self, flag: Flag, *, expected: int | None = None) -> Flag:
        """Put `flag` in force, and record who did it and why, in one transaction; returns it as it stands.

        Its `version` and `updated_at` are the store's to give. Raises Conflict when `expected` is not the version
        in force, and BadInput for what is no flag.
        """

    async def flag_changes(self, name: str | None = None, *, limit: int = 50) -> Sequence[FlagChange]:
        """The record of changes, newest first."""


def evaluate(flag: Flag, tenant: str, targeting_key: str) -> bool:
    """Whether `flag` is on for this tenant and key."""
    return explain(flag, tenant, targeting_key).on


def explain(flag: Flag, tenant: str, targeting_key: str) -> Evaluation:
    """Whether `flag` is on for this tenant and key, and why. A share without a key to hash is off."""
    if flag.disabled:
        return Evaluation(False, Why.DISABLED)
    if tenant in flag.tenants:
        return Evaluation(flag.tenants[tenant], Why.TENANT)
    if not flag.on or flag.percent <= 0:
        return Evaluation(False, Why.OFF)
    if flag.percent >= 100:
        return Evaluation(True, Why.ON)
    if not targeting_key:
        return Evaluation(False, Why.NO_KEY)
    return Evaluation(_bucket(flag.name, targeting_key) < round(flag.percent * BUCKETS / 100), Why.SPLIT)


def _bucket(name: str, targeting_key: str) -> int:
    # The name is hashed too: otherwise the same tenth of all keys would try every new feature first.
    digest = hashlib.sha256(f"{name}\n{targeting_key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def check_flag(flag: Flag) -> Flag:
    """`flag`, if it can be put in force; BadInput otherwise."""
    if not _NAME.fullmatch(flag.name):
        raise BadInput(
            f"{flag.name[:100]!r} is no name for a flag.",
            fix="Begin with a letter; then letters, digits, `_`, `.` and `-`, at most 100.",
        )
    if not 0 <= flag.percent <= 100:
        raise BadInput(f"A share is within 0 and 100 per cent; got {flag.percent:g}.")
    if len(flag.tenants) > TENANTS_LIMIT:
        raise BadInput(f"A flag names at most {TENANTS_LIMIT:,} tenants; got {len(flag.tenants):,}.")
    if len(flag.reason) > REASON_CHARACTERS:
        raise BadInput(f"A reason has at most {REASON_CHARACTERS:,} characters.")
    if is_switch(flag.name) and (flag.tenants or flag.percent != 100):
        raise BadInput(f"{flag.name} holds for everybody or for nobody.", fix="Set it on or off.")
    return flag


def changed(
    before: Flag | None, wanted: Flag, *, expected: int | None, number: int, now: datetime
) -> FlagChange:
    """The change that puts `wanted` in the place of `before`. Raises Conflict when that is not `expected`."""
    check_flag(wanted)
    present = before.version if before is not None else 0
    if expected is not None and expected != present:
        raise Conflict(
            f"{wanted.name} was changed meanwhile: it has version {present}, not {expected}.",
            fix="Look at it again with `watership flag list`, then set it.",
        )
    after = replace(wanted, version=number, updated_at=now)
    if is_switch(wanted.name):
        # The intake knows on and off, and nothing beside them.
        after = replace(after, on=wanted.on and not wanted.disabled, disabled=False)
    return FlagChange(
        number=number,
        name=wanted.name,
        at=now,
        by=wanted.by,
        reason=wanted.reason,
        before=before,
        after=after,
    )


def is_switch(name: str) -> bool:
    """Whether the intake's row obeys the flag."""
    return name == READ_ONLY or name.startswith(PAUSE)


def pause_flag(program: str) -> str:
    """The flag that pauses a program."""
    return f"{PAUSE}{program}"


def read_only_flag(readonly: bool, last: FlagChange | None) -> Flag:
    """The intake's switch as a flag; `last` is what the record knows of it."""
    known = Flag(name=READ_ONLY) if last is None else last.after
    return replace(known, on=readonly)


def room_for(name: str, there: int) -> None:
    """Raise Conflict when `there` flags leave no room for a new one."""
    if there >= FLAGS_LIMIT:
        raise Conflict(
            f"There are {there:,} flags, as many as there may be; {name} would be one more.",
            fix="Use one that is no longer needed under a new meaning, or keep it in your own data.",
        )
