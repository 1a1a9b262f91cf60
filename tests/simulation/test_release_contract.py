"""A contract is a gate of its own: after the watch, signed for itself, with nobody left who needs what goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from tests.simulation.release_world import BUILD, EXPAND, LIVE, NEXT, SHORT_SOURCE, SMOKE, ReleaseWorld
from watership.adapters.sqlite.store import SQLiteStore
from watership.durable.codec import decode
from watership.durable.ids import DeploymentId, RunId
from watership.durable.writes import Submit
from watership.errors import Conflict, NotAllowed, NotFound
from watership.fleet.build import SchemaRange
from watership.fleet.identity import everybody
from watership.releases.book.runbook import Contract
from watership.releases.book.shelf import Source
from watership.releases.contract import contract, contracting, readiness
from watership.releases.controller import Brief
from watership.releases.environment import Authority, Environment
from watership.releases.order import Release
from watership.releases.plan import Overrides, Plan, Size, draw, fingerprint
from watership.releases.ports import Migration
from watership.releases.readiness.records import Contracted, Signed
from watership.releases.readiness.signoff import SignOff
from watership.releases.rollback_now import rollback_now
from watership.releases.snapshots import CONTRACTED, Contraction, load
from watership.releases.verdict import Verdict
from watership.releases.warrant import Caller
from watership.testing import run_in_virtual_time
from watership.wiring.desk import Desk
from watership.wiring.environment import Places

SECONDS = 400_000.0
DROP = Migration(start=6, end=7, forward="-- contract\nALTER …", backward="ADD …", name="drop_old")
TO_SEVEN = replace(NEXT, build=replace(NEXT.build, schema=SchemaRange(5, 7)))
DAY = 86_400.0
RAW = msgspec.Raw(b"{}")


class ContractWorld(ReleaseWorld):
    """Its release leaves a contract."""

    def _plan(self, source: Source, overrides: Overrides | None) -> Plan:
        book = replace(SHORT_SOURCE.runbook, contract=Contract(needed=("owner",)))
        return draw(
            replace(source, runbook=book),
            release="2.1.0-1",
            environment="simulation",
            live=LIVE,
            next=TO_SEVEN,
            migrations=(EXPAND, DROP),
            smoke=SMOKE,
            size=Size(serve=2, workers=1),
            controller=BUILD,
            starter="Sam Starter",
            created_at=self.clock.now(),
        )

    def brief(self, **facts: Any) -> Brief:
        return super().brief(scripts=(EXPAND, DROP), **facts)

    @property
    def env(self) -> Environment:
        return self.controller()._env

    async def promoted(self) -> Release:
        """The release, once it has ended well and its time of standing by is over."""
        await self.begin()
        assert (await self.controller().start(self.brief())).outcome == "promoted"
        self.traffic.cancel()
        run = await self.own.get(RunId(self.plan.release))
        assert run is not None
        await self.clock.sleep(DAY)
        return decode(run.input, Release)

    async def sign(self) -> None:
        signoff = SignOff(
            fingerprint=fingerprint(contracting(self.plan)), role="owner", person="Olga", at=self.clock.now()
        )
        await self.records.add(self.plan.release, Signed(signoff=signoff))

    async def contract(self, release: Release) -> Any:
        authority = Authority(self.env.lock, who="Ada", release=self.plan.release)
        await authority.take()
        try:
            return await contract(self.env, authority, release, who="Ada")
        finally:
            await authority.give_up()


def test_a_release_does_not_contract_and_a_contract_leaves_no_way_back() -> None:
    async def main() -> None:
        world = ContractWorld()
        release = await world.promoted()
        assert world.migrator.at == 6
        await world.sign()

        found = await world.contract(release)

        assert (found.verdict, world.migrator.at) == (Verdict.PASSED, 7)
        assert LIVE.deployment not in world.hosts.specs
        assert world.router.targets[LIVE.slot] == ()
        assert [each.id for each in await world.work.all()] == [NEXT.deployment]
        (kept,) = [each for each in await world.records.all("2.1.0-1") if isinstance(each, Contracted)]
        assert (kept.person, kept.done, kept.version) == ("Ada", True, 7)
        with pytest.raises(
            Conflict, match=r"no way back to 2\.0\.5, which reads schema 5 to 6.*Ada contracted.*7"
        ):
            await rollback_now(world.env, who="Ina Charge", reason="now")
        assert (await world.router.read()).weights == {NEXT.slot: 100, LIVE.slot: 0}

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_it_needs_a_sign_off_of_its_own() -> None:
    async def main() -> None:
        world = ContractWorld()
        release = await world.promoted()
        assert (await readiness(world.env, release)).hindrances == ()
        with pytest.raises(NotAllowed, match="Sign-offs for the contract itself are missing: owner"):
            await world.contract(release)
        assert (world.migrator.at, await load(world.snapshots, CONTRACTED, Contraction)) == (6, None)
        assert LIVE.deployment in world.hosts.specs

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_it_waits_until_the_old_deployment_has_stood_by() -> None:
    async def main() -> None:
        world = ContractWorld()
        await world.begin()
        await world.controller().start(world.brief())
        world.traffic.cancel()
        run = await world.own.get(RunId(world.plan.release))
        assert run is not None
        await world.sign()
        with pytest.raises(Conflict, match=r"2\.0\.5 stands by until"):
            await world.contract(decode(run.input, Release))
        assert world.migrator.at == 6

    run_in_virtual_time(main, limit_seconds=SECONDS)


@pytest.mark.parametrize("owner", [LIVE.deployment, DeploymentId("d-long-ago")])
def test_no_run_is_left_behind_on_a_build_that_cannot_read_the_result(owner: DeploymentId) -> None:
    async def main() -> None:
        world = ContractWorld()
        release = await world.promoted()
        await world.sign()
        await world.work.write([Submit(run_id=RunId("r-1"), program="p", input=RAW, deployment=owner)])
        with pytest.raises(Conflict, match=f"1 runs are pinned to {owner}"):
            await world.contract(release)
        assert (world.migrator.at, LIVE.deployment in world.hosts.specs) == (6, True)

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_deployment_that_lingers_on_an_older_build_is_in_the_way() -> None:
    async def main() -> None:
        world = ContractWorld()
        release = await world.promoted()
        await world.sign()
        standing = next(each for each in await world.work.all() if each.id == LIVE.deployment)
        await world.work.put(replace(standing, id=DeploymentId("d-older")))
        with pytest.raises(Conflict, match=r"d-older, of build 2\.0\.5, is not retired"):
            await world.contract(release)

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_what_is_not_live_any_more_is_not_contracted() -> None:
    async def main() -> None:
        world = ContractWorld()
        release = await world.promoted()
        await world.sign()
        await rollback_now(world.env, who="Ina Charge", reason="now")
        with pytest.raises(Conflict, match=r"the router gives 2\.1\.0 0 %, and the intake 0 %"):
            await world.contract(release)

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_one_that_breaks_off_is_told_to_whoever_wants_back_and_goes_on() -> None:
    async def main() -> None:
        world = ContractWorld()
        release = await world.promoted()
        await world.sign()
        world.migrator.epoch = 10**6
        with pytest.raises(Exception, match="epoch"):
            await world.contract(release)
        with pytest.raises(Conflict, match="no way back"):
            await rollback_now(world.env, who="Ina Charge", reason="now")
        world.migrator.epoch = 0
        assert (await world.contract(release)).verdict is Verdict.PASSED

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_a_release_without_one_has_nothing_to_contract() -> None:
    async def main() -> None:
        world = ReleaseWorld()
        await world.begin()
        await world.controller().start(world.brief())
        run = await world.own.get(RunId(world.plan.release))
        assert run is not None
        with pytest.raises(NotFound, match="nothing to contract"):
            await readiness(world.controller()._env, decode(run.input, Release))

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_at_the_desk_it_is_looked_at_signed_and_done_once(tmp_path: Path) -> None:
    async def main() -> None:
        world = ContractWorld()
        await world.begin()
        desk = _desk(world, tmp_path)
        assert (await world.controller().start(world.brief())).outcome == "promoted"
        world.traffic.cancel()
        known, ready = await desk.contractable(None)
        assert (known.id, ready.ready, [each.role for each in ready.missing]) == ("2.1.0-1", False, ["owner"])
        await world.clock.sleep(DAY)

        clerk, olga = await desk.clerk("2.1.0-1"), Caller(everybody("Olga", world.clock), open=True)
        assert await clerk.sign_contract(contracting(clerk.plan), "owner", olga) == []
        with pytest.raises(Conflict, match="Nothing that is said of it counts"):
            await clerk.sign("owner", olga)
        assert (await desk.contractable("2.1.0-1"))[1].ready

        _, found = await desk.contract("2.1.0-1", "Ada", rehearsed=True)
        assert (found.verdict, world.migrator.at) == (Verdict.PASSED, 7)
        with pytest.raises(Conflict, match="no way back"):
            await desk.take_back("Ina Charge", "now", force=False, seconds=5.0)
        _, again = await desk.contract("2.1.0-1", "Ada", rehearsed=True)
        assert again.verdict is Verdict.PASSED and "reports schema 7;" in again.evidence

    run_in_virtual_time(main, limit_seconds=SECONDS)


def test_at_the_desk_what_was_taken_back_is_not_contracted(tmp_path: Path) -> None:
    async def main() -> None:
        world = ContractWorld(bad=0.15)
        await world.begin()
        desk = _desk(world, tmp_path)
        assert (await world.controller().start(world.brief())).outcome == "rolled_back"
        world.traffic.cancel()
        with pytest.raises(Conflict, match="Only what was promoted, and watched to the end"):
            await desk.contractable("2.1.0-1")

    run_in_virtual_time(main, limit_seconds=SECONDS)


def _desk(world: ContractWorld, folder: Path) -> Desk:
    async def nobody(_: Release) -> None:
        """Nobody is told."""

    return Desk(
        environment=world.env,
        controller=world.controller(),
        store=cast(SQLiteStore, world.own),
        places=Places(folder, folder / "r", folder / "h"),
        name="simulation",
        tells=nobody,
    )
