"""Records are what people and programs put down about a release, in order, and never change again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol, assert_never

from msgspec import Meta, Struct

from watership.releases.auditing.audit import Fact
from watership.releases.measurement import Measurement
from watership.releases.plan import Plan, fingerprint
from watership.releases.readiness.signoff import Missing, SignOff, missing

Words = Annotated[str, Meta(max_length=2_000)]


class Measured(Struct, frozen=True, kw_only=True, tag_field="kind", tag="measured"):
    """A point of the checklist, or of a window after the deployment, was measured for the build of that digest."""

    point: str
    build: str
    by: str
    got: Measurement


class Attested(Struct, frozen=True, kw_only=True, tag_field="kind", tag="attested"):
    """A person answers for points, in a role. `evidence` is a file or a URL; `sha256` that of the file's bytes."""

    points: tuple[str, ...]
    build: str
    person: str
    role: str
    holds: bool
    """False: it is not so. That is said as openly as the other."""
    words: Words
    evidence: str = ""
    sha256: str = ""
    at: datetime
    expires_at: datetime


class Waived(Struct, frozen=True, kw_only=True, tag_field="kind", tag="waived"):
    """A person lets the release go on without points, for a reason and until a time."""

    points: tuple[str, ...]
    build: str
    person: str
    role: str
    reason: Words
    at: datetime
    until: datetime


class Signed(Struct, frozen=True, kw_only=True, tag_field="kind", tag="signed"):
    """A sign-off was given."""

    signoff: SignOff


class Declined(Struct, frozen=True, kw_only=True, tag_field="kind", tag="declined"):
    """A person refuses to sign in a role. A later sign-off in that role takes it back."""

    fingerprint: str
    role: str
    person: str
    reason: Words
    at: datetime


class Decided(Struct, frozen=True, kw_only=True, tag_field="kind", tag="decided"):
    """GO or NO-GO, by who may say so, for one plan. A NO-GO says what the four lines of its record ask."""

    decision: Literal["go", "no_go"]
    fingerprint: str
    person: str
    role: str
    reason: Words
    at: datetime
    issue: Words = ""
    mitigation: Words = ""
    rescheduled: str = ""
    informed: Words = ""


class Ready(Struct, frozen=True, kw_only=True, tag_field="kind", tag="ready"):
    """Somebody of the team is here and ready, in a role."""

    build: str
    person: str
    role: str
    at: datetime


class Called(Struct, frozen=True, kw_only=True, tag_field="kind", tag="called"):
    """A test call to a contact, and whether it was answered."""

    seat: str
    person: str
    by: str
    reached: bool
    at: datetime


class TakenBack(Struct, frozen=True, kw_only=True, tag_field="kind", tag="taken_back"):
    """Both planes were ordered to the last safe side where no controller lived. `done`: they read back so."""

    person: str
    reason: Words
    began: datetime
    ended: datetime
    done: bool
    evidence: Words


class Contracted(Struct, frozen=True, kw_only=True, tag_field="kind", tag="contracted"):
    """The contract of a release that had ended. `version`: of the schema, as the database told it afterwards."""

    person: str
    began: datetime
    ended: datetime
    done: bool
    version: int
    evidence: Words


Record = Measured | Attested | Waived | Signed | Declined | Decided | Ready | Called | TakenBack | Contracted


def taken_back(records: Sequence[Record]) -> TakenBack | None:
    """What became of a release beside its journal: the first rollback that succeeded, else the last that was tried."""
    tried = [each for each in records if isinstance(each, TakenBack)]
    return next((each for each in tried if each.done), tried[-1] if tried else None)


def standing_signoffs(given: Sequence[SignOff], records: Sequence[Record]) -> tuple[SignOff, ...]:
    """The sign-offs that stand: those given before, then those on record, without what was declined afterwards.

    Who signs once more has given one word, and the newer one stands.
    """
    found = [each for each in given if each not in {r.signoff for r in records if isinstance(r, Signed)}]
    for record in records:
        match record:
            case Signed(signoff=signoff):
                found = [*(each for each in found if not _anew(signoff, each)), signoff]
            case Declined(fingerprint=fingerprint, role=role):
                found = [each for each in found if (each.fingerprint, each.role) != (fingerprint, role)]
            case _:
                pass
    return tuple(found)


def _anew(signoff: SignOff, before: SignOff) -> bool:
    """Whether a sign-off is the same word as one before, given once more."""
    return (signoff.fingerprint, signoff.role, signoff.person) == (
        before.fingerprint,
        before.role,
        before.person,
    )


def refusals(plan: Plan, records: Sequence[Record]) -> dict[str, Declined]:
    """By role, who refuses to sign this very plan in it; a later sign-off in that role takes it back."""
    mark, found = fingerprint(plan), dict[str, Declined]()
    for record in records:
        match record:
            case Declined(fingerprint=of, role=role) if of == mark:
                found[role] = record
            case Signed(signoff=signoff) if signoff.fingerprint == mark:
                found.pop(signoff.role, None)
            case _:
                pass
    return found


def lacking(
    plan: Plan, given: Sequence[SignOff], records: Sequence[Record], now: datetime
) -> tuple[Missing, ...]:
    """The roles whose sign-off does not count, by all that is on record. `given`: what was given before."""
    no = refusals(plan, records)
    return tuple(
        Missing(
            role=each.role, reason=f"refused by {no[each.role].person}: {no[each.role].reason}", refused=True
        )
        if each.role in no
        else each
        for each in missing(plan, standing_signoffs(given, records), now)
    )


def audited(record: Record) -> tuple[str, str, dict[str, Fact]]:
    """Who acted, what it is called in the audit, and what the audit says of it."""
    match record:
        case Measured():
            return record.by, "point.measured", {"point": record.point, "verdict": record.got.verdict.value}
        case Attested():
            return record.person, "points.attested", {"points": [*record.points], "holds": record.holds}
        case Waived():
            return record.person, "points.waived", {"points": [*record.points], "reason": record.reason}
        case Signed(signoff=given):
            return given.person, "plan.signed", {"role": given.role}
        case Declined():
            return record.person, "plan.declined", {"role": record.role, "reason": record.reason}
        case Decided():
            return record.person, "gate.decided", {"decision": record.decision, "reason": record.reason}
        case Ready():
            return record.person, "team.ready", {"role": record.role}
        case Called():
            return record.by, "contact.called", {"seat": record.seat, "reached": record.reached}
        case TakenBack():
            return record.person, "release.taken_back", {"done": record.done, "reason": record.reason[:1000]}
        case Contracted():
            return record.person, "release.contracted", {"done": record.done, "version": record.version}
        case _:
            assert_never(record)


class Records(Protocol):
    """Keeps the records of releases, each bound to the audit: see `binding`."""

    async def add(self, release: str, record: Record) -> None:
        """Put it on record, and into the audit. Both are on disk before it returns, or neither counts."""

    async def all(self, release: str) -> Sequence[Record]:
        """In the order in which they were added; empty for a release that has none. Raises RecordsAstray."""
