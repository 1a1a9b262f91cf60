"""A record is bound to the audit, which has the sha256 of its line: none is changed, moved, added or removed unseen.

The line is on the disk first, and the entry comes after it, under one lock. So a record without an entry was never
acknowledged and counts for nothing; there is one at most, the last. An entry without its record was tampered with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from watership.errors import Untrusted
from watership.releases.auditing.audit import Entry, Fact
from watership.releases.measurement import excerpt
from watership.releases.readiness.records import Record, audited

DROPPED: Final = "record.dropped"
"""What a crash left of a record, or somebody added: a line that was in no entry, and is removed before the next."""

SHOWN: Final = 1000
"""Characters of a line that is dropped which the audit keeps."""


class Bound(Struct, frozen=True, kw_only=True):
    """An entry of the audit that says which bytes the next line of a release's records has."""

    entry: int
    actor: str
    action: str
    sha256: str

    def __str__(self) -> str:
        return f"entry {self.entry} of the audit ({self.action} by {self.actor})"


class Astray(Struct, frozen=True, kw_only=True):
    """The first line that does not agree with the audit, and what became of it."""

    line: int
    what: Literal["edited", "removed", "moved", "inserted"]
    words: str


class RecordsAstray(Untrusted):
    """A release's records are not what the audit has of them, so nothing is judged by them."""

    code = "records_astray"

    def __init__(self, where: str, astray: Astray) -> None:
        super().__init__(
            f"{where} does not agree with the audit: line {astray.line} was {astray.what}: {astray.words}.",
            fix="Put the file back as it was (watership audit verify), or plan the release anew under another name.",
        )
        self.astray = astray


def sha256_of(line: bytes) -> str:
    """Of a record's line, without its end."""
    return hashlib.sha256(line).hexdigest()


def entry_of(release: str, record: Record, line: bytes, number: int) -> tuple[str, str, dict[str, Fact]]:
    """Actor, action and facts of the entry that binds a record, which is the line of that number."""
    actor, action, facts = audited(record)
    return actor, action, {"release": release, **facts, "record": number, "sha256": sha256_of(line)}


def drop_of(release: str, line: bytes, number: int) -> tuple[str, str, dict[str, Fact]]:
    """The entry that comes before an unbound line is removed."""
    facts: dict[str, Fact] = {"release": release, "line": number, "was": sha256_of(line)}
    return "watership", DROPPED, facts | {"text": excerpt(line, SHOWN)}


def binds(entry: Entry) -> tuple[str, Bound] | None:
    """The release and the bond, where an entry binds a record."""
    match entry.facts:
        case {"release": str(release), "record": int(), "sha256": str(digest)}:
            bound = Bound(entry=entry.number, actor=entry.actor, action=entry.action, sha256=digest)
            return release, bound
        case _:
            return None


def bonds(entries: Iterable[Entry]) -> Mapping[str, Sequence[Bound]]:
    """By release, what binds its records, in the order of their lines."""
    found: dict[str, list[Bound]] = {}
    for entry in entries:
        pair = binds(entry)
        if pair is not None:
            found.setdefault(pair[0], []).append(pair[1])
    return found


def astray(lines: Sequence[bytes], bound: Sequence[Bound]) -> Astray | None:
    """The first of the lines that does not agree with the audit. A last one without an entry is none."""
    there, wanted = [sha256_of(line) for line in lines], [each.sha256 for each in bound]
    for index, each in enumerate(bound):
        if index >= len(there) or there[index] != each.sha256:
            return _named(index, there, wanted, bound)
    if len(there) > len(bound) + 1:
        words = f"{len(there) - len(bound)} lines follow the last one that is audited, and a crash leaves one"
        return Astray(line=len(bound) + 1, what="inserted", words=words)
    return None


def unbound(lines: Sequence[bytes], bound: Sequence[Bound]) -> int | None:
    """The number of a last line that is in no entry: it counts for nothing."""
    return len(lines) if len(lines) > len(bound) else None


def _named(index: int, there: Sequence[str], wanted: Sequence[str], bound: Sequence[Bound]) -> Astray:
    number, each = index + 1, bound[index]
    if index >= len(there):
        return Astray(line=number, what="removed", words=f"the file ends before it, and it is {each}")
    comes_later = each.sha256 in there[index + 1 :]
    belongs_later = there[index] in wanted[index + 1 :]
    if comes_later and belongs_later:
        words = f"it belongs in line {wanted.index(there[index], index + 1) + 1}, and here {each}"
        return Astray(line=number, what="moved", words=words)
    if belongs_later:
        return Astray(
            line=number, what="removed", words=f"what stands here comes later, and {each} is missing"
        )
    if comes_later:
        return Astray(line=number, what="inserted", words=f"no entry has it, and {each} comes later")
    return Astray(line=number, what="edited", words=f"it is not what {each} has")
