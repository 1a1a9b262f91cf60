"""A runbook says what a release does, in which order, who answers for it and when it is taken back."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from watership.errors import BadInput, NotFound
from watership.releases.document import parse
from watership.releases.fuse import Fuse
from watership.releases.gate import AgainstLive, GateSpec
from watership.releases.quantity import Duration, Offset, Share

# What a check may take before it counts as inconclusive.
CHECK_TIMEOUT = 30.0
# What an act (a deployment, a backup, a migration) may take; the seed gives a migration five minutes.
ACT_TIMEOUT = 300.0

Id = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*$", max_length=60)]
RoleId = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", max_length=60)]
CheckKind = Annotated[str, Meta(pattern=r"^[a-z]+(\.[a-z_]+)*$", max_length=60)]
Parameter = Annotated[bool | int | float | str, Meta(extra={"text": "parameter"})]
"""What a check is given: `4h` is 14400.0 seconds, `90%` is 0.9, `1000` is 1000, the rest is text."""
Side = Literal["live", "next"]
Failure = Literal["stop", "hold", "roll_back"]
"""What a phase does when an item fails for good: end the release before it changed anything that serves,
wait for a person, or take everything back."""
Power = Literal["go_no_go", "roll_back_on_criteria", "roll_back_by_decision"]


class Entry(Struct, frozen=True, kw_only=True):
    """What every item has. Without an owner or a moment of its own it has its phase's."""

    id: Id
    title: str
    owner: RoleId | None = None
    at: Offset | None = None


class Check(Entry, frozen=True, kw_only=True, tag_field="do", tag="check"):
    """Measure something; only `passed` lets the phase go on. `parameters` are the check's own."""

    check: CheckKind
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


Item = Check | Deploy | Backup | Migrate | Shift | Soak | Drain


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


class Role(Struct, frozen=True, kw_only=True):
    """A seat in the team; people come from elsewhere."""

    id: RoleId
    title: str
    duty: str
    may: tuple[Power, ...] = ()


class Authority(Struct, frozen=True, kw_only=True):
    """Who besides the team's roles may order a rollback."""

    id: RoleId
    title: str
    may: Annotated[tuple[Power, ...], Meta(min_length=1)]


class Approvals(Struct, frozen=True, kw_only=True):
    """The sign-offs that a plan needs before it starts."""

    needed: Annotated[tuple[RoleId, ...], Meta(min_length=1)]
    starter_may_sign: bool = False
    one_person_one_role: bool = True
    expires: Duration


class Watch(Struct, frozen=True, kw_only=True):
    """The time after promotion for which the old deployment stands by and the gate looks for late changes."""

    length: Duration
    hold_back: Annotated[float, Meta(ge=0, le=0.1, extra={"text": "share"})] = 0.0
    gate: GateSpec

    def __post_init__(self) -> None:
        compares = any(isinstance(arm, AgainstLive) for arm in self.gate.arms)
        if compares != (self.hold_back > 0):
            raise BadInput("A watch compares with live if, and only if, it holds traffic back for it.")


class Standby(Struct, frozen=True, kw_only=True):
    """How long the old deployment is kept after promotion."""

    at_least: Duration
    at_most: Duration


class RollbackBudget(Struct, frozen=True, kw_only=True):
    """What a rollback may take; ours are measured against it."""

    traffic: Duration
    all: Duration


class Runbook(Struct, frozen=True, kw_only=True):
    """The whole of it. `schema` names the format."""

    schema: Literal["watership/runbook/v1"]
    name: Id
    title: str
    roles: tuple[Role, ...]
    authorities: tuple[Authority, ...] = ()
    signoffs: Approvals
    gate: GateSpec
    watch: Watch
    standby: Standby
    rollback: RollbackBudget
    fuses: tuple[Fuse, ...]
    phases: Annotated[tuple[Phase, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        _unique("role", (role.id for role in self.roles))
        _unique("phase", (phase.id for phase in self.phases))
        _unique("fuse", (fuse.name for fuse in self.fuses))
        for phase in self.phases:
            _unique(f"item of phase '{phase.id}'", (item.id for item in phase.items))
        seats = {role.id for role in self.roles}
        for owner in _owners(self.phases):
            if owner not in seats:
                raise BadInput(f"An owner '{owner}' is no role of this runbook ({', '.join(sorted(seats))}).")
        offsets = [phase.at for phase in self.phases]
        if offsets != sorted(offsets):
            raise BadInput("The phases do not stand in the order of their offsets.")

    def may(self, role: str) -> frozenset[Power]:
        """What a role, or an authority outside the team, may do."""
        holders: tuple[Role | Authority, ...] = (*self.roles, *self.authorities)
        return frozenset(power for holder in holders if holder.id == role for power in holder.may)


class Source(Struct, frozen=True, kw_only=True):
    """A runbook with the digest of the very bytes it was read from."""

    runbook: Runbook
    sha256: str


def read(path: Path) -> Source:
    """A runbook from a file. Raises DocumentError with the line."""
    return _source(path.read_bytes(), path.name)


def shipped(name: str) -> Source:
    """A runbook that comes with Watership. Raises NotFound."""
    folder = resources.files("watership") / "runbooks"
    names = sorted(entry.name for entry in folder.iterdir() if (entry / "runbook.yaml").is_file())
    if name not in names:
        raise NotFound(f"No runbook '{name}' is shipped.", fix=f"Choose one of: {', '.join(names)}.")
    return _source((folder / name / "runbook.yaml").read_bytes(), "runbook.yaml")


def _source(content: bytes, name: str) -> Source:
    runbook = parse(content, Runbook, source=name)
    return Source(runbook=runbook, sha256=hashlib.sha256(content).hexdigest())


def _owners(phases: Iterable[Phase]) -> Iterator[str]:
    for phase in phases:
        yield phase.owner
        yield from (item.owner for item in phase.items if item.owner)


def _unique(what: str, names: Iterable[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise BadInput(f"The {what} '{twice[0]}' stands there twice.")
