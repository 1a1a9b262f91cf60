"""The application is tried out over its real interface, served on a socket."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.api.world import GREEN, serving, world
from tests.api.world import World as Api
from tests.checklist.orchestrator import limited
from tests.checklist.world import World
from tests.releases.checks.looks import looked
from tests.releases.plans import a_plan
from watership.adapters.memory.limiter import MemoryLimiter
from watership.api.given import Limits
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.durable.writes import Finish
from watership.releases.book.system import System
from watership.releases.judging.gate import Verdict
from watership.releases.smoke import Message, Smoke
from watership.testing.servers.ports import LOOPBACK, free_port
from watership.testing.standin import Answer, StandIn

PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE


def serving_next(api: Api, url: str, root: Path) -> World:
    """A world whose next is that service, with all rights."""
    headers = {
        name.lower(): value for name, value in api.bearer("admin", "operator", "writer", "reader").items()
    }
    plan = a_plan()
    plan = msgspec.structs.replace(plan, next=msgspec.structs.replace(plan.next, deployment=GREEN))
    smoke = Smoke(messages=(Message(name="a burrow", program="digger", input="dig", seconds=5.0),))
    there = World(root=root, plan=plan, smoke=smoke)
    there.systems["next"] = System(url=url, headers=headers)
    return there


@pytest.fixture
def nobody(tmp_path: Path) -> World:
    """A world in which next does not answer."""
    return World(root=tmp_path, systems={"next": System(url=f"http://{LOOPBACK}:{free_port()}")})


async def test_flags_endpoints_and_flows_are_tried_on_a_real_service(tmp_path: Path) -> None:
    async with world() as api, serving(api) as (server, _):
        there = serving_next(api, server.url, tmp_path)
        assert await looked(there, "trial.flag", of="next", flag="release-probe") == (
            PASSED,
            "release-probe was switched on and off, and every address said so.",
        )
        verdict, words = await looked(there, "trial.endpoints", of="next", top=10)
        assert verdict is PASSED and "/api/v1/runs" in words
        assert (await looked(there, "trial.endpoints", of="next", top=400))[0] is FAILED
        assert (await looked(there, "trial.endpoints", of="next", paths="/nowhere", top=1))[0] is FAILED
        verdict, words = await looked(there, "http.steady", of="next", paths="/livez, /readyz", times=3)
        assert (verdict, words) == (PASSED, "All of 6 questions to next were answered with 200.")
        assert (await looked(there, "http.steady", of="next", paths="/livez, /nowhere", times=3))[0] is FAILED


async def test_a_flow_is_followed_to_its_end_and_judged_by_its_result(tmp_path: Path) -> None:
    async with world() as api, serving(api) as (server, _):
        there = serving_next(api, server.url, tmp_path)

        async def due() -> list[str]:
            answer = await api.http.get("/api/v1/runs", headers=api.bearer("reader"))
            return [run["id"] for run in answer.json()["data"] if run["state"] == "ready"]

        async def worker(state: RunState) -> None:
            while not (runs := await due()):
                await asyncio.sleep(0.01)
            await api.claim()
            await api.append(RunId(runs[0]), then=Finish(state=state))

        for state, verdict in ((RunState.SUCCEEDED, PASSED), (RunState.FAILED, FAILED)):
            found, _ = await asyncio.gather(looked(there, "trial.flows", of="next"), worker(state))
            assert found[0] is verdict, found
        there.smoke = Smoke(messages=(Message(name="a burrow", program="digger", input=7),))
        assert (await looked(there, "trial.flows", of="next"))[0] is FAILED
        there.smoke = Smoke()
        assert (await looked(there, "trial.flows", of="next"))[0] is INCONCLUSIVE


async def test_a_flow_that_another_deployment_goes_through_says_nothing_of_next(tmp_path: Path) -> None:
    async with world() as api, serving(api) as (server, _):
        there = serving_next(api, server.url, tmp_path)
        there.plan = a_plan()
        verdict, words = await looked(there, "trial.flows", of="next")
        assert verdict is INCONCLUSIVE and "was given to green-1, not to d-2.1.0" in words


async def test_the_switch_read_only_is_tried_and_put_back(tmp_path: Path) -> None:
    async with world() as api, serving(api) as (server, _):
        there = serving_next(api, server.url, tmp_path)
        verdict, words = await looked(there, "trial.readonly", of="next", agent="digger")
        assert verdict is PASSED, words
        assert not (await api.store.read()).readonly
        await api.store.set_readonly(True, by="hazel")
        assert (await looked(there, "trial.readonly", of="next", agent="digger"))[0] is INCONCLUSIVE


async def test_whoever_asks_too_often_is_refused_and_told_when_to_come_again(tmp_path: Path) -> None:
    async with world(limits=Limits(requests_per_minute=5)) as api:
        api.service = replace(api.service, limiter=MemoryLimiter(api.service.clock))
        async with serving(api) as (server, _):
            there = serving_next(api, server.url, tmp_path)
            verdict, words = await looked(there, "trial.limit", of="next", path="/api/v1/agents", at_most=20)
            assert verdict is PASSED and "number 6" in words
    async with world() as api, serving(api) as (server, _):
        there = serving_next(api, server.url, tmp_path)
        assert (await looked(there, "trial.limit", of="next", path="/api/v1/agents", at_most=20))[0] is FAILED
        assert (await looked(there, "trial.limit", of="next", path="/nowhere", at_most=20))[0] is INCONCLUSIVE


async def test_a_refusal_that_does_not_say_when_to_come_again_is_not_good_enough(tmp_path: Path) -> None:
    with StandIn({"GET /": Answer(status=429)}) as standin:
        there = World(root=tmp_path, systems={"next": System(url=standin.url)})
        assert (await looked(there, "trial.limit", of="next", path="/"))[0] is FAILED
        standin.routes["GET /"] = limited(3)
        assert (await looked(there, "trial.limit", of="next", path="/"))[0] is PASSED


async def test_a_fallback_proves_nothing_while_the_first_choice_answers(tmp_path: Path) -> None:
    with StandIn({"GET /a": Answer("b"), "GET /": Answer("c")}) as standin:
        there = World(
            root=tmp_path,
            systems={"next": System(url=standin.url), "off": System(url=f"http://{LOOPBACK}:{free_port()}")},
        )
        assert (await looked(there, "trial.fallback", of="next", path="/a", off="off"))[0] is PASSED
        assert (await looked(there, "trial.fallback", of="next", path="/b", off="off"))[0] is FAILED
        there.systems["off"] = System(url=standin.url)
        assert (await looked(there, "trial.fallback", of="next", path="/a", off="off"))[0] is FAILED
        there.systems["off"] = there.systems["next"] = System(url=f"http://{LOOPBACK}:{free_port()}")
        assert (await looked(there, "trial.fallback", of="next", path="/a", off="off"))[0] is INCONCLUSIVE


@pytest.mark.parametrize(
    ("check", "parameters"),
    [
        ("trial.flag", {"flag": "release-probe"}),
        ("trial.endpoints", {}),
        ("trial.flows", {}),
        ("trial.readonly", {"agent": "digger"}),
        ("trial.limit", {"path": "/"}),
        ("http.steady", {"paths": "/livez"}),
    ],
)
async def test_what_does_not_answer_is_not_known(
    nobody: World, check: str, parameters: dict[str, str]
) -> None:
    nobody.smoke = Smoke(messages=(Message(name="a burrow", program="digger"),))
    assert (await looked(nobody, check, of="next", **parameters))[0] is INCONCLUSIVE
