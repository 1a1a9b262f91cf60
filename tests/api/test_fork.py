"""Runs are forked over HTTP and by the command line, by people of their own tenant."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from tests.api.world import GREEN, World, serving, world
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.durable.events import Failure, Forked, StepDone
from watership.durable.ids import Key, RunId
from watership.durable.run import Origin
from watership.durable.states import RunState
from watership.durable.writes import Finish, Submit

FAILED = Finish(state=RunState.FAILED, failure=Failure(kind="Broken", message="It broke."))


def step(key: str) -> StepDone:
    return StepDone(key=Key(key), name="dig", identity="i", value=msgspec.Raw(b"1"), used={"turns": 1})


async def lived(w: World) -> RunId:
    """A run that ended after three steps."""
    run_id = await w.send("dig", budget={"turns": 5})
    await w.claim()
    await w.append(run_id, step("dig/0"), step("dig/1"), step("dig/2"), then=FAILED)
    return run_id


async def test_a_fork_says_where_it_comes_from_and_what_it_saved() -> None:
    async with world() as w:
        old = await lived(w)
        sent = await w.http.post(
            f"/api/v1/runs/{old}:fork", json={"at": "dig/2", "input": "deeper"}, headers=w.bearer("writer")
        )
        assert sent.status_code == 202, sent.text
        path = sent.headers["location"]
        shown = (await w.http.get(path, headers=w.bearer("reader"))).json()
        assert (shown["forked_from"], shown["input"]) == ({"run": old, "at": 2, "model": None}, "deeper")
        await w.claim()
        fork = await w.store.get(sent.json()["run_id"])
        assert fork is not None
        assert [(cap.counter, cap.most) for cap in fork.caps] == [(f"run:{fork.id}", 5)]
        first, *rest = [entry.event for entry in await w.store.journal(fork.id)]
        assert first == Forked(key=Key(""), run=old, at=2)
        assert [event.key for event in rest] == ["dig/0", "dig/1"]
        account = (await w.http.get(f"{path}/account", headers=w.bearer("reader"))).json()
        assert (account["used"], account["saved"]) == ({}, {"turns": 2})


async def test_a_fork_of_a_fork_comes_from_the_fork_and_keeps_what_it_had_otherwise() -> None:
    async with world() as w:
        origin = Origin(run=RunId("older"), at=1, entries=2, variant={"model": "openai:other"})
        events = (Forked(key=Key(""), run=RunId("older"), at=1), step("dig/0"))
        fork = Submit(
            run_id=RunId("fork"),
            program="digger",
            input=msgspec.Raw(b'"dig"'),
            deployment=GREEN,
            origin=origin,
            events=events,
        )
        await w.committer.submit(fork)
        sent = await w.http.post("/api/v1/runs/fork:fork", json={"at": 2}, headers=w.bearer("writer"))
        path = f"/api/v1/runs/{sent.json()['run_id']}"
        shown = (await w.http.get(path, headers=w.bearer("reader"))).json()
        assert shown["forked_from"] == {"run": "fork", "at": 2, "model": "openai:other"}
        first, second = [entry.event for entry in await w.store.journal(sent.json()["run_id"])]
        assert (first, second) == (Forked(key=Key(""), run=RunId("fork"), at=2), step("dig/0"))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"at": 4}, 400),
        ({"at": "dig/9"}, 400),
        ({}, 400),
        ({"at": 1, "model": "openai:x"}, 400),
        ({"at": 1, "input": 5}, 400),
        ({"at": 1, "agent": "nobody"}, 404),
    ],
)
async def test_what_cannot_be_forked_is_refused(body: dict[str, Any], status: int) -> None:
    async with world() as w:
        old = await lived(w)
        path = f"/api/v1/runs/{old}:fork"
        assert (await w.http.post(path, json=body, headers=w.bearer("writer"))).status_code == status
        theirs = await w.http.post(path, json={"at": 1}, headers=w.bearer("writer", tenant="down"))
        assert theirs.status_code == 404
        assert (await w.http.post(path, json={"at": 1}, headers=w.bearer("reader"))).status_code == 403


async def test_a_run_that_nobody_began_cannot_be_forked() -> None:
    async with world() as w:
        path = f"/api/v1/runs/{await w.send()}:fork"
        answer = await w.http.post(path, json={"at": 0}, headers=w.bearer("writer"))
        assert (answer.status_code, "done nothing" in answer.json()["detail"]) == (400, True)


async def test_the_command_line_forks_and_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    async with world() as w:
        old = await lived(w)

        def ask(where: list[str]) -> None:
            assert run(["--json", "run", "fork", old, "--at", "2", "--input", "deeper", *where]) == Exit.OK
            made = json.loads(capsys.readouterr().out)["run_id"]
            assert run(["run", "show", made, *where]) == Exit.OK
            assert old in capsys.readouterr().out
            assert run(["run", "fork", old, "--at", "99", *where]) == Exit.USAGE

        async with serving(w) as (server, _):
            token = w.bearer("writer")["Authorization"].removeprefix("Bearer ")
            await asyncio.to_thread(ask, ["--server", server.url, "--token", token])
