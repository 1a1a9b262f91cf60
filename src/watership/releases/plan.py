"""A plan is a release resolved into data: what will be done, to what, with which bytes.

Its fingerprint covers every field, so that a sign-off for one plan is a sign-off for no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from math import ceil
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from watership.durable.ids import DeploymentId
from watership.errors import BadInput
from watership.fleet.build import Build
from watership.fleet.deployment import Slot
from watership.releases import ports
from watership.releases.book.dial import astray
from watership.releases.book.quantity import Given
from watership.releases.book.runbook import (
    Approvals,
    BegunRuns,
    Check,
    Condition,
    Contract,
    Drain,
    Failure,
    Item,
    Phase,
    Repoint,
    Runbook,
    Shift,
    Soak,
    Standby,
    Ttl,
    Validation,
)
from watership.releases.book.shelf import Source
from watership.releases.book.system import System
from watership.releases.book.team import Authority, Contact, Escalation, OnCall, Role
from watership.releases.header import Kind
from watership.releases.judging.feed import Feed
from watership.releases.judging.fuse import Fuse
from watership.releases.judging.gate import GateSpec
from watership.releases.judging.sources import ALWAYS
from watership.releases.notices.comms import Comms
from watership.releases.readiness.checklist import Checklist, points_of
from watership.releases.smoke import Smoke, smoke_sha256

# The gate looks once a second.
TICK_SECONDS = 1.0


class Side(Struct, frozen=True, kw_only=True):
    """One of the two: the deployment that serves, or the one that is to."""

    build: Build
    deployment: DeploymentId
    slot: Slot


class PlannedMigration(Struct, frozen=True, kw_only=True):
    """A migration and the digests of both of its scripts. `pauses_writes`: writes are held while it runs."""

    name: str
    start: int
    end: int
    forward_sha256: str
    backward_sha256: str
    pauses_writes: bool = False
    pause_seconds: float | None = None
    """How long it took on a copy, when the plan was drawn; None: nobody measured it."""
    kind: Kind = "expand"


class PlannedCode(Struct, frozen=True, kw_only=True):
    """A file of the runbook's own checks, and the digest of its bytes."""

    path: str
    sha256: str


class Size(Struct, frozen=True, kw_only=True):
    """Processes of a deployment, and the runs that each worker executes at a time."""

    serve: int = 1
    workers: int = 1
    slots: int = 8


class Overrides(Struct, frozen=True, kw_only=True):
    """What a rehearsal changes. The factor scales offsets, soaks, drains, the watch and the standby.

    Budgets, timeouts and a soak's `give_up` stay: neither work nor requests come faster in a rehearsal.
    """

    clock_factor: Annotated[float, Meta(gt=0, le=1)] = 1.0
    soak_seconds: Annotated[float, Meta(ge=0)] | None = None
    watch_seconds: Annotated[float, Meta(ge=0)] | None = None
    min_samples: Annotated[int, Meta(ge=1)] | None = None
    left_out: tuple[str, ...] = ()
    """Checks of phases that a rehearsal does without, by their keys: nobody says of them that they passed."""


class PlannedPhase(Struct, frozen=True, kw_only=True):
    """A phase without its items; `at` is in seconds from the start."""

    id: str
    number: int
    title: str
    at: float
    budget: float
    retries: int
    owner: str
    escalate_to: str | None
    on_failure: Failure


class PlannedItem(Struct, frozen=True, kw_only=True):
    """One thing to do. `key` names it in the journal, `at` is in seconds from the start."""

    key: str
    phase: str
    owner: str
    at: float
    does: Item


class Plan(Struct, frozen=True, kw_only=True):
    """All of it. Read `phases` and `items` in order."""

    release: str
    environment: str
    live: Side
    next: Side
    runbook: str
    runbook_sha256: str
    controller: str
    """The digest of the build that will run the plan."""
    migrations: tuple[PlannedMigration, ...]
    smoke_sha256: str
    size: Size
    """Of next. A planned release starts as many processes, and expects the digest of each."""
    phases: tuple[PlannedPhase, ...]
    items: tuple[PlannedItem, ...]
    gate: GateSpec
    watch_gate: GateSpec
    watch_seconds: float
    hold_back: float
    standby: Standby
    fuses: tuple[Fuse, ...]
    feeds: tuple[Feed, ...] = ()
    """What the fuses are told by whoever keeps the metrics."""
    sources: tuple[str, ...] = tuple(sorted(ALWAYS))
    """What was measured in the environment when the plan was drawn."""
    signoffs: Approvals
    roles: tuple[Role, ...]
    authorities: tuple[Authority, ...]
    overrides: Overrides
    starter: str
    created_at: datetime
    committed_at: datetime | None = None
    """When the newest commit of next was made, as its build states; None where it does not."""
    image: str = ""
    """The digest of next's container image, by the record that the checklist reads; empty where there is none."""
    checklist: Checklist = ()
    systems: dict[str, System] = {}
    """What checks look at outside; secrets by reference."""
    go_no_go: tuple[Condition, ...] = ()
    validations: tuple[Validation, ...] = ()
    contacts: tuple[Contact, ...] = ()
    on_call: OnCall | None = None
    escalation: Escalation | None = None
    comms: Comms = Comms()
    """With its templates' texts: who signs the plan signs the words too."""
    code: tuple[PlannedCode, ...] = ()
    """The runbook's own checks: who signs the plan signs what they look at."""
    rehearsal: bool = False
    """Its calendar may leap: what it proves, it proves of a rehearsal."""
    begun_runs: BegunRuns = "finish"
    """What a rollback does with runs that next has begun."""
    contracts: tuple[PlannedMigration, ...] = ()
    """What is contracted once the release has ended and the old deployment is retired: a gate of its own."""
    contract: Contract = Contract()
    holds: bool = True
    """Whether the router can hold requests; else writes are refused where this release pauses them."""

    @property
    def full(self) -> int:
        """Next's weight in per cent when the cutover is done: all but what is held back for the watch."""
        return 100 - round(100 * self.hold_back)

    def phase(self, item: PlannedItem) -> PlannedPhase:
        """The phase that an item belongs to."""
        return next(phase for phase in self.phases if phase.id == item.phase)


def draw(
    source: Source,
    *,
    release: str,
    environment: str,
    live: Side,
    next: Side,
    migrations: Sequence[ports.Migration],
    smoke: Smoke,
    size: Size,
    controller: str,
    starter: str,
    created_at: datetime,
    overrides: Overrides | None = None,
    pauses_writes: frozenset[str] = frozenset(),
    systems: Mapping[str, System] | None = None,
    sources: Collection[str] = ALWAYS,
    committed_at: datetime | None = None,
    image: str = "",
    rehearsal: bool = False,
    pause_seconds: Mapping[str, float] | None = None,
    holds: bool = True,
) -> Plan:
    """Resolve a runbook for one release. Raises BadInput where the parts do not fit together.

    `holds`: the router that stands there can hold requests.
    `pause_seconds`: of migrations that pause writes, by name, as they were measured on a copy.
    """
    overrides = overrides or Overrides()
    expands, contracts = _parted(migrations)
    _fits(live, next, expands, contracts, created_at)
    book = source.runbook
    _has_a_dial(book)
    watch = _scaled(book.watch.length, overrides.watch_seconds, overrides)
    return Plan(
        release=release,
        environment=environment,
        live=live,
        next=next,
        runbook=book.name,
        runbook_sha256=source.sha256,
        controller=controller,
        migrations=_all_planned(expands, pauses_writes, pause_seconds or {}),
        contracts=_all_planned(contracts, pauses_writes, {}),
        contract=book.contract,
        holds=holds,
        smoke_sha256=smoke_sha256(smoke),
        size=size,
        phases=tuple(_phase(phase, overrides) for phase in book.phases),
        items=tuple(_item(item, phase, overrides) for phase in book.phases for item in phase.items),
        gate=_asking(book.gate, overrides),
        watch_gate=replace(_asking(book.watch.gate, overrides), horizon=max(ceil(watch / TICK_SECONDS), 1)),
        watch_seconds=watch,
        hold_back=book.watch.hold_back,
        standby=_standby(book.standby, overrides),
        fuses=book.fuses,
        feeds=book.feeds,
        sources=tuple(sorted(sources)),
        signoffs=book.signoffs,
        roles=book.roles,
        authorities=book.authorities,
        overrides=overrides,
        starter=starter,
        created_at=created_at,
        committed_at=committed_at,
        image=image,
        checklist=book.checklist,
        systems=dict(systems or {}),
        go_no_go=book.go_no_go,
        validations=book.validations,
        contacts=book.contacts,
        on_call=book.on_call,
        escalation=book.escalation,
        comms=book.comms,
        code=tuple(PlannedCode(path=each.path, sha256=each.sha256) for each in source.code),
        rehearsal=rehearsal,
        begun_runs=book.rollback.begun_runs,
    )


def doing_without(plan: Plan, keys: Sequence[str]) -> Plan:
    """The plan of a rehearsal without those items, which it names. Raises BadInput for one that is no check."""
    gone = {item.key: item for item in plan.items if item.key in keys}
    if acting := [key for key, item in gone.items() if not isinstance(item.does, Check | Ttl | Repoint)]:
        raise BadInput(f"{acting[0]} is neither a check nor of a name outside: no release does without it.")
    items = tuple(item for item in plan.items if item.key not in gone)
    there = {item.phase for item in items}
    return replace(
        plan,
        items=items,
        phases=tuple(phase for phase in plan.phases if phase.id in there),
        overrides=replace(plan.overrides, left_out=tuple(gone)),
    )


def fingerprint(plan: Plan) -> str:
    """sha256 over the plan as canonical JSON, in hex."""
    return hashlib.sha256(msgspec.json.encode(plan, order="sorted")).hexdigest()


def access(plan: Plan) -> str:
    """What the release does to readers and writers: derived here, so that no message has to claim it."""
    pausing = [migration for migration in plan.migrations if migration.pauses_writes]
    if not pausing:
        return "Reads and writes are served throughout."
    names = ", ".join(migration.name for migration in pausing)
    if not plan.holds:
        return (
            f"Reads are served throughout; writes are told 503, with Retry-After, while {names} runs: "
            f"{_paused(pausing)}."
        )
    return (
        f"Reads are served throughout; writes are held while {names} runs: {_paused(pausing)}. One that would wait for "
        f"more than {ports.PATIENCE_SECONDS:g} s is told 503, with Retry-After."
    )


def _paused(pausing: Sequence[PlannedMigration]) -> str:
    """For how long, by what was measured, and nothing else."""
    took = [migration.pause_seconds for migration in pausing if migration.pause_seconds is not None]
    if len(took) < len(pausing):
        return "for how long is not known, since nobody measured it"
    return f"about {sum(took):.2g} s, by a rehearsal on a copy"


def stages(plan: Plan) -> Iterator[tuple[PlannedItem, Soak, float]]:
    """The soaks in order, each with the share of traffic and work that next gets meanwhile: the last shift's."""
    share = 0.0
    for item in plan.items:
        match item.does:
            case Shift(weight=weight):
                share = weight
            case Soak() as soak:
                yield item, soak, share


def _parted(
    migrations: Sequence[ports.Migration],
) -> tuple[tuple[ports.Migration, ...], tuple[ports.Migration, ...]]:
    """What the release itself does, and what is contracted after it. Raises BadInput for a contract in between."""
    kinds = [each.header.kind for each in migrations]
    first = kinds.index("contract") if "contract" in kinds else len(kinds)
    for each, kind in zip(migrations[first:], kinds[first:], strict=True):
        if kind != "contract":
            raise BadInput(
                f"The {kind} {each.name} stands after the contract {migrations[first].name}, which is not done yet.",
                fix="Contract the release before first: watership release contract RELEASE",
            )
    return tuple(migrations[:first]), tuple(migrations[first:])


def _fits(
    live: Side,
    nxt: Side,
    migrations: Sequence[ports.Migration],
    contracts: Sequence[ports.Migration],
    created_at: datetime,
) -> None:
    if live.slot == nxt.slot:
        raise BadInput(f"Live and next cannot both stand in {live.slot.value}.")
    if live.deployment == nxt.deployment:
        raise BadInput(f"Live and next are the same deployment, {live.deployment}.")
    if created_at.utcoffset() is None:
        raise BadInput("The time of a plan needs its zone.")
    for before, after in pairwise((*migrations, *contracts)):
        if before.end != after.start:
            raise BadInput(f"{after.name} does not begin at schema {before.end}, where {before.name} ends.")
    for version in {each for migration in migrations for each in (migration.start, migration.end)}:
        for side in (live, nxt):
            if version not in side.build.schema:
                raise BadInput(
                    f"{side.build.version} cannot live with schema {version}, which this plan passes through.",
                    fix="Split the release: expand first, contract after the old build is retired.",
                )
    for contract in contracts:
        if contract.end not in nxt.build.schema:
            raise BadInput(
                f"{nxt.build.version} cannot live with schema {contract.end}, to which its own contract leads.",
                fix=f"Let its build.toml say so (reads = […, {contract.end}]), or take the script out.",
            )


def _has_a_dial(book: Runbook) -> None:
    """Traffic does not move by what resolvers keep. Raises BadInput."""
    for each in astray(book):
        if each.unusable:
            raise BadInput(f"No release by this runbook: {each.words}.")


def _planned(migration: ports.Migration, *, pauses: bool, took: float | None = None) -> PlannedMigration:
    head = migration.header
    return PlannedMigration(
        name=migration.name,
        start=migration.start,
        end=migration.end,
        forward_sha256=hashlib.sha256(migration.forward.encode()).hexdigest(),
        backward_sha256=hashlib.sha256(migration.backward.encode()).hexdigest(),
        pauses_writes=pauses or head.pauses,
        pause_seconds=took,
        kind=head.kind,
    )


def _all_planned(
    migrations: Sequence[ports.Migration], pausing: frozenset[str], took: Mapping[str, float]
) -> tuple[PlannedMigration, ...]:
    return tuple(_planned(each, pauses=each.name in pausing, took=took.get(each.name)) for each in migrations)


def _standby(standby: Standby, overrides: Overrides) -> Standby:
    factor = overrides.clock_factor
    return Standby(at_least=standby.at_least * factor, at_most=standby.at_most * factor)


def _phase(phase: Phase, overrides: Overrides) -> PlannedPhase:
    return PlannedPhase(
        id=phase.id,
        number=phase.number,
        title=phase.title,
        at=phase.at * overrides.clock_factor,
        budget=phase.budget,
        retries=phase.retries,
        owner=phase.owner,
        escalate_to=phase.escalate_to,
        on_failure=phase.on_failure,
    )


def _item(item: Item, phase: Phase, overrides: Overrides) -> PlannedItem:
    does: Item = item
    match item:
        case Soak():
            length = _scaled(item.length, overrides.soak_seconds, overrides)
            does = replace(item, length=length, give_up=max(item.give_up, length))
        case Drain():
            does = replace(item, length=item.length * overrides.clock_factor)
    return PlannedItem(
        key=f"{phase.id}/{item.id}",
        phase=phase.id,
        owner=item.owner or phase.owner,
        at=(phase.at if item.at is None else item.at) * overrides.clock_factor,
        does=does,
    )


def _scaled(seconds: float, chosen: float | None, overrides: Overrides) -> float:
    return seconds * overrides.clock_factor if chosen is None else chosen


def _asking(gate: GateSpec, overrides: Overrides) -> GateSpec:
    return replace(gate, min_samples=overrides.min_samples or gate.min_samples)


def asked(plan: Plan) -> list[tuple[str, dict[str, Given]]]:
    """Every check that the plan asks for, with its parameters."""
    points = [point for _, point in points_of(plan.checklist)]
    points += [point for each in plan.validations for point in each.points]
    acts = [(item.does.check, item.does.parameters) for item in plan.items if isinstance(item.does, Check)]
    return acts + [(point.check, point.parameters) for point in points if point.check]


def check_kinds(plan: Plan) -> frozenset[str]:
    """The kinds of checks that the plan needs; a controller refuses a plan with one it does not know."""
    return frozenset(kind for kind, _ in asked(plan))
