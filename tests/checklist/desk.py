"""The desk where people leave their word: a team that is named, that signs, decides and is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from msgspec.structs import replace

from tests.checklist.world import World
from tests.releases.plans import ADD_TOPIC, side
from watership.fleet.deployment import Slot
from watership.releases.book.shelf import find
from watership.releases.book.team import Contact
from watership.releases.measurement import dated, passed
from watership.releases.plan import Plan, Size, draw, fingerprint
from watership.releases.readiness.checklist import key, points_of
from watership.releases.readiness.records import Attested, Decided, Measured, Ready, Record, Signed
from watership.releases.readiness.signoff import SignOff
from watership.releases.smoke import Smoke

SIGNED = {
    "release_manager": "Rita Release",
    "technical_lead": "Theo Lead",
    "product_manager": "Pia Product",
    "security_lead": "Sven Security",
    "operations_manager": "Olga Operations",
}

LEAD = "Dora Lead"

PEOPLE = {
    "deployment_lead": LEAD,
    "engineering_lead": "Egon Engineer",
    "vp_engineering": "Vera Vice",
    "dba": "Dieter Data",
    "operations": "Ole Operator",
    "operations_backup": "Bea Backup",
    "monitoring": "Mona Monitor",
    "network": "Nils Network",
}


@cache
def planned() -> Plan:
    """The go-live as it is shipped, for 2.1.0."""
    return draw(
        find("agent-orchestrator"),
        release="2.1.0-1",
        environment="production",
        live=side("2.0.5", Slot.GREEN),
        next=side("2.1.0", Slot.BLUE),
        migrations=(ADD_TOPIC,),
        smoke=Smoke(),
        size=Size(),
        controller="sha256:controller",
        starter="Sam Starter",
        created_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
    )


class Said:
    """Records as they are."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.said = tuple(records)

    async def add(self, release: str, record: Record) -> None:
        raise AssertionError("a check adds nothing")

    async def all(self, release: str) -> Sequence[Record]:
        return self.said


@dataclass
class Desk:
    """Everything is so that it counts; what a test changes holds for plan and records alike.

    `decided`: what is changed of the decision. `silent`: points of which nobody has spoken.
    `worded`: by template, what of its words is put otherwise.
    """

    world: World
    people: dict[str, str] = field(default_factory=lambda: dict(PEOPLE))
    emails: dict[str, str] = field(default_factory=dict)
    triggers: int = 5
    signed: dict[str, str] = field(default_factory=lambda: dict(SIGNED))
    decided: dict[str, Any] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    worded: dict[str, tuple[str, str]] = field(default_factory=dict)

    def plan(self) -> Plan:
        plan = planned()
        assert plan.escalation is not None
        texts = plan.comms.texts
        other = {name: texts[name].replace(old, new) for name, (old, new) in self.worded.items()}
        return replace(
            plan,
            comms=replace(plan.comms, texts=texts | other),
            contacts=tuple(self._contact(each) for each in plan.contacts),
            escalation=replace(plan.escalation, triggers=plan.escalation.triggers[: self.triggers]),
        )

    def _contact(self, contact: Contact) -> Contact:
        seat = contact.seat
        email = self.emails.get(seat, f"{seat}@company.com")
        return replace(contact, person=self.people[seat], phone="file:secrets/phone", email=email)

    def records(self, plan: Plan) -> Said:
        now = datetime.now(UTC)
        return Said([*self._spoken(plan, now), *self._people(plan, now), *self._decided(plan, now)])

    def _spoken(self, plan: Plan, now: datetime) -> Iterator[Record]:
        """Every point of the checklist was looked at."""
        build, at = plan.next.build.digest, now - timedelta(minutes=30)
        for item, point in points_of(plan.checklist):
            name = key(item, point)
            if name in self.silent:
                continue
            if point.check is not None:
                got = dated(passed("as it should be"), at, at, good_for=86400.0)
                yield Measured(point=name, build=build, by="controller", got=got)
            else:
                yield Attested(
                    points=(name,),
                    build=build,
                    person=LEAD,
                    role="deployment_lead",
                    holds=True,
                    words="I was there.",
                    at=at,
                    expires_at=now + timedelta(hours=24),
                )

    def _people(self, plan: Plan, now: datetime) -> Iterator[Record]:
        at, build = now - timedelta(hours=1), plan.next.build.digest
        for role in plan.roles:
            if role.id not in self.absent:
                yield Ready(build=build, person="Somebody", role=role.id, at=at)

    def _decided(self, plan: Plan, now: datetime) -> Iterator[Record]:
        mark, at = fingerprint(plan), now - timedelta(hours=2)
        for role, person in self.signed.items():
            yield Signed(signoff=SignOff(fingerprint=mark, role=role, person=person, at=at))
        given: dict[str, Any] = {
            "decision": "go",
            "person": LEAD,
            "role": "deployment_lead",
            "reason": "Everything is as it should be.",
            "at": now - timedelta(minutes=1),
        }
        ago = self.decided.get("ago")
        changed = {"at": now - ago} if ago else self.decided
        yield Decided(fingerprint=mark, **(given | changed))

    def _set(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.world.plan = self.plan()

    def but(self, **changes: Any) -> Callable[[], Any]:
        """A fault: some of it is otherwise for a while. Mappings and sets are added to, `None` takes away."""

        @contextmanager
        def changed() -> Iterator[None]:
            before = {name: getattr(self, name) for name in changes}
            self._set({name: _changed(before[name], value) for name, value in changes.items()})
            try:
                yield
            finally:
                self._set(before)

        return changed


def _changed(before: Any, value: Any) -> Any:
    match before:
        case dict():
            whole = before | value
            return {name: each for name, each in whole.items() if each is not None}
        case set():
            return before | value
    return value
