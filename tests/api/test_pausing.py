"""Agents are paused and resumed by operators, over HTTP and by the command line."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.api.world import serving, world
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.fleet.flags import pause_flag

DIGGER = "/api/v1/agents/digger"


async def test_a_paused_agent_takes_messages_and_says_that_it_is_paused() -> None:
    async with world() as w:
        operator = w.bearer("operator", person="bigwig")
        paused = await w.http.post(f"{DIGGER}:pause", json={"reason": "it burns"}, headers=operator)
        assert paused.status_code == 200
        assert (paused.json()["paused"]["by"], paused.json()["paused"]["reason"]) == ("bigwig", "it burns")
        body = {"agent": "digger", "input": "dig"}
        sent = await w.http.post("/api/v1/messages", json=body, headers=w.bearer("writer"))
        assert (sent.status_code, sent.json()["paused"], sent.json()["state"]) == (202, True, "ready")
        await w.claim()
        run_id = sent.json()["run_id"]
        shown = (await w.http.get(f"/api/v1/runs/{run_id}", headers=w.bearer("reader"))).json()
        assert shown["state"] == "ready"
        resumed = await w.http.post(f"{DIGGER}/resume", headers=operator)
        assert resumed.json()["paused"] is None
        await w.claim()
        shown = (await w.http.get(f"/api/v1/runs/{run_id}", headers=w.bearer("reader"))).json()
        assert shown["state"] == "running"


async def test_agents_tell_who_paused_them_and_pausing_again_leaves_that() -> None:
    async with world() as w:
        await w.http.post(f"{DIGGER}:pause", json={"reason": "first"}, headers=w.bearer("operator"))
        again = {"reason": "second"}
        other = await w.http.post(f"{DIGGER}:pause", json=again, headers=w.bearer("operator", person="fiver"))
        listed = (await w.http.get("/api/v1/agents", headers=w.bearer("reader"))).json()["data"]
        shown = (await w.http.get(DIGGER, headers=w.bearer("reader"))).json()
        assert [agent["paused"] and agent["paused"]["by"] for agent in listed] == ["hazel", None]
        assert shown["paused"]["reason"] == other.json()["paused"]["reason"] == "first"
        assert len(await w.store.flag_changes(pause_flag("digger"))) == 1


async def test_only_operators_pause_and_only_agents_that_there_are() -> None:
    async with world() as w:
        assert (await w.http.post(f"{DIGGER}:pause", headers=w.bearer("writer"))).status_code == 403
        unknown = await w.http.post("/api/v1/agents/diger:pause", headers=w.bearer("operator"))
        assert unknown.status_code == 404
        assert "digger" in unknown.json()["fix"]
        assert (await w.store.read()).paused == ()


async def test_the_command_line_pauses_shows_and_resumes(capsys: pytest.CaptureFixture[str]) -> None:
    def ask(where: list[str]) -> None:
        assert run(["agent", "pause", "digger", "--reason", "it burns", *where]) == Exit.OK
        assert run(["agent", "list", *where]) == Exit.OK
        assert "by bigwig since" in capsys.readouterr().out
        assert run(["run", "start", "digger", "--input", "dig", *where]) == Exit.OK
        assert "digger is paused" in capsys.readouterr().err
        assert run(["agent", "resume", "digger", *where]) == Exit.OK
        assert run(["agent", "resume", "diger", *where]) == Exit.NOT_FOUND
        capsys.readouterr()
        assert run(["--json", "agent", "show", "digger", *where]) == Exit.OK
        assert json.loads(capsys.readouterr().out)["paused"] is None

    async with world() as w, serving(w) as (server, _):
        token = w.bearer("operator", "writer", person="bigwig")["Authorization"].removeprefix("Bearer ")
        await asyncio.to_thread(ask, ["--server", server.url, "--token", token])
