"""The controller owns one release at a time: it holds the lock, runs the release's worker, and can be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol

import msgspec

from watership.durable.committer import Committer
from watership.durable.ids import DeploymentId, NewId, RunId, SignalId, WorkerId
from watership.durable.lease import LEASE_SECONDS
from watership.durable.ports import Bell, Observer, RunFilter, Runs, Store, Witness, run_topic
from watership.durable.run import Run
from watership.durable.states import OPEN, TERMINAL, RunState
from watership.durable.worker import Worker, WorkerSettings
from watership.durable.writes import Bury, Cancel, Deliver, Submit
from watership.errors import BadInput, Conflict, NotAllowed, NotFound
from watership.releases.acts import Acts, Standing
from watership.releases.auditing.audit import Fact
from watership.releases.book.code import Code
from watership.releases.book.runbook import Deploy, Migrate
from watership.releases.checks import Kinds, require_known, shipped
from watership.releases.checks.database import scripts
from watership.releases.checks.own import planned
from watership.releases.company import Beside, Companion, nobody, together
from watership.releases.contract import contract
from watership.releases.cutover import Dial
from watership.releases.environment import Authority, Environment
from watership.releases.facts import Position
from watership.releases.journal import fold, journal
from watership.releases.measurement import Finding, Measurement, failed, passed
from watership.releases.order import ORDER, Order, Release
from watership.releases.plan import Plan, PlannedItem, fingerprint
from watership.releases.ports import Migration
from watership.releases.program import PROGRAM, Outcome, ReleaseProgram, decode_outcome, zero_for
from watership.releases.readiness.records import lacking
from watership.releases.readiness.signoff import Missing, SignOff
from watership.releases.rollback import whole
from watership.releases.smoke import Smoke, smoke_sha256
from watership.releases.snapshots import STANDING, load, quarantined
from watership.releases.status import ANEW, ended, status_of

DEPLOYMENT = DeploymentId("controller")
POOL = "default"

POLL_SECONDS = 0.25

CLAIMS = 1_000
"""Claims without progress before a release is stopped: a soak is one step, and may outlive many controllers."""


class ControllerStore(Store, Runs, Protocol):
    """The controller's own store, apart from the system that it releases."""


class Deposed(Conflict):
    """Another controller has the lock; this one stopped where it stood."""

    code = "deposed"

    def __init__(self, release: str) -> None:
        super().__init__(
            f"Another controller has taken over release {release}.",
            fix=f"Follow it with: watership release watch {release}",
        )


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What a start needs besides the plan: everything that the plan names by digest, and the tests."""

    plan: Plan
    signoffs: tuple[SignOff, ...]
    scripts: tuple[Migration, ...] = ()
    smoke: Smoke = Smoke()
    code: tuple[Code, ...] = ()
    starter: str = ""
    zero: datetime | None = None
    waived_by: str | None = None
    linger: float = 60.0


class Controller:
    """`build` is the digest of the code that runs here; `who` is told to whoever finds the lock held.

    `kinds`: what a release may have measured, by its plan and the code that it brings.
    `lease`: seconds of the clock after which a release is another controller's, if this one does not renew it.
    """

    def __init__(
        self,
        *,
        store: ControllerStore,
        bell: Bell,
        witness: Witness,
        environment: Environment,
        new_id: NewId,
        observer: Observer,
        build: str,
        who: str,
        beside: Beside = nobody,
        kinds: Kinds = shipped,
        lease: float = LEASE_SECONDS,
    ) -> None:
        self._store = store
        self._bell = bell
        self._witness = witness
        self._env = environment
        self._new_id = new_id
        self._observer = observer
        self._build = build
        self._who = who
        self._beside = beside
        self._kinds = kinds
        self._lease = lease

    async def start(self, brief: Brief) -> Outcome:
        """Release to the end. Raises BadInput, NotAllowed or Conflict before anything was changed."""
        run_id = RunId(brief.plan.release)
        await self._require_new(run_id)
        await self._may_start(brief)
        release = self._release(brief)
        authority = await self._authority(brief.plan.release)
        try:
            await self._require_new(run_id)
            facts: dict[str, Fact] = {
                "release": run_id,
                "fingerprint": fingerprint(brief.plan),
                "build": self._build,
            }
            self._env.audit.append(brief.starter or brief.plan.starter, "release.started", facts)
            return await self._drive(authority, run_id, release)
        finally:
            await authority.give_up()

    async def by_hand(self, brief: Brief, does: Deploy | Migrate) -> Finding:
        """One act of a signed plan that moves no traffic, outside of a release. Raises Conflict while one is under way.

        A release that is started afterwards finds it done: acts are absolute.
        """
        await self._may_start(brief)
        if missing := await self._missing(brief):
            raise _unsigned(missing)
        authority = await self._authority(brief.plan.release)
        try:
            if await self._active() is not None:
                raise Conflict("A release is under way; it does this itself.", fix="watership release status")
            release = self._release(brief)
            acts = Acts(self._env, authority, release, no_orders, self._kinds(release))
            item = PlannedItem(
                key=f"by-hand/{does.id}", phase="by-hand", owner="operations", at=0.0, does=does
            )
            found = await acts.do(item, 1, Position(touched=True))
            facts: dict[str, Fact] = {"release": brief.plan.release, "evidence": found.evidence[:1000]}
            self._env.audit.append(brief.starter, f"by_hand.{does.id}.{found.verdict.value}", facts)
            return found
        finally:
            await authority.give_up()

    async def contract(self, release: Release, *, who: str, rehearsed: bool = True) -> Finding:
        """Contract the schema of a release that has ended. Raises Conflict while one is under way, and `contract`'s."""
        authority = await self._authority(release.plan.release)
        try:
            if await self._active() is not None:
                raise Conflict("A release is under way.", fix="watership release status")
            return await contract(self._env, authority, release, who=who, rehearsed=rehearsed)
        finally:
            await authority.give_up()

    async def resume(self, *, adopt: bool = False) -> Outcome:
        """Go on with the release that is under way. Another build than began it must `adopt` it."""
        run = await self._active()
        if run is None:
            raise NotFound("No release is under way.", fix="Start one: watership release start.")
        release = msgspec.json.decode(run.input, type=Release)
        self._kinds(release)  # code that is not to be loaded here is told before anything is taken
        authority = await self._authority(release.plan.release)
        try:
            facts: dict[str, Fact] = {
                "release": release.plan.release,
                "build": self._build,
                "epoch": authority.epoch,
            }
            if (release.adopted_by or release.plan.controller) == self._build:
                self._env.audit.append(self._who, "release.resumed", facts)
                return await self._drive(authority, run.id)
            if not adopt:
                raise Conflict(
                    f"Release {run.id} was begun by build {release.plan.controller}, this is {self._build}.",
                    fix="Resume it with that build, or take it over: watership release resume --adopt.",
                )
            self._env.audit.append(self._who, "release.adopted", facts)
            return await self._adopt(authority, run, release)
        finally:
            await authority.give_up()

    async def order(self, kind: Order) -> RunId:
        """Tell the release that is under way what a person wants; its controller reads it within a second."""
        run = await self._active()
        if run is None:
            raise NotFound("No release is under way.")
        value = msgspec.Raw(msgspec.json.encode(kind))
        deliver = Deliver(signal_id=SignalId(self._new_id()), run_id=run.id, name=ORDER, value=value)
        written = await self._store.write([deliver])
        self._bell.ring({f"inbox:{run.id}"} | {f"pool:{d}:{p}" for d, p in written.woken})
        return run.id

    async def taken_back(self, order: Order, *, seconds: float) -> Finding | None:
        """Have the controller that lives take everything back, and then read both planes ourselves.

        None when it has not come to an end within `seconds`; the order stands.
        """
        run_id = await self.order(order)
        ordered = sum(each.name == ORDER for each in await self._store.inbox(run_id))
        end = self._env.clock.monotonic() + seconds
        while self._env.clock.monotonic() < end:
            run = await self._store.get(run_id)
            assert run is not None, "it was given an order"
            release = msgspec.json.decode(run.input, type=Release)
            state = fold(await journal(self._store, run_id), release)
            back = state.position.taken_back
            if run.state in TERMINAL or (back is not None and state.position.seen >= ordered):
                return await self._read_back(release.plan, back)
            await self._env.clock.sleep(POLL_SECONDS)
        return None

    async def _read_back(self, plan: Plan, back: Measurement | None) -> Finding:
        """Not what the controller says of its rollback: what router and intake say now."""
        authority = Authority(self._env.lock, who=self._who, release=plan.release)
        words, there = await whole(Dial(self._env, authority, to=plan.live, away=plan.next))
        if there:
            return passed(f"Back on {plan.live.build.version}: {words}.")
        return failed(f"It is not taken back: {words}. {back.evidence if back is not None else ''}".strip())

    def _release(self, brief: Brief) -> Release:
        return Release(
            plan=brief.plan,
            signoffs=brief.signoffs,
            scripts=brief.scripts,
            smoke=brief.smoke,
            code=brief.code,
            zero=brief.zero or zero_for(brief.plan, self._env.clock.now()),
            waived_by=brief.waived_by,
            linger=brief.linger,
        )

    # --- before -----------------------------------------------------------------------------------------------

    async def _require_new(self, run_id: RunId) -> None:
        """Raises Conflict while a release is under way, and for one that was started, whatever became of it."""
        active = await self._active()
        if active is not None:
            raise Conflict(
                f"Release {active.id} is under way.",
                fix="watership release watch; after its controller was killed: watership release resume.",
            )
        run = await self._store.get(run_id)
        if run is not None:
            release = msgspec.json.decode(run.input, type=Release)
            over = ended(status_of(fold(await journal(self._store, run_id), release), release, run=run))
            raise Conflict(f"{over or f'Release {run_id} was started before'}.", fix=ANEW)

    async def _may_start(self, brief: Brief) -> None:
        plan, release = brief.plan, self._release(brief)
        scripts(release)
        planned(plan, brief.code)
        if smoke_sha256(brief.smoke) != plan.smoke_sha256:
            raise BadInput(
                "The smoke test is not the one that was planned.", fix="Plan again, and have it signed."
            )
        if plan.controller != self._build:
            raise Conflict(
                f"The plan is for the controller {plan.controller}, this is {self._build}.",
                fix="Plan again with this build: watership release plan.",
            )
        if plan.next.build.digest in await quarantined(self._env.snapshots) and brief.waived_by is None:
            raise Conflict(
                f"Build {plan.next.build.digest} was rolled back automatically and is quarantined.",
                fix="Release another build, or waive it by name.",
            )
        if plan.signoffs.at_start and (missing := await self._missing(brief)):
            raise _unsigned(missing)
        # Last, because the plan's own code is run for it: not before it is signed.
        require_known(plan, self._kinds(release))

    async def _missing(self, brief: Brief) -> Sequence[Missing]:
        records = await self._env.records.all(brief.plan.release)
        return lacking(brief.plan, brief.signoffs, records, self._env.clock.now())

    async def _authority(self, release: str) -> Authority:
        authority = Authority(self._env.lock, who=self._who, release=release)
        await authority.take()
        return authority

    async def _active(self) -> Run | None:
        page = await self._store.list(RunFilter(states=OPEN, program=PROGRAM), limit=2)
        return page.runs[0] if page.runs else None

    async def _adopt(self, authority: Authority, run: Run, release: Release) -> Outcome:
        """A new run from read-back reality: the old one's journal is another build's, and is not replayed.

        The plan stays as it was signed. What is split or shifted without a judgement of ours is taken back.
        """
        standing = await load(self._env.snapshots, STANDING, Standing)
        successor = RunId(f"{release.plan.release}.adopted-{authority.epoch}")
        adopted = msgspec.structs.replace(
            release,
            adopted_by=self._build,
            zero=self._env.clock.now(),
            promoted=standing is not None and standing.live == release.plan.next,
        )
        # In one transaction: killed between the two nobody would know that a release is under way.
        ended = Cancel(run_id=run.id, reason=f"adopted by {self._build}")
        await self._store.write([ended, _submission(successor, adopted)])
        return await self._drive(authority, successor)

    # --- the run ----------------------------------------------------------------------------------------------

    async def _drive(self, authority: Authority, run_id: RunId, release: Release | None = None) -> Outcome:
        """Work on the release until it ends, or until somebody else has the lock."""
        await self._bury_the_dead(run_id)
        async with Committer(self._store, self._bell, self._env.clock) as committer:
            if release is not None:
                await committer.submit(_submission(run_id, release))
            worker = self._worker(authority, committer)
            working = asyncio.create_task(worker.run(), name="the controller's worker")
            try:
                async with together(await self._companions(run_id)):
                    return await self._ended(authority, run_id)
            finally:
                if authority.deposed.is_set():
                    working.cancel()
                else:
                    await worker.drain(0.0)
                with suppress(asyncio.CancelledError):
                    await working

    async def _companions(self, run_id: RunId) -> Sequence[Companion]:
        run = await self._store.get(run_id)
        assert run is not None, "the release was submitted"
        return self._beside(run_id, msgspec.json.decode(run.input, type=Release))

    def _worker(self, authority: Authority, committer: Committer) -> Worker:
        program = ReleaseProgram(self._env, authority, self._store, self._kinds).program
        return Worker(
            id=WorkerId(f"controller-{authority.epoch}-{self._new_id()}"),
            deployment=DEPLOYMENT,
            pool=POOL,
            programs={PROGRAM: program},
            committer=committer,
            runs=self._store,
            bell=self._bell,
            witness=self._witness,
            clock=self._env.clock,
            new_id=self._new_id,
            observer=self._observer,
            settings=WorkerSettings(slots=2, poison_limit=CLAIMS, lease_seconds=self._lease),
        )

    async def _bury_the_dead(self, run_id: RunId) -> None:
        """We hold the lock: every earlier controller is dead or deposed, so its lease need not run out."""
        others = {each.id for each in await self._store.workers()}
        run = await self._store.get(run_id)
        if run is not None and run.lease_owner is not None:
            # Killed between its claim and its first renewal it is known by its lease alone.
            others.add(run.lease_owner)
        if others:
            await self._store.write([Bury(worker=each) for each in sorted(others)])

    async def _ended(self, authority: Authority, run_id: RunId) -> Outcome:
        while True:
            if authority.deposed.is_set():
                raise Deposed(run_id)
            run = await self._store.get(run_id)
            assert run is not None, "the release was submitted"
            if run.state in (RunState.STOPPED, RunState.FAILED, RunState.CANCELLED):
                why = f"{run.failure.kind}: {run.failure.message}" if run.failure else "no reason is known"
                raise Conflict(
                    f"Release {run_id} is {run.state.value}: {why}",
                    fix="Take the traffic back: watership release rollback --now.",
                )
            if run.state is RunState.SUCCEEDED:
                return decode_outcome(run.result)
            await self._wait(authority, run_id)

    async def _wait(self, authority: Authority, run_id: RunId) -> None:
        await self._bell.wait(frozenset({run_topic(run_id)}), POLL_SECONDS)


def _unsigned(missing: Sequence[Missing]) -> NotAllowed:
    words = ", ".join(f"{each.role} ({each.reason})" for each in missing)
    return NotAllowed(f"Sign-offs are missing: {words}.", fix="Sign the plan: watership release sign.")


async def no_orders(_: int) -> Sequence[Order]:
    """What is done by hand is ended by hand."""
    return ()


def _submission(run_id: RunId, release: Release) -> Submit:
    value = msgspec.Raw(msgspec.json.encode(release))
    return Submit(run_id=run_id, program=PROGRAM, input=value, deployment=DEPLOYMENT)
