"""The words of a report: verdicts, moments, durations and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from watership.releases.book.quantity import spoken
from watership.releases.readiness.standing import State
from watership.releases.reporting.forms.page import Cell, Line, Tone, Words
from watership.releases.reporting.report import EvidenceFile, Side
from watership.releases.verdict import Verdict

_MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.INCONCLUSIVE: "?"}

_STATES: dict[State, tuple[str, Tone]] = {
    "passed": ("✓ passed", ""),
    "failed": ("✗ failed", "failed"),
    "inconclusive": ("? inconclusive", "inconclusive"),
    "waived": ("~ waived", "inconclusive"),
    "expired": ("? expired", "inconclusive"),
    "open": ("– open", "inconclusive"),
}

NOTHING = "–"


def verdict(found: Verdict | None) -> Words:
    """Passed is quiet; the others are not."""
    if found is None:
        return Words(f"{NOTHING} not reached", "quiet")
    tones: dict[Verdict, Tone] = {Verdict.FAILED: "failed", Verdict.INCONCLUSIVE: "inconclusive"}
    return Words(f"{_MARKS[found]} {found.value}", tones.get(found, ""))


def state(found: State) -> Words:
    """The state of a point or an item of the checklist."""
    return Words(*_STATES[found])


def moment(at: datetime | None) -> str:
    if at is None:
        return NOTHING
    return at.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def seconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    if value < 0:
        return f"−{spoken(-value)}"
    return spoken(value) or "0s"


def offset(value: float | None) -> str:
    """Seconds from T+0, as a runbook says them."""
    if value is None:
        return NOTHING
    return f"T−{spoken(-value)}" if value < 0 else f"T+{spoken(value) or '0s'}"


def number(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" if value < 1e9 else f"{value:.1e}"


def place(side: Side) -> Words:
    """Blue and green are places, not statuses: each has a sign of its own."""
    return Words(f"{'■' if side.place == 'blue' else '●'} {side.place}", side.place)


def cell(*words: Words | str) -> Cell:
    """A cell of one line."""
    return (line(*words),)


def line(*words: Words | str) -> Line:
    return tuple(Words(each) if isinstance(each, str) else each for each in words)


def lines(*each: Iterable[Words] | str | None) -> Cell:
    """A cell of several lines, without the empty ones."""
    return tuple(line(part) if isinstance(part, str) else tuple(part) for part in each if part)


def file(found: EvidenceFile) -> Line:
    """A file of evidence: a link only to what is there and is what it was."""
    mark = (Words(f" sha256 {found.sha256}", "quiet", code=True),) if found.sha256 else ()
    match found.state:
        case "there":
            return (Words(found.path, file=found.path), *mark)
        case "gone":
            return (Words(found.path), Words(" is gone", "failed"), *mark)
        case "changed":
            return (Words(found.path), Words(" was changed since", "failed"), *mark)
