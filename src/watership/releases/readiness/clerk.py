"""The clerk takes down what people and programs say of a release, if it is theirs to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import SplitResult, urlsplit

from watership.errors import BadInput, Conflict, NotAllowed
from watership.fleet.identity import OPERATOR
from watership.releases.book.quantity import Given
from watership.releases.checks.scene import Kind, Scene
from watership.releases.environment import Environment
from watership.releases.facts import Position
from watership.releases.measurement import Measurement
from watership.releases.order import Release
from watership.releases.plan import Plan, fingerprint
from watership.releases.readiness import go
from watership.releases.readiness.aftercare import everything
from watership.releases.readiness.checklist import ATTESTED_FOR, Checklist, Point, chosen, key
from watership.releases.readiness.go import ConditionFound
from watership.releases.readiness.records import (
    Attested,
    Called,
    Decided,
    Declined,
    Measured,
    Ready,
    Record,
    Signed,
    Waived,
    lacking,
    standing_signoffs,
)
from watership.releases.readiness.rounds import round_of
from watership.releases.readiness.signoff import Missing, SignOff, sign
from watership.releases.readiness.situation import situation
from watership.releases.readiness.standing import ItemStanding, standing
from watership.releases.status import ANEW, Ended
from watership.releases.warrant import Caller

LOOK_SECONDS: Final = 120.0
"""What a check by hand may take: smoke tests wait for runs."""

LONGEST_WAIVER: Final = 7 * 86_400.0
"""Seconds; what is to be let pass for longer is a change of the runbook."""


EVIDENCE: Final = "Name a file of the project, or a page: https://…"


class Clerk:
    """Who takes down what is said of one release. Everything that is said is in the audit too."""

    def __init__(
        self,
        env: Environment,
        release: Release,
        kinds: Mapping[str, Kind],
        *,
        position: Position | None = None,
        zero_known: bool = True,
        ended: Ended | None = None,
    ) -> None:
        """`ended`: how it did, if it did: nobody's word changes anything then.

        `position`: where a release that has begun stands by its journal; some checks look back to its cutover."""
        self._env = env
        self._release = release
        self._kinds = kinds
        self._position = position or Position()
        self._zero = release.zero if zero_known else None
        self.ended = ended

    @property
    def plan(self) -> Plan:
        return self._release.plan

    async def stand(self) -> tuple[ItemStanding, ...]:
        """Where the checklist stands now; what is late, where it is known when the release begins."""
        records, plan = await self._records(), self.plan
        return standing(
            everything(plan),
            records,
            build=plan.next.build.digest,
            now=self._env.clock.now(),
            zero=self._zero,
            factor=plan.overrides.clock_factor,
        )

    # --- the checklist --------------------------------------------------------------------------------------

    async def measure(self, words: Sequence[str], caller: Caller) -> dict[str, Measurement]:
        """Measure the points that words name, and put each on record. Points that people attest are left out."""
        self._require_going(after=True)
        points = [(key(item, point), point) for item, point in chosen(everything(self.plan), words)]
        found = await round_of(self.scene(), points)
        for name, got in found.items():
            record = Measured(point=name, build=self.plan.next.build.digest, by=caller.person, got=got)
            await self._put(record)
        return found

    async def look(self, checks: Mapping[str, tuple[str, Mapping[str, Given]]]) -> dict[str, Measurement]:
        """Measure what is no point of the checklist, by what it is called; nothing is put on record."""
        points = [
            (name, Point(id="look", text=name, check=kind, parameters=dict(parameters), timeout=LOOK_SECONDS))
            for name, (kind, parameters) in checks.items()
        ]
        return await round_of(self.scene(), points)

    async def attest(
        self,
        words: Sequence[str],
        caller: Caller,
        *,
        holds: bool = True,
        saying: str,
        evidence: str = "",
        good_for: float = ATTESTED_FOR,
    ) -> Attested:
        """Answer for points, as their item's owner. Raises BadInput for a point that is measured, NotAllowed."""
        self._require_going(after=True)
        pairs = [
            pair
            for pair in chosen(everything(self.plan), words)
            if _of_people(pair[1], everything(self.plan), words)
        ]
        if not pairs:
            raise BadInput(
                f"Nothing that {', '.join(words)} names is attested: a program measures it.",
                fix="watership check run",
            )
        owners = sorted({item.owner for item, _ in pairs})
        if len(owners) > 1:
            raise BadInput(f"The points belong to {', '.join(owners)}; each attests its own.")
        caller.require(self._env.audit, "attest", owners[0], release=self.plan.release)
        now = self._env.clock.now()
        record = Attested(
            points=tuple(key(item, point) for item, point in pairs),
            build=self.plan.next.build.digest,
            person=caller.person,
            role=owners[0],
            holds=holds,
            words=saying,
            evidence=evidence,
            sha256=await self._digest(evidence),
            at=now,
            expires_at=now + timedelta(seconds=min(good_for, *(_good_for(point) for _, point in pairs))),
        )
        await self._put(record)
        return record

    async def waive(self, words: Sequence[str], caller: Caller, *, reason: str, seconds: float) -> Waived:
        """Let the release go on without points, for a reason and a time. Raises NotAllowed, BadInput."""
        self._require_going()
        if not reason.strip():
            raise BadInput("A waiver needs its reason.", fix="Say it: --reason …")
        if not 0 < seconds <= LONGEST_WAIVER:
            raise BadInput(f"A waiver lasts at most {LONGEST_WAIVER / 86_400:g} days.")
        role = self._require(caller, "waive", tuple(r.id for r in self.plan.roles if "waive" in r.may))
        now = self._env.clock.now()
        record = Waived(
            points=tuple(key(item, point) for item, point in chosen(everything(self.plan), words)),
            build=self.plan.next.build.digest,
            person=caller.person,
            role=role,
            reason=reason,
            at=now,
            until=now + timedelta(seconds=seconds),
        )
        await self._put(record)
        return record

    # --- approvals ------------------------------------------------------------------------------------------

    async def sign(self, role: str, caller: Caller) -> list[Missing]:
        """Give one's word for the plan; what is still missing afterwards. Raises Unsigned when it would not count."""
        self._require_going()
        return await self._signed(self.plan, role, caller)

    async def sign_contract(self, contract: Plan, role: str, caller: Caller) -> list[Missing]:
        """The same for the `contract` of a release that was promoted, as a plan of its own."""
        if self.ended is None or self.ended.stage != "promoted":
            raise Conflict(
                f"{self.ended or f'Release {self.plan.release} has not ended'}: nothing of it is contracted.",
                fix="watership release status",
            )
        return await self._signed(contract, role, caller)

    async def _signed(self, plan: Plan, role: str, caller: Caller) -> list[Missing]:
        caller.require(self._env.audit, "sign", role, release=plan.release)
        now = self._env.clock.now()
        given = SignOff(fingerprint=fingerprint(plan), role=role, person=caller.person, at=now)
        sign(plan, await self.signoffs(), given)
        await self._put(Signed(signoff=given))
        return list(lacking(plan, self._release.signoffs, await self._records(), now))

    async def decline(self, role: str, caller: Caller, *, reason: str) -> Declined:
        """Refuse to sign in a role, with the reason. An earlier sign-off in that role counts no more."""
        self._require_going()
        caller.require(self._env.audit, "decline", role, release=self.plan.release)
        if role not in self.plan.signoffs.needed:
            raise BadInput(
                f"The plan needs no sign-off of '{role}'.",
                fix=f"It needs: {', '.join(self.plan.signoffs.needed)}.",
            )
        if not reason.strip():
            raise BadInput("Whoever declines says why.", fix="Say it: --reason …")
        record = Declined(
            fingerprint=fingerprint(self.plan),
            role=role,
            person=caller.person,
            reason=reason,
            at=self._env.clock.now(),
        )
        await self._put(record)
        return record

    async def signoffs(self) -> tuple[SignOff, ...]:
        return standing_signoffs(self._release.signoffs, await self._records())

    async def lacking(self) -> list[Missing]:
        """The roles that have still to sign, and why."""
        records = await self._records()
        return list(lacking(self.plan, self._release.signoffs, records, self._env.clock.now()))

    # --- the decision ---------------------------------------------------------------------------------------

    async def conditions(self) -> tuple[ConditionFound, ...]:
        """The conditions of a GO, as they stand now."""
        there = await situation(
            self._release, self._env.records, self._env.incidents, now=self._env.clock.now()
        )
        return go.conditions(self.plan, there)

    async def decide(
        self,
        decision: str,
        caller: Caller,
        *,
        reason: str,
        issue: str = "",
        mitigation: str = "",
        rescheduled: str = "",
        informed: str = "",
    ) -> Decided:
        """GO or NO-GO. Raises NotAllowed, BadInput, and NotGo for a GO against a condition."""
        self._require_going()
        role = self._require(caller, "decide", go.deciders(self.plan))
        record = Decided(
            decision="go" if decision == "go" else "no_go",
            fingerprint=fingerprint(self.plan),
            person=caller.person,
            role=role,
            reason=reason,
            at=self._env.clock.now(),
            issue=issue,
            mitigation=mitigation,
            rescheduled=rescheduled,
            informed=informed,
        )
        go.require_decidable(await self.conditions(), record)
        await self._put(record)
        return record

    async def decision(self) -> Decided | None:
        return go.decision(self.plan, await self._records())

    # --- the team -------------------------------------------------------------------------------------------

    async def ready(self, role: str, caller: Caller) -> list[str]:
        """Answer the roll call in a role; the roles that have not yet."""
        self._require_going()
        caller.require(self._env.audit, "answer the roll call", role, release=self.plan.release)
        if role not in {each.id for each in self.plan.roles}:
            raise BadInput(
                f"'{role}' is no seat of this team.",
                fix=f"Seats: {', '.join(r.id for r in self.plan.roles)}.",
            )
        record = Ready(
            build=self.plan.next.build.digest, person=caller.person, role=role, at=self._env.clock.now()
        )
        await self._put(record)
        return go.absent(self.plan, await self._records())

    async def called(self, seat: str, caller: Caller, *, reached: bool) -> Called:
        """Put a test call on record; for whoever has a seat in the team. Raises NotAllowed."""
        self._require_going()
        seated = tuple(role.id for role in self.plan.roles)
        caller.require(self._env.audit, "put a call on record", OPERATOR, *seated, release=self.plan.release)
        contact = next((each for each in self.plan.contacts if each.seat == seat), None)
        if contact is None:
            seats = ", ".join(each.seat for each in self.plan.contacts) or "none"
            raise BadInput(f"'{seat}' is no contact.", fix=f"Contacts: {seats}.")
        record = Called(
            seat=seat, person=contact.person, by=caller.person, reached=reached, at=self._env.clock.now()
        )
        await self._put(record)
        return record

    # --- how ------------------------------------------------------------------------------------------------

    def scene(self) -> Scene:
        return Scene(
            key="",
            clock=self._env.clock,
            position=self._position,
            environment=self._env,
            instruments=self._env.instruments,
            started=self._release,
            records=self._env.records,
            systems=self.plan.systems,
            incidents=self._env.incidents,
            kinds=self._kinds,
        )

    async def _records(self) -> Sequence[Record]:
        return await self._env.records.all(self.plan.release)

    async def _put(self, record: Record) -> None:
        await self._env.records.add(self.plan.release, record)

    def _require_going(self, *, after: bool = False) -> None:
        """Raises Conflict once it has ended. `after`: what is looked at counts after a promotion too."""
        over = self.ended
        if over is not None and not (after and over.stage == "promoted"):
            raise Conflict(f"{over}. Nothing that is said of it counts any more.", fix=ANEW)

    def _require(self, caller: Caller, act: str, roles: tuple[str, ...]) -> str:
        """The role in which somebody acts, of those that may. Raises NotAllowed."""
        if not roles:
            raise NotAllowed(f"Nobody of this runbook may {act}.")
        caller.require(self._env.audit, act, *roles, release=self.plan.release)
        return next((role for role in roles if caller.identity.acts_as(role)), roles[0])

    async def _digest(self, evidence: str) -> str:
        """Of evidence that is a file of the project; a page elsewhere, and no evidence, have none. Raises BadInput."""
        if not evidence or is_page(evidence):
            return ""
        if self._env.instruments is None:
            raise BadInput(f"Nothing here can read {evidence}, so its digest is not known.", fix=EVIDENCE)
        document = await self._env.instruments.documents.read(evidence)
        if document is None:
            raise BadInput(f"There is no evidence {evidence}.", fix=EVIDENCE)
        return document.sha256


def _of_people(point: Point, checklist: Checklist, words: Sequence[str]) -> bool:
    """Whether a point is attested. A measured one that is named by its own key is refused aloud."""
    if point.check is None:
        return True
    named = [
        key(item, each)
        for section in checklist
        for item in section.items
        for each in item.points
        if each is point
    ]
    if set(named) & set(words):
        raise BadInput(
            f"{named[0]} is measured by {point.check}; nobody attests it.",
            fix=f"watership check run {named[0]}",
        )
    return False


def _good_for(point: Point) -> float:
    return ATTESTED_FOR if point.good_for is None else point.good_for


def is_page(evidence: str) -> bool:
    """Whether evidence is an address of the web. Raises BadInput for any other address: nobody here reads it."""
    if "://" not in evidence:
        return False
    try:
        parts = urlsplit(evidence)
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"{evidence} is neither a file of the project nor a page of the web.", fix=EVIDENCE)
    return True
