"""Where the checklist stands: each point by its last record that counts, at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from watership.releases.readiness.checklist import Checklist, ChecklistItem, Point, Section, key, names
from watership.releases.readiness.records import Attested, Measured, Record, Waived
from watership.releases.verdict import Verdict

State = Literal["passed", "failed", "inconclusive", "waived", "expired", "open"]

ORDER: tuple[State, ...] = ("failed", "inconclusive", "expired", "open", "waived", "passed")
"""The worst first: the order in which one would want to hear of them."""

GOOD: frozenset[State] = frozenset({"passed", "waived"})
"""What lets a release go on."""


_VERDICTS: dict[State, Verdict] = {
    "passed": Verdict.PASSED,
    "waived": Verdict.PASSED,
    "failed": Verdict.FAILED,
    "inconclusive": Verdict.INCONCLUSIVE,
    "expired": Verdict.INCONCLUSIVE,
    "open": Verdict.INCONCLUSIVE,
}


class PointStanding(Struct, frozen=True, kw_only=True):
    """A point, what is known of it, and whose word that is. `open`: nothing yet."""

    key: str
    text: str
    state: State
    how: Literal["measured", "attested"]
    words: str = ""
    by: str = ""
    at: datetime | None = None
    expires_at: datetime | None = None
    evidence: str = ""
    """What a person points to."""
    fix: str = ""

    @property
    def good(self) -> bool:
        return self.state in GOOD


class ItemStanding(Struct, frozen=True, kw_only=True):
    """An item with its points. `late`: it was due, and is not good."""

    id: str
    number: int
    title: str
    section: str
    owner: str
    due: datetime | None
    late: bool
    points: tuple[PointStanding, ...]
    names: frozenset[str]
    """What people call it: see `checklist.chosen`."""

    @property
    def state(self) -> State:
        """The worst of its points."""
        there = {point.state for point in self.points}
        return next(state for state in ORDER if state in there)

    @property
    def verdict(self) -> Verdict:
        """What its state comes to: what has expired or is open is not known."""
        return _VERDICTS[self.state]

    @property
    def good(self) -> bool:
        return all(point.good for point in self.points)


def standing(
    checklist: Checklist,
    records: Sequence[Record],
    *,
    build: str,
    now: datetime,
    zero: datetime | None = None,
    factor: float = 1.0,
) -> tuple[ItemStanding, ...]:
    """Every item as it stands `now` for the build of that digest.

    With `zero` (T+0) it is known what is late; `factor` scales the calendar.
    """
    last = _last(records, build)
    return tuple(
        _item(section, item, last, now, due=_due(item, zero, factor))
        for section in checklist
        for item in section.items
    )


def _due(item: ChecklistItem, zero: datetime | None, factor: float) -> datetime | None:
    return None if zero is None else zero + timedelta(seconds=item.by * factor)


def _last(
    records: Iterable[Record], build: str
) -> dict[str, tuple[Measured | Attested | None, Waived | None]]:
    """By point: the last word on it, and the last waiver."""
    found: dict[str, tuple[Measured | Attested | None, Waived | None]] = {}
    for record in records:
        match record:
            case Measured(point=point) if record.build == build:
                found[point] = (record, found.get(point, (None, None))[1])
            case Attested() if record.build == build:
                found |= {point: (record, found.get(point, (None, None))[1]) for point in record.points}
            case Waived() if record.build == build:
                found |= {point: (found.get(point, (None, None))[0], record) for point in record.points}
            case _:
                pass
    return found


def _item(
    section: Section,
    item: ChecklistItem,
    last: dict[str, tuple[Measured | Attested | None, Waived | None]],
    now: datetime,
    *,
    due: datetime | None,
) -> ItemStanding:
    points = tuple(
        point_standing(key(item, point), point, *last.get(key(item, point), (None, None)), now)
        for point in item.points
    )
    good = all(point.good for point in points)
    return ItemStanding(
        id=item.id,
        number=item.number,
        title=item.title,
        section=section.section,
        owner=item.owner,
        due=due,
        late=due is not None and now > due and not good,
        points=points,
        names=frozenset().union(*(names(section, item, point) for point in item.points)),
    )


def point_standing(
    name: str, point: Point, said: Measured | Attested | None, waived: Waived | None, now: datetime
) -> PointStanding:
    """One point, by what was said of it last. A waiver stands in for what is not good, until it ends."""
    found = PointStanding(
        key=name, text=point.text, state="open", how="measured" if point.check else "attested"
    )
    # Evidence of the other way counts for nothing: nobody attests what is to be measured.
    match said:
        case Measured() if point.check is not None:
            found = _measured(found, said, now)
        case Attested() if point.check is None:
            found = _attested(found, said, now)
        case _:
            pass
    if waived is None or found.good or now >= waived.until:
        return found
    return PointStanding(
        key=name,
        text=point.text,
        state="waived",
        how=found.how,
        words=f"waived: {waived.reason}" + (f" ({found.state}: {found.words})" if found.words else ""),
        by=waived.person,
        at=waived.at,
        expires_at=waived.until,
    )


def _measured(blank: PointStanding, said: Measured, now: datetime) -> PointStanding:
    got = said.got
    expired = got.verdict is Verdict.PASSED and got.expires_at is not None and now >= got.expires_at
    return PointStanding(
        key=blank.key,
        text=blank.text,
        how="measured",
        state="expired" if expired else got.verdict.value,
        words=got.evidence,
        by=said.by,
        at=got.ended,
        expires_at=got.expires_at,
        fix=got.fix,
    )


def _attested(blank: PointStanding, said: Attested, now: datetime) -> PointStanding:
    holds: State = "expired" if now >= said.expires_at else "passed"
    return PointStanding(
        key=blank.key,
        text=blank.text,
        how="attested",
        state=holds if said.holds else "failed",
        words=said.words,
        by=f"{said.person} ({said.role})",
        at=said.at,
        expires_at=said.expires_at,
        evidence=said.evidence,
    )
