"""The desk at which a release is drawn, signed, run and looked at, for whoever commands by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

import watership
from watership.adapters.files.builds import (
    digest,
    pausing,
    read_build,
    read_build_file,
    read_migrations,
    read_smoke,
)
from watership.adapters.files.releases import Draft, ReleaseFolder, latest
from watership.adapters.sqlite.store import SQLiteStore
from watership.durable.codec import decode
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import RunFilter, Runs
from watership.durable.states import RunState
from watership.errors import BadInput, Conflict, NotAllowed, NotFound, Unavailable, Untrusted
from watership.fleet.build import Build
from watership.fleet.deployment import Deployment, Slot
from watership.fleet.stranded import lingering
from watership.releases.auditing.unhindered import Unhindered
from watership.releases.book import shelf, system
from watership.releases.book.code import Code
from watership.releases.checks.images import planned_image
from watership.releases.contract import Readiness, readiness
from watership.releases.controller import Brief, Controller
from watership.releases.cutover import LastSafe
from watership.releases.ddl import ROWS, remarks, touched
from watership.releases.environment import Environment
from watership.releases.journal import fold, journal
from watership.releases.judging.sources import sources
from watership.releases.measurement import Finding
from watership.releases.order import Order, Release
from watership.releases.outlook import Outlook, outlook
from watership.releases.plan import Overrides, Plan, Side, Size, doing_without, draw, fingerprint
from watership.releases.ports import Migration
from watership.releases.program import PROGRAM, Outcome, zero_for
from watership.releases.readiness.clerk import Clerk
from watership.releases.readiness.records import TakenBack, lacking, standing_signoffs, taken_back
from watership.releases.readiness.unseen import Unseen, unseen
from watership.releases.rollback_now import rollback_now
from watership.releases.snapshots import LAST_SAFE, Snapshots, load, quarantined
from watership.releases.status import Ended, Planned, ReleaseStatus, ended, status
from watership.releases.warrant import Caller, grounds
from watership.wiring import kinds
from watership.wiring.environment import Places, deployment_id

RUNBOOK = "one-machine"

TAKEOVERS = 50
"""Runs among which the heir of one that was taken over is looked for, the newest."""

Tells = Callable[[Release], Awaitable[None]]
"""Puts out what is due about a release at this moment; raises nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a release is drawn, signed and run."""

    environment: Environment
    controller: Controller
    store: SQLiteStore
    """The controller's own."""
    places: Places
    name: str
    tells: Tells
    rehearsal: bool = False

    def folder(self, release: str | None) -> ReleaseFolder:
        """The papers of the release that is named, or of the one that was last worked at."""
        return ReleaseFolder(self.places.releases, release) if release else latest(self.places.releases)

    async def live(self) -> Side:
        """The deployment that serves everything now. Raises Conflict while a split stands, NotFound without any."""
        state = await self.environment.intake.read()
        serving = [deployment for deployment, weight in state.weights.items() if weight == 100]
        if state.weights and not serving:
            raise Conflict(
                "New work is split between two deployments: a release is under way, or was left in the middle.",
                fix="watership release resume, or: watership release rollback --now",
            )
        found = {each.id: each for each in await self.environment.deployments.all()}
        if not serving or serving[0] not in found:
            raise NotFound(
                "No deployment is live here.", fix="Put the first one in: watership environment up BUILD"
            )
        return side_of(found[serving[0]])

    async def draw(
        self,
        source: Path,
        *,
        release: str | None,
        starter: str,
        overrides: Overrides,
        size: Size,
        book: str | None,
        systems: Path | None = None,
        waived: bool = False,
        unseen_left_out: bool = False,
    ) -> Draft:
        """Resolve the runbook for the build in `source`, against what is live now. Raises Conflict for a name
        under which a release was started, for a quarantined build unless that is `waived`, and for what is live
        already. `unseen_left_out`: a rehearsal does without the items of phases that cannot be seen."""
        if unseen_left_out and not self.rehearsal:
            raise Conflict(
                "This environment is no rehearsal: what its runbook asks for is done.",
                fix="Name the systems (--systems), or take the items out of your copy of the runbook.",
            )
        if release is not None:
            await require_unstarted(self.store, release)
        live, build = await self.live(), read_build(source)
        require_other(live.build, build)
        if not waived:
            await require_unquarantined(self.environment.snapshots, build.version, build.digest)
        standing = await self.environment.deployments.all()
        lingering(standing, await self.environment.runs.census(), serving={live.deployment})
        version, smoke = await self.environment.migrator.version(), read_smoke(source)
        migrations = [each for each in read_migrations(source) if each.start >= version]
        require_readable(build, version)
        await self._require_sound(migrations)
        runbook = shelf.find(book or RUNBOOK)
        kinds.of_source(runbook)  # nobody signs a check that does not load
        plan = draw(
            runbook,
            release=release or f"{build.version}-{self.environment.clock.now():%Y%m%d-%H%M%S}",
            environment=self.name,
            live=live,
            smoke=smoke,
            size=size,
            next=Side(
                build=build, deployment=_fresh_id(build.version, build.digest, standing), slot=live.slot.other
            ),
            migrations=migrations,
            controller=controller_build(),
            starter=starter,
            created_at=self.environment.clock.now(),
            overrides=overrides,
            pauses_writes=pausing(migrations),
            pause_seconds=await self._measured(migrations),
            holds=(await self.environment.router.read()).can_hold,
            committed_at=read_build_file(source).committed_at,
            image=await self._image(runbook, build.version),
            rehearsal=self.rehearsal,
            systems=system.read(systems) if systems is not None else None,
            sources=sources(
                runbook.runbook.feeds,
                metrics_kept=self.environment.kept is not None,
                processes_here=self.environment.usage is not None,
                incidents=self.environment.breach is not None,
            ),
        )
        if unseen_left_out:
            lacking = self.unseen(plan, runbook.code)
            plan = doing_without(plan, [each.key for each in lacking if each.where == "phases"])
        return Draft(plan=plan, scripts=tuple(migrations), smoke=smoke, code=runbook.code)

    async def _require_sound(self, migrations: Sequence[Migration]) -> None:
        """Raises BadInput for scripts that no release could run: they break who serves, or meet too many rows."""
        there = await self.environment.migrator.rows(touched(migrations), most=ROWS)
        if wrong := remarks(migrations, there):
            raise BadInput(
                f"The migrations cannot be planned: {'; '.join(map(str, wrong))}.",
                fix="Begin a script that drops with '-- contract', one that must block with '-- pauses writes', "
                "and one that changes many rows with '-- backfill': docs/releases.md",
            )

    async def _measured(self, migrations: Sequence[Migration]) -> dict[str, float]:
        """How long writes would wait, tried on a copy, so that people can be told before they sign.

        Empty where nothing pauses writes, or no copy can be had. Raises BadInput where the migrations do not go there
        and back.
        """
        steps = [each for each in migrations if each.header.kind != "contract"]
        if not any(each.header.pauses for each in steps):
            return {}
        try:
            return (await self.environment.migrator.rehearse(steps)).steps
        except (Unavailable, NotAllowed, Conflict):
            return {}

    def unseen(self, plan: Plan, code: Sequence[Code]) -> tuple[Unseen, ...]:
        """What the plan asks of systems that are not named, or whose secret cannot be read here and now."""
        looking = self.environment.instruments
        assert looking is not None, "a desk has instruments"
        return unseen(plan, kinds.known(tuple(code)), looking.secrets)

    async def outlook(self, plan: Plan) -> Outlook:
        """What becomes of the runs that live has under way."""
        return await outlook(self.environment.runs, plan.live.deployment, self.environment.clock.now())

    async def _image(self, source: shelf.Source, version: str) -> str:
        """The image of that version, by the record that the runbook's checklist reads."""
        looking = self.environment.instruments
        assert looking is not None, "a desk has instruments"
        return await planned_image(looking.documents, source.runbook.checklist, version)

    async def clerk(self, release: str | None) -> Clerk:
        """The clerk of the release that is named, or of the one that was last worked at, begun or not."""
        name = self.folder(release).name
        known = await self._newest(name)
        if known is not None:
            started = known.release
            state = fold(await journal(self.store, known.id), started)
            over = ended(await self._told(known))
            return Clerk(
                self.environment, started, kinds.of_release(started), position=state.position, ended=over
            )
        draft = self.folder(name).draft()
        planned = Release(
            plan=draft.plan,
            signoffs=(),
            scripts=draft.scripts,
            smoke=draft.smoke,
            code=draft.code,
            zero=zero_for(draft.plan, self.environment.clock.now()),
        )
        return Clerk(self.environment, planned, kinds.of_release(planned), zero_known=False)

    async def brief(self, release: str, *, starter: str, waived_by: str | None = None) -> Brief:
        """What the start of a drawn release needs."""
        folder = self.folder(release)
        draft = folder.draft()
        return Brief(
            plan=draft.plan,
            signoffs=standing_signoffs((), await self.environment.records.all(release)),
            scripts=draft.scripts,
            smoke=draft.smoke,
            code=draft.code,
            starter=starter,
            waived_by=waived_by,
        )

    async def contract(self, release: str | None, who: str, *, rehearsed: bool) -> tuple[Known, Finding]:
        """Contract what a promoted release left to it. Raises Conflict, NotAllowed, NotFound."""
        known = await self._promoted(release)
        found = await self.controller.contract(known.release, who=who, rehearsed=rehearsed)
        return known, found

    async def contractable(self, release: str | None) -> tuple[Known, Readiness]:
        """What stands in the way of that."""
        known = await self._promoted(release)
        return known, await readiness(self.environment, known.release)

    async def _promoted(self, release: str | None) -> Known:
        """The release as it was started, or as it was taken over, if it ended well and stayed so. Raises Conflict."""
        first = await self.find(release)
        known = await self._newest(first.release.plan.release) or first
        found = await self._told(known)
        if found.unsure:
            raise Conflict(f"Whether it was taken back since is not known: {found.unsure}")
        if not found.over or found.stage != "promoted":
            words = ended(found) or f"Release {known.id} has not ended"
            raise Conflict(
                f"{words}. Only what was promoted, and watched to the end, is contracted.",
                fix="watership release status",
            )
        return known

    async def require_safe(self, version: str) -> None:
        """Raises Conflict unless the last safe state is of that version, NotFound where nothing was changed yet."""
        safe = await load(self.environment.snapshots, LAST_SAFE, LastSafe)
        if safe is None:
            raise NotFound("No release has changed anything yet, so there is nothing to take back.")
        if safe.to.build.version != version:
            raise Conflict(
                f"The last safe version is {safe.to.build.version}, not {version}.",
                fix=f"watership rollback --to {safe.to.build.version} --now; another version: watership release plan.",
            )

    async def grounds(self, caller: Caller, *, criterion: str, reason: str) -> str:
        """On what the caller orders a rollback, in words, by the plan of the release that was started last."""
        try:
            plan = (await self.find(None)).release.plan
        except NotFound:
            plan = None
        return str(grounds(plan, caller, self.environment.audit, criterion=criterion, reason=reason))

    def unhindered(self) -> tuple[Desk, Unhindered]:
        """The same desk, for a rollback at once: a broken audit does not hold it up; and what that one did not take."""
        audit = Unhindered(self.environment.audit, self.environment.clock)
        environment = dataclasses.replace(self.environment, audit=audit)
        return dataclasses.replace(self, environment=environment), audit

    async def take_back(self, who: str, why: str, *, force: bool, seconds: float) -> Finding | None:
        """Both planes to the last safe side: by order if a controller lives, else at once, without a replay.

        None when a controller that was ordered to has not done it within `seconds`; `force` deposes it instead.
        """
        if await self.environment.lock.read() is not None and not force:
            return await self.controller.taken_back(
                Order(kind="rollback", who=who, reason=why), seconds=seconds
            )
        found = await rollback_now(self.environment, who=who, reason=why, force=force)
        known = await self._safe()
        if known is not None:  # else the controller's store is another one, and nobody knows whom to tell
            await self.tells(known.release)
        return found

    async def resume(self, *, adopt: bool) -> Outcome:
        """Go on with the release that is under way. Where none is, people hear what a controller that was killed at the
        very end of the last one did not tell any more; then raises NotFound."""
        try:
            return await self.controller.resume(adopt=adopt)
        except NotFound:
            with suppress(NotFound):
                await self.tells((await self.find(None)).release)
            raise

    async def taken_back(self) -> Known | None:
        """The release whose traffic was moved last, if it was taken back beside its journal."""
        known = await self._safe()
        return known if known and (await self.status(known)).taken_back is not None else None

    async def _safe(self) -> Known | None:
        """The release that moved traffic last; None where nothing of it is here."""
        safe = await load(self.environment.snapshots, LAST_SAFE, LastSafe)
        return await self._newest(safe.release) if safe is not None else None

    async def _newest(self, release: str) -> Known | None:
        """The run of a release: where another build's controller took it over, the last that did."""
        row = await self.store.get(RunId(release))
        if row is not None and row.state is RunState.CANCELLED:
            page = await self.store.list(RunFilter(program=PROGRAM), limit=TAKEOVERS)
            heirs = (each for each in page.runs if each.id.startswith(f"{release}.adopted-"))
            row = next(heirs, row)
        return None if row is None else Known(id=row.id, release=decode(row.input, Release))

    async def find(self, release: str | None) -> Known:
        """A release that was started: the one named, or the last one. Raises NotFound."""
        page = await self.store.list(RunFilter(program=PROGRAM), limit=1)
        row = await self.store.get(RunId(release)) if release else next(iter(page.runs), None)
        if row is None or row.program != PROGRAM:
            raise NotFound(
                f"There is no release {release}." if release else "No release was started yet.",
                fix="Draw a plan: watership release plan BUILD; then: watership release start",
            )
        return Known(id=row.id, release=decode(row.input, Release))

    async def require_meant(self, release: str | None) -> None:
        """Raises Conflict where a release is named that is not the one that was started last, which orders go to."""
        if release is None:
            return
        last = (await self.find(None)).release.plan.release
        if release != last:
            raise Conflict(
                f"{release} is not the release that was started last: {last} is.",
                fix="watership release status",
            )

    async def look(self, release: str | None) -> ReleaseStatus | Planned:
        """Where a release stands, beside a newer plan if one is drawn; or the plan that is not started."""
        try:
            known = await self.find(release)
        except NotFound:
            if (drawn := await self.planned(release)) is None:
                raise
            return drawn
        drawn = None if release else await self.planned()
        newer = drawn if drawn and drawn.created_at > known.release.plan.created_at else None
        return replace(await self.status(known), planned=newer)

    async def status(self, known: Known) -> ReleaseStatus:
        """Where the release stands, with what router and intake say at this moment; None of what does not answer."""
        found = await self._told(known)
        nxt = known.release.plan.next
        attended = found.over or await self.environment.lock.read() is not None
        return replace(
            found,
            router=await self._router_gives(nxt.slot),
            intake=await self._intake_gives(nxt.deployment),
            unattended=not attended,
        )

    async def _told(self, known: Known) -> ReleaseStatus:
        """By its journal and its records alone."""
        back, unsure = await self._back(known.release.plan.release)
        found = await status(self.store, known.id, self.environment.snapshots, back)
        return replace(found, unsure=unsure)

    async def ended(self) -> Ended | None:
        """How the release ended that was started last, where none is planned since; None while one goes on."""
        try:
            found = await self.look(None)
        except NotFound:
            return None
        return ended(found) if isinstance(found, ReleaseStatus) and found.planned is None else None

    async def _back(self, release: str) -> tuple[TakenBack | None, str]:
        """The rollback that a release has on record; or why its records count for nothing."""
        try:
            return taken_back(await self.environment.records.all(release)), ""
        except Untrusted as error:
            return None, error.message

    async def _router_gives(self, slot: Slot) -> int | None:
        try:
            return (await self.environment.router.read()).weights.get(slot, 0)
        except Unavailable:
            return None

    async def _intake_gives(self, deployment: DeploymentId) -> int | None:
        try:
            return (await self.environment.intake.read()).weights.get(deployment, 0)
        except Unavailable:
            return None

    async def planned(self, release: str | None = None) -> Planned | None:
        """The plan of that name, or the last one drawn, if it is not started."""
        names = (
            [release] if release else [path.parent.name for path in self.places.releases.glob("*/plan.json")]
        )
        unstarted = [self.folder(name) for name in names if await self.store.get(RunId(name)) is None]
        drafts = [folder.draft().plan for folder in unstarted]
        if not drafts:
            return None
        plan = max(drafts, key=lambda draft: draft.created_at)
        records = await self.environment.records.all(plan.release)
        missing = lacking(plan, (), records, self.environment.clock.now())
        roles = tuple(each.role for each in missing)
        return Planned(
            release=plan.release,
            live=plan.live.build.version,
            next=plan.next.build.version,
            slot=plan.next.slot.value,
            fingerprint=fingerprint(plan),
            signed=tuple(role for role in plan.signoffs.needed if role not in roles),
            missing=roles,
            refused={each.role: each.reason for each in missing if each.refused},
            created_at=plan.created_at,
        )


@dataclass(frozen=True, slots=True)
class Known:
    """A release that was started, with all that it was started with."""

    id: RunId
    release: Release


async def require_unstarted(runs: Runs, release: str) -> None:
    """Raises Conflict when the controller has a run of that name: the plan that it follows is not replaced."""
    if await runs.get(RunId(release)) is not None:
        raise Conflict(
            f"Release {release} was started already; its plan cannot change.",
            fix="Name the new one: --name",
        )


def require_other(live: Build, build: Build) -> None:
    """Raises Conflict when the build is what is live, byte for byte: there would be nothing to compare."""
    if build.digest == live.digest:
        raise Conflict(
            f"Build {build.version} ({build.digest}) is live already, byte for byte.",
            fix="Name another build; to start the same one anew: watership environment down, then up.",
        )


def require_readable(build: Build, version: int) -> None:
    """Raises BadInput for a build that cannot live with the schema that is there: an old one, after a contract."""
    if version not in build.schema:
        reads = build.schema
        raise BadInput(
            f"{build.version} reads schema {reads.lowest} to {reads.highest}, and the database is at {version}.",
            fix="Release a build that reads it; migrations that were not applied: watership migrate status",
        )


async def require_unquarantined(snapshots: Snapshots, version: str, digest: str) -> None:
    """Raises Conflict when the build was rolled back automatically: nobody signs what cannot start."""
    if digest in await quarantined(snapshots):
        raise Conflict(
            f"Build {version} ({digest}) was rolled back automatically and is quarantined.",
            fix="Release another build, or let this one in by name: --waive-quarantine, for plan and for start.",
        )


def side_of(deployment: Deployment) -> Side:
    """A deployment as one of a release's two sides."""
    return Side(build=deployment.build, deployment=deployment.id, slot=deployment.slot)


def controller_build() -> str:
    """The digest of the code that runs here: a release is resumed only by the build that began it."""
    return digest(Path(watership.__file__).parent)


def _fresh_id(version: str, digest: str, standing: Sequence[Deployment]) -> DeploymentId:
    """The build's deployment id; numbered when the same build has stood here before."""
    taken = {each.id for each in standing}
    first = deployment_id(version, digest)
    candidates = (first, *(DeploymentId(f"{first}-{number}") for number in range(2, len(taken) + 3)))
    return next(each for each in candidates if each not in taken)
