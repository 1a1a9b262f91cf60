"""The application is tried out over its real interface, served on a socket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.api.world import GREEN, serving, world
from tests.api.world import World as Api
from tests.checklist.orchestrator import Orchestrator, limited
from tests.checklist.world import World
from tests.releases.checks.looks import looked
from tests.releases.plans import a_plan
from watership.adapters.memory.limiter import MemoryLimiter
from watership.api.given import Limits
from watership.releases.book.system import System
from watership.releases.verdict import Verdict
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
    there = World(root=root, plan=plan)
    there.systems["next"] = System(url=url, headers=headers)
    return there


@pytest.fixture
def nobody(tmp_path: Path) -> World:
    """A world in which next does not answer."""
    return World(root=tmp_path, systems={"next": System(url=f"http://{LOOPBACK}:{free_port()}")})


async def test_what_answers_once_answers_again(tmp_path: Path) -> None:
    async with world() as api, serving(api) as (server, _):
        there = serving_next(api, server.url, tmp_path)
        verdict, words = await looked(there, "http.steady", of="next", paths="/livez, /readyz", times=3)
        assert (verdict, words) == (PASSED, "All of 6 questions to next were answered with 200.")
        assert (await looked(there, "http.steady", of="next", paths="/livez, /nowhere", times=3))[0] is FAILED
        assert (await looked(there, "http.steady", of="next", paths="/livez", times=0))[0] is INCONCLUSIVE


async def test_next_is_functional_while_each_of_its_agents_has_a_worker(tmp_path: Path) -> None:
    async with world() as api, serving(api) as (server, _):
        there = serving_next(api, server.url, tmp_path)

        async def says() -> tuple[Verdict, str]:
            return await looked(there, "trial.functional", of="next")

        assert await says() == (
            FAILED,
            "nobody of green-1 works for default (its agents: digger, shy).",
        )
        await api.claim()
        assert await says() == (PASSED, "2 agents, 1 workers of green-1 within 1m.")
        paused = await api.http.post("/api/v1/agents/shy/pause", headers=api.bearer("operator"))
        assert paused.status_code == 200
        assert await says() == (FAILED, "shy is paused.")
        await api.http.post("/api/v1/agents/shy/resume", headers=api.bearer("operator"))
        await api.store.set_readonly(True, by="hazel")
        verdict, words = await says()
        assert verdict is FAILED and words.endswith("is read-only.")
        await api.store.set_readonly(False, by="hazel")
        there.plan = a_plan()
        verdict, words = await says()
        assert (
            verdict is FAILED
            and "serves green-1, not d-2.1.0" in words
            and "nobody of d-2.1.0 works" in words
        )


async def test_a_worker_that_was_heard_of_long_ago_works_no_more(tmp_path: Path) -> None:
    with StandIn() as standin:
        orchestrator = Orchestrator(standin, "")
        there = World(root=tmp_path, systems={"next": System(url=standin.url)})
        assert (await looked(there, "trial.functional", of="next"))[0] is PASSED
        standin.routes["GET /status"] = Answer({**orchestrator.status, "timestamp": "2100-01-01T00:00:00Z"})
        verdict, words = await looked(there, "trial.functional", of="next")
        assert verdict is FAILED and "nobody of d-2.1.0 works for default" in words
        standin.routes["GET /status"] = Answer({"started": True})
        assert (await looked(there, "trial.functional", of="next"))[0] is INCONCLUSIVE


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


@pytest.mark.parametrize(
    ("check", "parameters"),
    [
        ("trial.functional", {}),
        ("trial.readonly", {"agent": "digger"}),
        ("trial.limit", {"path": "/"}),
        ("http.steady", {"paths": "/livez"}),
    ],
)
async def test_what_does_not_answer_is_not_known(
    nobody: World, check: str, parameters: dict[str, str]
) -> None:
    assert (await looked(nobody, check, of="next", **parameters))[0] is INCONCLUSIVE
