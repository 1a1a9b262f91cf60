"""The clerk takes down what people and programs say, if it is theirs to say."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from tests.releases.checklists import a_checked_plan
from tests.releases.plans import NOON
from tests.simulation.release_world import ReleaseWorld
from watership.adapters.memory.documents import MemoryDocuments
from watership.errors import BadInput, NotAllowed
from watership.fleet.identity import Identity
from watership.releases.checks import CHECKS
from watership.releases.facts import Position
from watership.releases.order import Release
from watership.releases.readiness import binding
from watership.releases.readiness.binding import RecordsAstray
from watership.releases.readiness.checklist import Point
from watership.releases.readiness.clerk import Clerk
from watership.releases.readiness.go import NotGo
from watership.releases.readiness.records import Attested, Record
from watership.releases.readiness.rounds import round_of
from watership.releases.smoke import Smoke
from watership.releases.verdict import Verdict
from watership.releases.warrant import Caller
from watership.testing import run_in_virtual_time
from watership.wiring.instruments import ProjectInstruments

FILES = {"guide.md": b"# Guide\n\n## How\n\nLike this, then like that.\n", "uat.pdf": b"signed"}
SIGNERS = {
    "release_manager": "Rae",
    "technical_lead": "Theo",
    "product_manager": "Pia",
    "security_lead": "Sol",
    "operations_manager": "Omar",
}


def person(name: str, *roles: str) -> Caller:
    identity = Identity(person=name, tenant="t", roles=frozenset(roles), expires_at=NOON)
    return Caller(identity, open=False)


LEAD, QA, OPS = (
    person("Dana", "deployment_lead"),
    person("Quinn", "qa"),
    person("Oz", "operations", "operator"),
)


def told(
    main: Callable[[Clerk, ReleaseWorld], Awaitable[None]],
    *,
    critical: tuple[str, ...] = (),
    position: Position | None = None,
) -> None:
    """Let a test speak with the clerk of a release that is planned, in a project with a guide."""

    async def go() -> None:
        world = ReleaseWorld()

        async def incidents(release: str) -> tuple[str, ...]:
            return critical

        outside = ProjectInstruments(Path())
        outside.documents = MemoryDocuments(FILES)
        env = replace(world.controller()._env, instruments=outside, incidents=incidents)
        plan = a_checked_plan()
        release = Release(plan=plan, signoffs=(), scripts=(), smoke=Smoke(), zero=world.clock.now())
        await main(Clerk(env, release, CHECKS, position=position), world)

    run_in_virtual_time(go)


async def everything(clerk: Clerk) -> None:
    """All that a GO needs."""
    await clerk.measure(["guide"], OPS)
    await clerk.attest(["uat"], QA, saying="they like it")
    for role, name in SIGNERS.items():
        await clerk.sign(role, person(name, role))
    for each in clerk.plan.roles:
        await clerk.ready(each.id, person(each.title, each.id))


def test_a_measured_point_is_on_record_with_its_evidence() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        assert (await clerk.measure([], OPS))["guide/says"].verdict is Verdict.PASSED
        (guide, _) = await clerk.stand()
        assert guide.good and guide.points[0].by == "Oz"
        assert world.audit.kept[-1].action == "point.measured"

    told(main)


def test_only_the_owner_attests_and_only_what_no_program_sees() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        with pytest.raises(NotAllowed, match="qa"):
            await clerk.attest(["uat"], LEAD, saying="fine")
        with pytest.raises(BadInput, match="measured by document"):
            await clerk.attest(["guide/says"], OPS, saying="I read it")
        with pytest.raises(BadInput, match="no evidence"):
            await clerk.attest(["uat"], QA, saying="fine", evidence="other.pdf")
        record = await clerk.attest(["uat"], QA, saying="fine", evidence="uat.pdf")
        assert record.points == ("uat/signed", "uat/workflows")

    told(main)


def test_evidence_is_a_file_with_its_sha256_or_a_page_of_the_web_and_nothing_else() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        def attested(evidence: str) -> Awaitable[Attested]:
            return clerk.attest(["uat"], QA, saying="fine", evidence=evidence)

        assert (await attested("uat.pdf")).sha256 == hashlib.sha256(FILES["uat.pdf"]).hexdigest()
        for page in ("https://wiki.example/uat", "HTTP://wiki.example/uat"):
            assert (await attested(page)).sha256 == ""
        for odd in ("x://uat.pdf", "file:///etc/passwd", "s3://bucket/uat.pdf", "https://", "http://[uat"):
            with pytest.raises(BadInput, match="neither a file of the project nor a page"):
                await attested(odd)
        blind = Clerk(replace(clerk._env, instruments=None), clerk._release, CHECKS)
        with pytest.raises(BadInput, match="digest is not known"):
            await blind.attest(["uat"], QA, saying="fine", evidence="uat.pdf")
        assert len(await world.records.all(clerk.plan.release)) == 3

    told(main)


def test_the_controllers_own_measurements_are_in_the_audit_with_what_they_are_kept_as() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        scene = replace(clerk.scene(), key="gate/review", timeout=90.0)
        found = await CHECKS["checklist.complete"].measure(scene, {"by": "T-24h"})
        assert found.verdict is Verdict.PASSED
        (record,) = await world.records.all(clerk.plan.release)
        last = world.audit.kept[-1]
        assert (last.actor, last.action) == ("controller", "point.measured")
        assert last.facts == {
            "release": clerk.plan.release,
            "point": "guide/says",
            "verdict": "passed",
            "record": 1,
            "sha256": hashlib.sha256(msgspec.json.encode(record)).hexdigest(),
        }

    told(main)


def test_a_gate_that_asks_for_nothing_is_not_passed() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        scene = replace(clerk.scene(), key="gate/review", timeout=90.0)
        began = world.clock.monotonic()
        found = await CHECKS["checklist.complete"].measure(scene, {"by": "T-48h"})
        assert (found.verdict, found.evidence) == (
            Verdict.INCONCLUSIVE,
            "No item of the checklist is due by T-48h, so that nothing was judged.",
        )
        assert world.clock.monotonic() == began  # waiting makes nothing due
        assert not await world.records.all(clerk.plan.release)

        await everything(clerk)
        plan = structs.replace(clerk.plan, checklist=())
        bare = Clerk(clerk._env, structs.replace(clerk._release, plan=plan), CHECKS)
        by_items = next(each for each in await bare.conditions() if each.id == "checklist")
        assert by_items.verdict is Verdict.INCONCLUSIVE and "no item" in by_items.words

    told(main)


def test_a_go_without_conditions_is_not_to_be_had() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        release = structs.replace(clerk._release, plan=structs.replace(clerk.plan, go_no_go=()))
        bare = Clerk(clerk._env, release, CHECKS)
        with pytest.raises(NotGo, match="states no condition"):
            await bare.decide("go", LEAD, reason="nothing speaks against it")
        found = await CHECKS["gate.decided"].measure(replace(bare.scene(), timeout=10.0), {})
        assert found.verdict is Verdict.INCONCLUSIVE and "states no condition" in found.evidence
        assert "go_no_go" in found.fix

    told(main)


class Astray:
    """Records that somebody has edited."""

    async def add(self, release: str, record: Record) -> None:
        raise AssertionError("nothing is added")

    async def all(self, release: str) -> Sequence[Record]:
        raise RecordsAstray("records.jsonl", binding.Astray(line=3, what="edited", words="it is another"))


def test_by_records_that_do_not_agree_with_the_audit_no_gate_is_judged() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        astray = Clerk(replace(clerk._env, records=Astray()), clerk._release, CHECKS)
        for asked in (astray.stand(), astray.conditions(), astray.decide("go", LEAD, reason="all green")):
            with pytest.raises(RecordsAstray, match="line 3 was edited"):
                await asked
        points = [
            (
                "gate/review",
                Point(id="it", text="it", check="checklist.complete", parameters={"by": "T-24h"}),
            ),
            ("gate/go", Point(id="it", text="it", check="gate.decided", timeout=10.0)),
            ("gate/team", Point(id="it", text="it", check="team.confirmed")),
        ]
        for got in (await round_of(astray.scene(), points)).values():
            assert got.verdict is Verdict.INCONCLUSIVE and "line 3 was edited" in got.evidence

    told(main)


def test_a_waiver_has_a_reason_an_end_and_the_right_role() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        with pytest.raises(NotAllowed, match="waive"):
            await clerk.waive(["guide"], QA, reason="later", seconds=3600.0)
        with pytest.raises(BadInput, match="reason"):
            await clerk.waive(["guide"], LEAD, reason=" ", seconds=3600.0)
        with pytest.raises(BadInput, match="at most"):
            await clerk.waive(["guide"], LEAD, reason="later", seconds=1e9)
        await clerk.waive(["guide"], LEAD, reason="later", seconds=3600.0)
        assert (await clerk.stand())[0].state == "waived"

    told(main)


def test_go_is_not_to_be_had_against_a_condition_and_the_words_name_it() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        with pytest.raises(NotGo, match="User acceptance") as error:
            await clerk.decide("go", LEAD, reason="it will do")
        assert error.value.verdict is Verdict.INCONCLUSIVE
        await everything(clerk)
        await clerk.attest(["uat/signed"], QA, saying="they do not like it", holds=False)
        with pytest.raises(NotGo, match=r"1 failed \(2 User acceptance: signed") as error:
            await clerk.decide("go", LEAD, reason="it will do")
        assert error.value.verdict is Verdict.FAILED
        assert await clerk.decision() is None

    told(main)


def test_with_every_condition_known_and_good_the_lead_decides_go() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        await everything(clerk)
        with pytest.raises(NotAllowed, match="deployment_lead"):
            await clerk.decide("go", QA, reason="all green")
        await clerk.decide("go", LEAD, reason="all green")
        found = await clerk.decision()
        assert found is not None and (found.decision, found.person) == ("go", "Dana")

    told(main)


def test_an_open_critical_incident_is_no_go() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        await everything(clerk)
        with pytest.raises(NotGo, match="INC-7"):
            await clerk.decide("go", LEAD, reason="it will do")

    told(main, critical=("INC-7",))


def test_a_no_go_says_what_its_record_asks() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        with pytest.raises(BadInput, match="mitigation, rescheduled, informed"):
            await clerk.decide("no_go", LEAD, reason="no", issue="stale backup")
        made = await clerk.decide(
            "no_go",
            LEAD,
            reason="no",
            issue="stale backup",
            mitigation="new one",
            rescheduled="Friday",
            informed="all",
        )
        assert made.decision == "no_go"

    told(main)


def test_whoever_declines_takes_the_sign_off_of_that_role_back() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        rae = person("Rae", "release_manager")
        await clerk.sign("release_manager", rae)
        assert "release_manager" not in {each.role for each in await clerk.lacking()}
        await clerk.decline("release_manager", rae, reason="the notes are wrong")
        assert "release_manager" in {each.role for each in await clerk.lacking()}
        await clerk.sign("release_manager", rae)
        assert "release_manager" not in {each.role for each in await clerk.lacking()}

    told(main)


@pytest.mark.parametrize(
    ("position", "words"),
    [(None, "There was no cutover."), (Position(cutover_began=NOON), "requests failed")],
)
def test_what_is_looked_at_by_hand_goes_back_to_the_cutover_of_a_release_that_had_one(
    position: Position | None, words: str
) -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        found = await clerk.look({"errors": ("traffic.errors", {"of": "next", "below": 0.001})})
        assert words in found["errors"].evidence

    told(main, position=position)


def test_only_the_team_puts_a_test_call_on_record() -> None:
    async def main(clerk: Clerk, world: ReleaseWorld) -> None:
        with pytest.raises(NotAllowed, match="put a call on record"):
            await clerk.called("dba", person("Stranger", "reader"), reached=True)
        assert world.audit.kept[-1].action == "authority.refused"
        with pytest.raises(BadInput, match="no contact"):
            await clerk.called("dba", QA, reached=True)

    told(main)
