"""An abridged plan is a plan for a rehearsal: the same acts in the same order, with its times and samples cut short.

What it does is the plan's own; what it waits for is not. Checks that look at anything but the environment, and what
leads a name elsewhere, are left out, and named: nobody says of them that they passed.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from watership.releases.book.runbook import Check, Drain, Item, Repoint, Soak, Ttl
from watership.releases.judging.arms import AgainstGrowth, AgainstLimit, AgainstLive, Arm, Measure
from watership.releases.judging.gate import GateSpec
from watership.releases.notices.comms import Comms
from watership.releases.plan import Plan, PlannedItem, PlannedPhase, Side, Size, doing_without

AT_HOME: Final = frozenset(
    (
        *("build.digest", "build.running", "schema.compatible", "schema.version", "schema.integrity"),
        *("migration.rehearsed", "disk.free", "backup.fresh", "http.health", "smoke", "live.healthy"),
        *("router.weights", "router.health", "intake.readable", "queues.depth", "runs.accounted"),
        *("baseline.captured", "traffic.errors", "audit.verified", "signoffs.complete"),
    )
)
"""Kinds of checks that see only what an environment has of its own. How fast a rehearsal's machine is, and how much of
a gate its traffic can feed, says nothing of production."""

FACTOR: Final = 1e-6
"""Of the calendar: a day is a tenth of a second."""

FED: Final[frozenset[Measure]] = frozenset({"errors", "slow"})
"""What the few requests of a rehearsal tell of."""

SOAK_SECONDS: Final = 1.5
WATCH_SECONDS: Final = 2.5
DRAIN_SECONDS: Final = 1.0

SAMPLES: Final = 20
"""Requests on next before a rehearsal's gate may speak; that it speaks at all is what is rehearsed."""

SEES: Final = 0.25
"""The regression that so few requests can rule out."""


def abridged(
    plan: Plan, *, release: str, environment: str, live: Side, next: Side, controller: str, comms: Comms
) -> Plan:
    """The plan, for a rehearsal in an environment of its own. `comms`: who is told there, in place of people."""
    short = doing_without(plan, left_out(plan))
    return replace(
        short,
        release=release,
        environment=environment,
        live=live,
        next=next,
        controller=controller,
        size=Size(serve=1, workers=1, slots=plan.size.slots),
        phases=tuple(_phase(each) for each in short.phases),
        items=tuple(_item(each) for each in short.items),
        gate=_gate(plan.gate),
        watch_gate=replace(_gate(_alone(plan.watch_gate)), horizon=max(round(WATCH_SECONDS), 1)),
        hold_back=plan.hold_back if _alone(plan.watch_gate) == plan.watch_gate else 0.0,
        watch_seconds=WATCH_SECONDS,
        signoffs=replace(plan.signoffs, at_start=True),
        comms=comms,
        checklist=(),
        systems={},
        go_no_go=(),
        validations=(),
        contacts=(),
        on_call=None,
        escalation=None,
        code=(),
        rehearsal=True,
    )


def left_out(plan: Plan) -> tuple[str, ...]:
    """The items of the plan that a rehearsal does without, by their keys."""
    return tuple(item.key for item in plan.items if not _at_home(item.does))


def _at_home(does: Item) -> bool:
    match does:
        case Check(check=kind):
            return kind in AT_HOME
        case Ttl() | Repoint():
            return False  # a name that people come by is not rehearsed with
        case _:
            return True


def _phase(phase: PlannedPhase) -> PlannedPhase:
    return replace(phase, at=phase.at * FACTOR)


def _item(item: PlannedItem) -> PlannedItem:
    does: Item = item.does
    match does:
        case Soak():
            does = replace(does, length=min(does.length, SOAK_SECONDS))
        case Drain():
            does = replace(does, length=min(does.length, DRAIN_SECONDS))
    return replace(item, at=item.at * FACTOR, does=does)


def _gate(gate: GateSpec) -> GateSpec:
    """Arms that a second and a half cannot feed are done without: live's tail, runs of some age, memory that grows."""
    fed = [arm for arm in gate.arms if arm.of in FED] or gate.arms
    return replace(gate, min_samples=min(gate.min_samples, SAMPLES), arms=tuple(_arm(arm) for arm in fed))


def _alone(gate: GateSpec) -> GateSpec:
    """A watch without what is held back to compare with: a hundredth of a few requests is none."""
    arms = tuple(arm for arm in gate.arms if not isinstance(arm, AgainstLive))
    return replace(gate, arms=arms) if arms else gate


def _arm(arm: Arm) -> Arm:
    match arm:
        case AgainstLive():
            return replace(arm, sees=max(arm.sees, SEES))
        case AgainstLimit():
            return replace(arm, sees=max(arm.sees, SEES))
        case AgainstGrowth():
            return replace(arm, sees=None)
