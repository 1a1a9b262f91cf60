"""Agents are sent messages over a real service, and what they do is judged by how their runs end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace as put_in
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.api.world import GREEN, serving, world
from tests.api.world import World as Api
from tests.checklist.world import World
from tests.releases.checks.looks import looked
from tests.releases.plans import a_plan
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.durable.writes import Finish
from watership.releases.book.system import System
from watership.releases.smoke import Message, Smoke
from watership.releases.verdict import Verdict
from watership.testing.servers.ports import LOOPBACK, free_port
from watership.testing.standin import StandIn

PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE

BURROW = Message(name="a burrow", program="digger", input="dig", seconds=5.0)

Ends = Callable[[], Awaitable[Finish]]


@asynccontextmanager
async def worked(root: Path, ends: Ends) -> AsyncIterator[tuple[World, Api]]:
    """A world whose next is a real service, with a worker that ends every run as is said."""
    async with world() as api, serving(api) as (server, _):
        headers = {
            name.lower(): value for name, value in api.bearer("admin", "operator", "writer", "reader").items()
        }
        plan = a_plan()
        there = World(root=root, plan=replace(plan, next=replace(plan.next, deployment=GREEN)))
        there.systems["next"] = System(url=server.url, headers=headers)
        work = asyncio.create_task(_worker(api, ends))
        try:
            yield there, api
        finally:
            work.cancel()
            await asyncio.wait([work])


async def _worker(api: Api, ends: Ends) -> None:
    while True:
        answer = await api.http.get("/api/v1/runs", headers=api.bearer("reader"))
        due = [run["id"] for run in answer.json()["data"] if run["state"] == "ready"]
        if due:
            await api.claim()
        for run in due:
            await api.append(RunId(run), then=await ends())
        await asyncio.sleep(0.01)


def ended(result: object, state: RunState = RunState.SUCCEEDED) -> Finish:
    return Finish(state=state, result=msgspec.Raw(msgspec.json.encode(result)))


async def test_a_flow_is_followed_to_its_end_and_judged_by_its_result(tmp_path: Path) -> None:
    told = [ended("deep")]

    async def ends() -> Finish:
        return told[0]

    async with worked(tmp_path, ends) as (there, _):
        there.smoke = Smoke(messages=(BURROW,))
        assert await looked(there, "trial.flows", of="next") == (
            PASSED,
            "a burrow: each came to its end on green-1.",
        )
        there.smoke = Smoke(messages=(replace(BURROW, includes="shallow"),))
        assert (await looked(there, "trial.flows", of="next"))[0] is FAILED
        told[0] = ended(None, RunState.FAILED)
        verdict, words = await looked(there, "trial.flows", of="next")
        assert verdict is FAILED and words.endswith("ended failed")
        there.smoke = Smoke(messages=(replace(BURROW, input=7),))
        assert (await looked(there, "trial.flows", of="next"))[0] is FAILED
        there.smoke = Smoke()
        assert (await looked(there, "trial.flows", of="next"))[0] is INCONCLUSIVE
        there.smoke, there.plan = Smoke(messages=(BURROW,)), a_plan()
        verdict, words = await looked(there, "trial.flows", of="next")
        assert verdict is INCONCLUSIVE and "was given to green-1, not to d-2.1.0" in words


FLAG: dict[str, Any] = {"of": "next", "flag": "release-probe", "agent": "digger", "within": 0.4}


async def test_a_flag_works_when_what_asks_it_does_as_it_says(tmp_path: Path) -> None:
    asked: list[bool] = []
    obeys = [True]

    async def ends() -> Finish:
        flags = {flag.name: flag.on for flag in await api.store.flags()}
        asked.append(flags.get("release-probe", False))
        return ended({"on": asked[-1] and obeys[0]})

    async with worked(tmp_path, ends) as (there, api):
        verdict, words = await looked(there, "trial.flag", **{**FLAG, "within": 5.0})
        assert verdict is PASSED and words.startswith('digger did {"on": true} within 5s'), words
        assert asked == [True, False], "it was asked with the flag on, and with it off"
        obeys[0] = False
        verdict, words = await looked(there, "trial.flag", **FLAG)
        assert verdict is FAILED and "With release-probe on: " in words, "an echo of the flag is not enough"
        assert not {flag.name: flag.on for flag in await api.store.flags()}["release-probe"], "it is left off"
        verdict, words = await looked(there, "trial.flag", **FLAG, on="{}", off="{}")
        assert verdict is INCONCLUSIVE and "would show nothing" in words
        there.systems["next"] = put_in_roles(there, api, "reader", "writer")
        verdict, words = await looked(there, "trial.flag", **FLAG)
        assert verdict is FAILED and "it cannot be set, for 403" in words


def put_in_roles(there: World, api: Api, *roles: str) -> System:
    headers = {name.lower(): value for name, value in api.bearer(*roles).items()}
    return replace(there.systems["next"], headers=headers)


FALLBACK = {"of": "next", "off": "off", "agent": "digger", "shows": '{"by": "fallback"}', "within": 5.0}


async def test_a_fallback_has_stood_in_when_the_first_choice_is_away(tmp_path: Path) -> None:
    told = [ended({"by": "fallback", "text": "hello"})]

    async def ends() -> Finish:
        return told[0]

    async with worked(tmp_path, ends) as (there, api):
        api.service = put_in(api.service, facts=put_in(api.service.facts, build="sha256:2.1.0"))
        there.systems["off"] = System(url=f"http://{LOOPBACK}:{free_port()}")
        verdict, words = await looked(there, "trial.fallback", **FALLBACK)
        assert verdict is FAILED and "next is 2.1.0 sha256:5eed, not next" in words
        there.plan = replace(
            there.plan,
            next=replace(there.plan.next, build=replace(there.plan.next.build, digest="sha256:5eed")),
        )
        assert await looked(there, "trial.fallback", **FALLBACK) == (
            PASSED,
            'off is switched off; digger answered all the same, with {"by": "fallback"}.',
        )
        told[0] = ended({"by": "first choice", "text": "hello"})
        verdict, words = await looked(there, "trial.fallback", **FALLBACK)
        assert verdict is FAILED and "first choice" in words
        told[0] = ended(None, RunState.FAILED)
        verdict, words = await looked(there, "trial.fallback", **FALLBACK)
        assert verdict is FAILED and "ended failed" in words
        with StandIn() as standin:
            there.systems["off"] = System(url=standin.url)
            verdict, words = await looked(there, "trial.fallback", **FALLBACK)
            assert verdict is FAILED and "is not switched off" in words


@pytest.mark.parametrize(
    ("check", "parameters"),
    [("trial.flag", FLAG), ("trial.flows", {"of": "next"}), ("trial.fallback", FALLBACK)],
)
async def test_what_does_not_answer_is_not_known(
    tmp_path: Path, check: str, parameters: dict[str, Any]
) -> None:
    away = System(url=f"http://{LOOPBACK}:{free_port()}")
    there = World(root=tmp_path, systems={"next": away, "off": away}, smoke=Smoke(messages=(BURROW,)))
    assert (await looked(there, check, **parameters))[0] is INCONCLUSIVE
