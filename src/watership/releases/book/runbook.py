"""A runbook says what a release does, in which order, who answers for it and when it is taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, assert_never

from msgspec import Meta, Struct

from watership.errors import BadInput
from watership.releases.book.document import Misfit, nearest
from watership.releases.book.quantity import Duration, Offset, Parameter, Share, percent
from watership.releases.book.shares import shares
from watership.releases.book.system import SystemId
from watership.releases.book.team import Authority, Contact, Escalation, OnCall, Power, Role, RoleId
from watership.releases.judging.arms import AgainstLive
from watership.releases.judging.feed import Feed, require_one_each
from watership.releases.judging.fuse import Fuse
from watership.releases.judging.gate import GateSpec
from watership.releases.notices.comms import Comms
from watership.releases.readiness.checklist import (
    Checklist,
    CheckName,
    Id,
    Point,
    Words,
    items_of,
    require_whole,
)

# What a check may take before it counts as inconclusive.
CHECK_TIMEOUT = 30.0
# What an act (a deployment, a backup, a migration) may take; the seed gives a migration five minutes.
ACT_TIMEOUT = 300.0
# What resolvers may keep a name for when it is moved; the seed's.
SHORT_TTL = 60.0

Side = Literal["live", "next"]
Failure = Literal["stop", "hold", "roll_back"]
"""What a phase does when an item fails for good: end the release before it changed anything that serves,
wait for a person, or take everything back."""


class Entry(Struct, frozen=True, kw_only=True):
    """What every item has. Without an owner or a moment of its own it has its phase's.

    `covers`: the steps of the written runbook that it does.
    """

    id: Id
    title: str
    owner: RoleId | None = None
    at: Offset | None = None
    covers: tuple[Words, ...] = ()


class Check(Entry, frozen=True, kw_only=True, tag_field="do", tag="check"):
    """Measure something; only `passed` lets the phase go on. `parameters` are the check's own."""

    check: CheckName
    parameters: dict[str, Parameter] = {}
    timeout: Duration = CHECK_TIMEOUT


class Deploy(Entry, frozen=True, kw_only=True, tag_field="do", tag="deploy"):
    """Put the new build into the idle slot and wait until its processes are ready."""

    timeout: Duration = ACT_TIMEOUT


class Backup(Entry, frozen=True, kw_only=True, tag_field="do", tag="backup"):
    """Take a backup and prove that it can be read back."""

    timeout: Duration = ACT_TIMEOUT


class Migrate(Entry, frozen=True, kw_only=True, tag_field="do", tag="migrate"):
    """Run the plan's expanding migrations forward."""

    timeout: Duration = ACT_TIMEOUT


class Shift(Entry, frozen=True, kw_only=True, tag_field="do", tag="shift"):
    """Move both planes, HTTP and new work, to `weight` on next."""

    weight: Share
    timeout: Duration = CHECK_TIMEOUT


class Soak(Entry, frozen=True, kw_only=True, tag_field="do", tag="soak"):
    """Let the gate look for at least `length`, and until it has a verdict, at most for `give_up`."""

    length: Duration
    give_up: Duration

    def __post_init__(self) -> None:
        if self.give_up < self.length:
            raise BadInput(f"The soak '{self.id}' gives up before it is over.")


class Drain(Entry, frozen=True, kw_only=True, tag_field="do", tag="drain"):
    """Let live's requests in flight finish, `length` at most; its runs stay pinned to it."""

    length: Duration


class Ttl(Entry, frozen=True, kw_only=True, tag_field="do", tag="ttl"):
    """Have resolvers keep the names of the system `of` for `to` from now on; read back from every authority."""

    of: SystemId
    to: Duration
    timeout: Duration = ACT_TIMEOUT


class Repoint(Entry, frozen=True, kw_only=True, tag_field="do", tag="repoint"):
    """Let the name of the system `of` lead `to` another balancer, before traffic moves, and wait one TTL.

    `to` is an address, or shares of weighted records as in `old=0, new=100`. It is refused while the name may be kept
    for longer than `at_most`.
    """

    of: SystemId
    to: Words
    at_most: Duration = SHORT_TTL
    timeout: Duration = ACT_TIMEOUT

    def __post_init__(self) -> None:
        shares(self.to)


Item = Check | Deploy | Backup | Migrate | Shift | Soak | Drain | Ttl | Repoint


class Phase(Struct, frozen=True, kw_only=True):
    """Items in order. `retries` and `budget` hold for the phase as a whole, whichever ends first."""

    number: Annotated[int, Meta(ge=0, le=99)]
    id: Id
    title: str
    at: Offset
    budget: Duration
    owner: RoleId
    on_failure: Failure
    retries: Annotated[int, Meta(ge=0, le=10)] = 0
    escalate_to: str | None = None
    items: Annotated[tuple[Item, ...], Meta(min_length=1)]


class Approvals(Struct, frozen=True, kw_only=True):
    """The sign-offs that a plan needs: before it starts, or (`at_start: false`) at its check `signoffs.complete`."""

    needed: Annotated[tuple[RoleId, ...], Meta(min_length=1)]
    titles: dict[RoleId, str] = {}
    starter_may_sign: bool = False
    one_person_one_role: bool = True
    at_start: bool = True
    expires: Duration


class Condition(Struct, frozen=True, kw_only=True):
    """What must be so for a GO, and by what it is judged."""

    id: Id
    text: Words
    judged_by: Literal["checklist", "items", "approvals", "incidents", "team"]
    items: tuple[Id, ...] = ()
    """Of the checklist, where it is judged by items."""

    def __post_init__(self) -> None:
        if (self.judged_by == "items") != bool(self.items):
            raise BadInput(f"The condition '{self.id}' names items if, and only if, it is judged by them.")


class Validation(Struct, frozen=True, kw_only=True):
    """What is looked at after the deployment, from `begins` to `ends` after its completion."""

    id: Id
    title: Words
    begins: Duration
    ends: Duration
    command: Words
    owner: RoleId
    points: Annotated[tuple[Point, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        if self.ends <= self.begins:
            raise BadInput(f"The validation '{self.id}' ends before it begins.")


class Watch(Struct, frozen=True, kw_only=True):
    """The time after promotion for which the old deployment stands by and the gate looks for late changes."""

    length: Duration
    hold_back: Annotated[float, Meta(ge=0, le=0.1, extra={"text": "share"})] = 0.0
    gate: GateSpec

    def __post_init__(self) -> None:
        if abs(100 * self.hold_back - round(100 * self.hold_back)) > 1e-9:
            raise BadInput(f"Weights are whole per cents: {percent(self.hold_back)} cannot be held back.")
        compares = any(isinstance(arm, AgainstLive) for arm in self.gate.arms)
        if compares != (self.hold_back > 0):
            raise BadInput("A watch compares with live if, and only if, it holds traffic back for it.")


class Standby(Struct, frozen=True, kw_only=True):
    """How long the old deployment is kept after promotion."""

    at_least: Duration
    at_most: Duration


BegunRuns = Literal["finish", "hand_over", "quarantine"]
"""What a rollback does with runs that next has begun.

finish: next's workers stay until their last one has ended. hand_over: those with which live's agents would go on, by
the replay check, go to live; the others finish. quarantine: nobody works on them until a person decides.
"""


def fate(begun_runs: BegunRuns) -> str:
    """What a rollback does with the runs that next has begun by then, for people."""
    match begun_runs:
        case "finish":
            return "after a rollback runs that next has begun finish on its workers; the others go to live"
        case "hand_over":
            return (
                "after a rollback runs that next has begun go to live where its agents would go on with them"
            )
        case "quarantine":
            return "after a rollback nobody works on runs that next has begun until a person decides"
        case _:
            assert_never(begun_runs)


class Contract(Struct, frozen=True, kw_only=True):
    """The gate of its own behind which the old schema goes for good.

    `needed`: whose sign-offs it needs, given for it alone; those of the release where none is named.
    """

    needed: tuple[RoleId, ...] = ()
    timeout: Duration = ACT_TIMEOUT


class RollbackBudget(Struct, frozen=True, kw_only=True):
    """What a rollback may take; ours are measured against it. And what becomes of what next has begun."""

    traffic: Duration
    all: Duration
    begun_runs: BegunRuns = "finish"


class Runbook(Struct, frozen=True, kw_only=True):
    """The whole of it. `schema` names the format.

    `include`: files beside it, of the team, the checklist, the comms and the feeds, that fill the fields of the same
    names.
    """

    schema: Literal["watership/runbook/v1"]
    name: Id
    title: str
    include: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    authorities: tuple[Authority, ...] = ()
    contacts: tuple[Contact, ...] = ()
    on_call: OnCall | None = None
    escalation: Escalation | None = None
    checklist: Checklist = ()
    signoffs: Approvals
    go_no_go: tuple[Condition, ...] = ()
    no_go_record: tuple[Words, ...] = ()
    gate: GateSpec
    watch: Watch
    standby: Standby
    contract: Contract = Contract()
    rollback: RollbackBudget
    fuses: tuple[Fuse, ...]
    feeds: tuple[Feed, ...] = ()
    phases: Annotated[tuple[Phase, ...], Meta(min_length=1)]
    validations: tuple[Validation, ...] = ()
    comms: Comms = Comms()

    def may(self, role: str) -> frozenset[Power]:
        """What a role, or an authority outside the team, may do."""
        holders: tuple[Role | Authority, ...] = (*self.roles, *self.authorities)
        return frozenset(power for holder in holders if holder.id == role for power in holder.may)


def validated(book: Runbook) -> Runbook:
    """The runbook, if its parts fit together. Raises BadInput naming what does not."""
    _unique("role", "id", (role.id for role in book.roles))
    _unique("phase", "id", (phase.id for phase in book.phases))
    _unique("fuse", "name", (fuse.name for fuse in book.fuses))
    _unique("contact", "seat", (contact.seat for contact in book.contacts))
    _unique("validation", "id", (each.id for each in book.validations))
    for phase in book.phases:
        _unique(f"item of phase '{phase.id}'", "id", (item.id for item in phase.items))
    require_one_each(book.feeds)
    require_whole(book.checklist)
    seats = {role.id for role in book.roles}
    for owner in _owners(book):
        if owner not in seats:
            raise Misfit(
                f"The owner '{owner}' is no role of this runbook{nearest(owner, seats)}",
                field="owner",
                word=owner,
            )
    _require_contacts(book)
    known = {item.id for item in items_of(book.checklist)}
    for condition in book.go_no_go:
        if strange := set(condition.items) - known:
            raise Misfit(
                f"The condition '{condition.id}' names no item: {', '.join(sorted(strange))}.",
                field="id",
                word=condition.id,
            )
    offsets = [phase.at for phase in book.phases]
    if offsets != sorted(offsets):
        raise BadInput("The phases do not stand in the order of their offsets.")
    return book


def _require_contacts(book: Runbook) -> None:
    """Whoever is to be called stands among the contacts."""
    called = [level.seat for level in book.escalation.levels] if book.escalation else []
    if book.on_call:
        called += [book.on_call.primary, book.on_call.secondary, book.on_call.manager]
    seats = {contact.seat for contact in book.contacts}
    for seat in called:
        if seat not in seats:
            raise Misfit(
                f"'{seat}' is to be called, and is no contact{nearest(seat, seats)}",
                field="(?:seat|primary|secondary|manager)",
                word=seat,
            )


def _owners(book: Runbook) -> Iterator[str]:
    for phase in book.phases:
        yield phase.owner
        yield from (item.owner for item in phase.items if item.owner)
    yield from (item.owner for item in items_of(book.checklist))
    yield from (each.owner for each in book.validations)


def _unique(what: str, field: str, names: Iterable[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise Misfit(f"The {what} '{twice[0]}' stands there twice.", field=field, word=twice[0], nth=2)
