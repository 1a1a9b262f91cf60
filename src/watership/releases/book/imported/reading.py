"""Reading makes a seed runbook of a Markdown document, and says what it did not find or understand.

Nothing is a constant of one document: sections are found by their headings, and what is in them by its shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.imported.encoding import repaired
from watership.releases.book.imported.outline import Outline, outline
from watership.releases.book.imported.rules import (
    APPROVALS,
    AUTHORITY,
    CHECKLIST,
    CONTACTS,
    CRITERIA,
    DECISION,
    ESCALATION,
    MESSAGES,
    ROLES,
    TIMELINE,
    VALIDATION,
    Reader,
    Unread,
)
from watership.releases.book.imported.seed import Counts, SeedRunbook, counted

# The seed has 60 kB; what is much larger was not written to be followed by people.
MAX_BYTES = 1 << 20

WHERE: dict[str, tuple[str, ...]] = {
    CHECKLIST: ("items", "points", "verifications"),
    TIMELINE: ("phases", "timeline_steps", "preparations"),
    ROLES: ("roles", "responsibilities", "role_duties"),
    MESSAGES: ("templates",),
    CRITERIA: ("rollback_criteria",),
    AUTHORITY: ("rollback_authorities",),
    VALIDATION: ("validations",),
    CONTACTS: ("contacts",),
    ESCALATION: ("escalation_levels", "escalation_triggers"),
    APPROVALS: ("approvals",),
    DECISION: ("go_no_go_lines",),
}
"""Heading → what is counted under it."""


class Missing(Struct, frozen=True, kw_only=True):
    """Something of which the document has none, and why it counts nothing."""

    what: str
    why: str


class Imported(Struct, frozen=True, kw_only=True):
    """A document as it was read. Only where nothing is missing or unread is it read whole."""

    runbook: SeedRunbook
    counts: Counts
    missing: tuple[Missing, ...]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not self.missing and not self.unread


def load(path: Path) -> Imported:
    """Read a file. Raises BadInput where it is no text."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise BadInput(f"{path.name} is longer than {MAX_BYTES:,} bytes; no go-live is.")
    try:
        return read(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path.name}:{line}: not UTF-8 text.") from error


def read(text: str) -> Imported:
    """Read a document."""
    mended, times = repaired(text)
    document = outline(mended)
    reader = Reader(document)
    seed = reader.seed()
    counts = counted(seed)
    notes = [f"{times} characters were encoded twice, and are repaired"] if times else []
    return Imported(
        runbook=seed,
        counts=counts,
        missing=tuple(_missing(document, counts)),
        unread=tuple(sorted(reader.unread, key=lambda each: each.line)),
        notes=(*notes, *_notes(seed)),
    )


def _missing(document: Outline, counts: Counts) -> Iterator[Missing]:
    for heading, names in WHERE.items():
        parts = document.under(heading)
        for name in names:
            if not getattr(counts, name):
                there = (
                    f"line {parts[0].line}, '{heading}', holds none"
                    if parts
                    else f"no heading reads '{heading}'"
                )
                yield Missing(what=name, why=there)


def _notes(seed: SeedRunbook) -> Iterator[str]:
    """Where the document is at odds with itself."""
    for section in seed.sections:
        held = sum(item.section == section.letter for item in seed.items)
        if section.claims is not None and section.claims != held:
            yield f"section {section.letter} says {section.claims} items, and holds {held}"
    for number, times in Counter(item.number for item in seed.items).items():
        if times > 1:
            yield f"{times} items have the number {number}"
    for item in seed.items:
        if not item.points:
            yield f"item {item.number}, '{item.title}', has no points"
        if item.verification is None:
            yield f"item {item.number}, '{item.title}', does not say how it is verified"
