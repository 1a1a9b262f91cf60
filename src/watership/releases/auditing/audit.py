"""The audit is a chain of entries; each holds the digest of the one before, so none can be changed unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, Protocol

import msgspec
from msgspec import Struct, structs

from watership.errors import BadInput, Untrusted

GENESIS = "0" * 64
"""What the first entry names as its predecessor."""
# A decision with its measurements is below 4 KiB; larger evidence belongs in a file, with its digest here.
MAX_ENTRY_BYTES = 64 * 1024

Plain = str | int | float | bool | None
Fact = Plain | list[Plain] | dict[str, Plain]


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who did or found what, when. `digest` is over all the rest."""

    number: int
    at: datetime
    actor: str
    action: str
    facts: dict[str, Fact]
    previous: str
    digest: str = ""


class Verified(Struct, frozen=True):
    """The chain is whole. Note `head` elsewhere: with it the record and its head cannot both be taken back."""

    count: int
    head: str
    seal: Literal["signed", "unchecked", "none"] = "none"
    """Whether the head beside the record is signed; `unchecked`: it is, and there is no secret to check it with."""
    after: int = 0
    """Entries that follow the one which the head names: a crash came before it was replaced."""


class Broken(Struct, frozen=True):
    """`number` is the first entry that cannot be trusted."""

    number: int
    reason: str


class AuditBroken(Untrusted):
    """An audit log cannot be continued, because it cannot be trusted from `number` on."""

    code = "audit_broken"

    def __init__(self, where: str, broken: Broken) -> None:
        super().__init__(
            f"{where} is broken at entry {broken.number}: {broken.reason}.",
            fix="Keep the file as evidence and continue in a new one. If the secret was set or changed since: "
            "watership audit seal",
        )
        self.number = broken.number


class Audit(Protocol):
    """Keeps the record. An entry that was returned is on disk."""

    def append(self, actor: str, action: str, facts: Mapping[str, Fact]) -> Entry: ...

    def entries(self) -> list[Entry]: ...

    def verify(self, head: str | None = None) -> Verified | Broken:
        """Check the whole record, and that it ends at or after `head` where one is given."""


def chain(
    previous: Entry | None, *, at: datetime, actor: str, action: str, facts: Mapping[str, Fact]
) -> Entry:
    """The entry that follows `previous`. Raises BadInput when it is too large or not plain data."""
    entry = Entry(
        number=previous.number + 1 if previous else 1,
        at=at,
        actor=actor,
        action=action,
        facts=_plain(facts),
        previous=previous.digest if previous else GENESIS,
    )
    sealed = structs.replace(entry, digest=digest(entry))
    if len(encode(sealed)) > MAX_ENTRY_BYTES:
        raise BadInput(f"An audit entry is limited to {MAX_ENTRY_BYTES:,} bytes.")
    return sealed


def digest(entry: Entry) -> str:
    """sha256 over an entry without its digest, as canonical JSON."""
    return hashlib.sha256(encode(structs.replace(entry, digest=""))).hexdigest()


def encode(entry: Entry) -> bytes:
    """One line of the record, without its end."""
    return msgspec.json.encode(entry, order="sorted")


def decode(line: bytes) -> Entry | None:
    """The entry of a line, or None unless it is written exactly as we write it."""
    try:
        entry = msgspec.json.decode(line, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return entry if encode(entry) == line else None


def verify(
    entries: Iterable[Entry | None], *, head: str | None = None, after: tuple[int, str] = (0, GENESIS)
) -> Verified | Broken:
    """Follow the chain. None stands for a line that is no entry; `head` is a digest that must occur; `after` is the
    number and the digest of the entry before the first."""
    first, previous = after
    number, met = first, head in (None, previous)
    for number, entry in enumerate(entries, start=first + 1):
        wrong = _fault(entry, number, previous)
        if entry is None or wrong is not None:
            return Broken(number, wrong or "not an entry")
        previous = entry.digest
        met = met or previous == head
    if not met:
        return Broken(number + 1, "the record ends before the head that was noted")
    return Verified(number, previous)


def _fault(entry: Entry | None, number: int, previous: str) -> str | None:
    if entry is None:
        return "not an entry as we write them"
    if entry.number != number:
        return f"it is numbered {entry.number}"
    if entry.previous != previous:
        return "it does not follow the entry before it"
    if entry.digest != digest(entry):
        return "its content does not match its digest"
    return None


def _plain(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Facts as they will be read back; what JSON would change silently is refused."""
    plain = dict(facts)
    try:
        back = msgspec.json.decode(msgspec.json.encode(plain), type=dict[str, Fact])
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"An audit entry holds plain facts only: {error}.") from error
    if back != plain:
        raise BadInput("An audit entry holds a fact that JSON cannot hold, such as NaN.")
    return plain
