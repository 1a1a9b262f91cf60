"""A post-mortem's skeleton: the facts filled in, and what only people can write left open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from watership.releases.auditing.audit import Entry
from watership.releases.book.quantity import spoken
from watership.releases.incidents.escalation import reaction
from watership.releases.incidents.incident import (
    TRIGGERS,
    Decided,
    Escalated,
    Incident,
    Measured,
    Restored,
    Told,
)
from watership.releases.incidents.timeline import Line, timeline

NOT_KNOWN = "not known"

_OPENS = re.compile(r"[\\`|\[]|^[#>+=~-]")
"""What means something to Markdown: anywhere, and at the beginning of a line."""

OPEN_QUESTIONS = (
    ("Root cause", "Why did it happen? Ask why until the answer is something that can be changed."),
    ("Impact", "Who noticed what, and for how long? Which part of the error budget did it cost?"),
    ("What went well", "What shortened it, and is to be kept?"),
    ("What went badly", "What lengthened it? Where were we lucky?"),
    ("Learning", "Which check, fuse or item of the checklist would have caught it before?"),
    ("Actions", "| What | Who | Until |\n|---|---|---|\n| | | |"),
)


def skeleton(incident: Incident, entries: Sequence[Entry], now: datetime) -> str:
    """The post-mortem of an incident as Markdown, by its own events and by the audit."""
    lines = timeline(incident, entries)
    parts = [
        f"# Post-mortem of {incident.id}: {_safe(incident.opening.title)}",
        _facts(incident, now),
        "## Symptom\n\n" + _safe(incident.opening.symptom),
        "## Durations\n\n" + _table(("What", "Took"), _durations(incident)),
        "## Timeline\n\n" + _table(("When", "UTC", "Who", "What"), (_row(line) for line in lines)),
        "## What was measured\n\n" + _list(_measured(incident, lines)),
        "## What the gate said\n\n" + _list(gate_words(incident, entries)),
        "## Decision\n\n" + _list(_decisions(incident)),
    ]
    parts += [f"## {title}\n\n<!-- to be written -->\n{question}" for title, question in OPEN_QUESTIONS]
    return "\n\n".join(parts) + "\n"


def gate_words(incident: Incident, entries: Sequence[Entry]) -> list[str]:
    """The last words of the release's gate: what its soaks and its watch ended with."""
    release = incident.opening.release
    return [
        f"{entry.action.removeprefix('release.')}: {entry.facts.get('evidence') or NOT_KNOWN}"
        for entry in entries
        # Only who looked at traffic counts ticks.
        if release and entry.facts.get("release") == release and "ticks" in entry.facts
    ]


def _facts(incident: Incident, now: datetime) -> str:
    opening = incident.opening
    people = sorted({each.who for each in incident.events})
    seats = [each.seat for each in incident.events if isinstance(each, Escalated | Told)]
    rows = [
        ("Severity", str(incident.severity)),
        ("State", f"{incident.state}{', a false alarm' if incident.false_alarm else ''}"),
        ("Release", opening.release or "none"),
        ("Opened by", f"{incident.opened_by}{f', by the rule “{opening.rule}”' if opening.rule else ''}"),
        ("Began", _moment(opening.began)),
        ("Opened", _moment(incident.opened_at)),
        ("Acknowledged by", incident.acknowledged_by or NOT_KNOWN),
        ("Restored", _moment(incident.restored_at)),
        ("Closed", _moment(incident.closed_at)),
        ("Told", ", ".join(dict.fromkeys(seats)) or NOT_KNOWN),
        (
            "Urgent because of",
            ", ".join(TRIGGERS[each] for each in dict.fromkeys(incident.triggers)) or "nothing",
        ),
        ("Who took part", ", ".join(people)),
        ("Written", f"{_moment(now)}, from the records"),
    ]
    return _table(("Fact", ""), ((name, _safe(value)) for name, value in rows))


def _durations(incident: Incident) -> Iterator[tuple[str, str]]:
    opened, opening = incident.opened_at, incident.opening
    decided = next((each.at for each in incident.events if isinstance(each, Decided)), None)
    began, end = opening.began, incident.restored_at
    yield "Detect (from its beginning to the opening)", _took(began, opened)
    taken = reaction(incident)
    yield "Acknowledge (from the opening)", NOT_KNOWN if taken is None else _spoken(taken)
    yield "Decide (from the opening to the first decision)", _took(opened, decided)
    yield "Restore (from the opening)", _took(opened, end)
    yield "In all (from its beginning until restored)", _took(began, end)


def _measured(incident: Incident, lines: Sequence[Line]) -> list[str]:
    """What rule or person saw at the opening, what was measured since, and by what one knows that it is over."""
    facts = [f"{name} {value}" for name, value in incident.opening.facts.items()]
    own = [each.text for each in incident.events if isinstance(each, Measured | Restored)]
    failed = [
        line.what for line in lines if line.source == "audit" and ".failed" in line.what.partition(":")[0]
    ]
    return [incident.opening.symptom, *facts, *own, *failed]


def _decisions(incident: Incident) -> list[str]:
    return [
        f"{each.decision} ({each.who}, {_offset(incident, each.at)})"
        for each in incident.events
        if isinstance(each, Decided)
    ]


def _offset(incident: Incident, at: datetime) -> str:
    return f"T+{_spoken(at - incident.opened_at)}"


def _took(start: datetime | None, end: datetime | None) -> str:
    return NOT_KNOWN if start is None or end is None else _spoken(end - start)


def _spoken(time: timedelta) -> str:
    return spoken(round(time.total_seconds())) or "0s"


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at is not None else NOT_KNOWN


def _row(line: Line) -> tuple[str, ...]:
    return line.when, f"{line.at:%H:%M:%S}", _safe(line.who), _safe(line.what)


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {_safe(item)}" for item in items) or f"- {NOT_KNOWN}"


def _safe(text: str) -> str:
    """Somebody's words in one line, which open no table, tag, link, code, list or heading."""
    flat = _OPENS.sub(r"\\\g<0>", " ".join(text.split()))
    return flat.replace("&", "&amp;").replace("<", "&lt;")
