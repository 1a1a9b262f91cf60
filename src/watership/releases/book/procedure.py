"""A procedure is what a runbook does around the cutover, step by step, in words for people.

Nothing in it is typed by hand: weights, lengths, guarantees and budgets are those of the runbook and of the code
that will run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from msgspec import Struct

from watership.releases.book.lint.place import Places
from watership.releases.book.lint.stage import Stage, stages
from watership.releases.book.lint.threshold import band
from watership.releases.book.quantity import percent, spoken, written
from watership.releases.book.runbook import (
    Backup,
    Check,
    Deploy,
    Drain,
    Failure,
    Item,
    Migrate,
    Phase,
    Repoint,
    Runbook,
    Shift,
    Soak,
    Ttl,
    fate,
)
from watership.releases.book.shelf import Source
from watership.releases.book.team import Authority, Role
from watership.releases.cutover import HOLD_SECONDS
from watership.releases.judging.fuse import Fuse
from watership.releases.judging.gate import GateSpec, guarantee
from watership.releases.rollback import DRAIN_SECONDS, SCHEMA_STAYS

FAILURES: dict[Failure, str] = {
    "stop": "the release ends, before anything that serves was changed",
    "hold": "the release waits for a person (`watership release go-on` or `watership release abort`)",
    "roll_back": "everything is taken back",
}


class Step(Struct, frozen=True, kw_only=True):
    """What is done, by whom, and what live and next get of the traffic and of the new work from then on."""

    at: str
    title: str
    owner: str
    does: str
    live: str
    next: str


class Procedure(Struct, frozen=True, kw_only=True):
    """A cutover and its way back."""

    phase: Phase
    window: str
    on_failure: str
    steps: tuple[Step, ...]
    gate: str
    min_samples: int
    stages: tuple[str, ...]
    """The soaks, with the fuses that could not blow within them."""
    fuses: tuple[Fuse, ...]
    """Those that take the release back by themselves, while a soak or the watch looks."""
    hold: str
    """After how long without a controller both planes go back by themselves."""
    watch: str
    standby: str
    ordered: tuple[str, ...]
    """Who may order a rollback, and when."""
    back: tuple[str, ...]
    """A rollback, step by step."""


def procedure(source: Source) -> Procedure | None:
    """The cutover of a runbook; None where it shifts nothing."""
    book = source.runbook
    there = [
        index for index, each in enumerate(book.phases) if any(isinstance(item, Shift) for item in each.items)
    ]
    if not there:
        return None
    phase = book.phases[there[0]]
    return Procedure(
        phase=phase,
        window=window(phase),
        on_failure=FAILURES[phase.on_failure],
        steps=schedule(source)[there[0]],
        gate=guarantee(book.gate),
        min_samples=book.gate.min_samples,
        stages=tuple(_stage(book, stage) for stage in stages(book)),
        fuses=tuple(fuse for fuse in book.fuses if fuse.then == "roll_back"),
        hold=spoken(HOLD_SECONDS),
        watch=watched(book),
        standby=f"{written('duration', book.standby.at_least)} to {written('duration', book.standby.at_most)}",
        ordered=tuple(_ordered(book)),
        back=tuple(_back(book)),
    )


def window(phase: Phase) -> str:
    """From when to when, as a file writes it: `T+45m to T+65m`."""
    return f"{written('offset', phase.at)} to {written('offset', phase.at + phase.budget)}"


def does(item: Item, given: Mapping[str, str]) -> str:
    """What an item does, in words; `given`: a check's parameters as they are written."""
    match item:
        case Check(check=kind):
            return " ".join([f"`{kind}`", *(f"{name}={value}" for name, value in given.items())])
        case Deploy(timeout=timeout):
            return f"deploys the build into the idle slot, within {spoken(timeout)}"
        case Backup():
            return "takes a backup and reads it back"
        case Migrate(timeout=timeout):
            return f"runs the plan's migrations forward, within {spoken(timeout)}"
        case Shift(weight=weight):
            return f"sets router and intake to {percent(weight)} for next, and reads both back"
        case Soak(length=length, give_up=give_up):
            return f"the gate looks for {spoken(length)} at least, until it has a verdict, {spoken(give_up)} at most"
        case Drain(length=length):
            return f"requests in flight finish, within {spoken(length)}; runs stay where they began"
        case Ttl(of=of, to=to):
            return f"has resolvers keep the name of `{of}` for {spoken(to)}, as every authority says"
        case Repoint(of=of, to=to):
            return f"lets the name of `{of}` lead to {to}, as every authority says, and waits one TTL"
        case _:
            assert_never(item)


def holders(book: Runbook, power: str) -> list[str]:
    """The titles of those who have a power."""
    everyone: tuple[Role | Authority, ...] = (*book.roles, *book.authorities)
    return [each.title for each in everyone if power in each.may]


def schedule(source: Source) -> tuple[tuple[Step, ...], ...]:
    """The steps of each phase, in order."""
    places, share = Places(source), 0.0
    phases: list[tuple[Step, ...]] = []
    for p, phase in enumerate(source.runbook.phases):
        steps: list[Step] = []
        for i, item in enumerate(phase.items):
            share = item.weight if isinstance(item, Shift) else share
            steps.append(
                Step(
                    at=written("offset", phase.at if item.at is None else item.at),
                    title=item.title,
                    owner=item.owner or phase.owner,
                    does=does(item, _given(item, places, ("phases", p, "items", i))),
                    live=percent(1 - share),
                    next=percent(share),
                )
            )
        phases.append(tuple(steps))
    return tuple(phases)


def _given(item: Item, places: Places, path: tuple[str | int, ...]) -> dict[str, str]:
    parameters = item.parameters if isinstance(item, Check) else {}
    return {name: places.text(*path, "parameters", name) or str(value) for name, value in parameters.items()}


def _stage(book: Runbook, stage: Stage) -> str:
    blind = [
        fuse.name
        for fuse in book.fuses
        if fuse.then == "roll_back" and (found := band(fuse)) and found.window > stage.seconds
    ]
    more = f" Too short a time for these to blow: {', '.join(blind)}." if blind else ""
    return f"In {stage.words} the gate decides.{more}"


def watched(book: Runbook) -> str:
    """What is promised of the time after the promotion."""
    gate: GateSpec = book.watch.gate
    held = (
        f"{percent(book.watch.hold_back)} of the traffic stays on the old deployment to compare with"
        if book.watch.hold_back
        else "the old deployment stands by without traffic"
    )
    return f"For {written('duration', book.watch.length)} a gate looks for late changes, and {held}. {guarantee(gate)}"


def _ordered(book: Runbook) -> Iterator[str]:
    if names := holders(book, "roll_back_on_criteria"):
        yield f"on the criteria: {', '.join(names)}"
    if names := holders(book, "roll_back_by_decision"):
        yield f"by decision: {', '.join(names)}"


def _back(book: Runbook) -> Iterator[str]:
    yield (
        f"Router and intake give everything to live, both are read back, and the dead-man's switches are disarmed: "
        f"within {spoken(book.rollback.traffic)}."
    )
    yield f"{fate(book.rollback.begun_runs).capitalize()}."
    yield f"Next's requests in flight have {spoken(DRAIN_SECONDS)}; then its processes are stopped."
    yield "The digest is quarantined if it failed in service: no plan takes it again unless somebody waives that."
    yield f"{SCHEMA_STAYS} All of it within {spoken(book.rollback.all)}."
