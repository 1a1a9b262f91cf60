"""Flags over HTTP and by the command line: read by all, set by operators, recorded under their names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.api.world import World, serving, world
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.fleet.flags import FLAGS_TOPIC, READ_ONLY

F = "/api/v1/flags/f"


async def test_a_change_without_a_version_goes_before_others_and_leaves_what_they_set() -> None:
    async with world() as w:
        await w.http.put(F, json={"on": True, "percent": 5}, headers=w.bearer("operator"))
        ways = [{"percent": percent} for percent in (10, 20, 30)]
        several = [w.http.put(F, json=way, headers=w.bearer("operator")) for way in ways]
        emergency = w.http.put(F, json={"disabled": True}, headers=w.bearer("operator"))
        answers = await asyncio.gather(*several, emergency)
        assert {answer.status_code for answer in answers} == {200}
        (flag,) = [one for one in await w.store.flags() if one.name == F.rpartition("/")[2]]
        assert flag.disabled
        assert flag.percent in {10, 20, 30}


async def test_what_is_set_is_read_back_and_rings_the_bell() -> None:
    async with world() as w:
        ear = asyncio.create_task(w.bell.wait(frozenset({FLAGS_TOPIC}), 10))
        await asyncio.sleep(0)
        body = {"on": True, "percent": 10, "tenants": {"acme": False}, "reason": "a try"}
        made = await w.http.put(F, json=body, headers=w.bearer("operator", person="fiver"))
        assert made.status_code == 201
        assert await ear == {FLAGS_TOPIC}
        again = await w.http.put(F, json={"percent": 20}, headers=w.bearer("operator"))
        assert (again.status_code, again.json()["on"], again.json()["by"]) == (200, True, "hazel")
        listed = (await w.http.get("/api/v1/flags", headers=w.bearer("operator"))).json()
        assert listed["total_count"] == 2
        assert again.json() in listed["data"]
        changes = (await w.http.get(f"{F}/changes", headers=w.bearer("operator"))).json()["data"]
        assert [(each["by"], each["reason"]) for each in changes] == [("hazel", ""), ("fiver", "a try")]
        assert changes[0]["before"] == made.json()
        page = (await w.http.get(f"{F}/changes?limit=1", headers=w.bearer("operator"))).json()
        assert (len(page["data"]), page["total_count"]) == (1, 2)


async def test_a_reader_sees_no_tenant_but_their_own() -> None:
    async with world() as w:
        body = {"tenants": {"acme": True, "down": False}}
        await w.http.put(F, json=body, headers=w.bearer("operator"))
        listed = (await w.http.get("/api/v1/flags", headers=w.bearer("reader", tenant="down"))).json()
        assert [flag["tenants"] for flag in listed["data"]] == [{}, {"down": False}]


async def test_only_operators_set_flags_and_only_administrators_stop_all_new_work() -> None:
    async with world() as w:
        assert (await w.http.put(F, json={"on": True}, headers=w.bearer("writer"))).status_code == 403
        path = f"/api/v1/flags/{READ_ONLY}"
        assert (await w.http.put(path, json={"on": True}, headers=w.bearer("operator"))).status_code == 403
        assert not (await w.store.read()).readonly
        assert (await w.http.put(path, json={"on": True}, headers=w.bearer("admin"))).status_code == 200
        assert (await w.http.get("/status")).json()["readonly"]
        refused = await w.http.post(
            "/api/v1/messages", json={"agent": "digger", "input": "x"}, headers=w.bearer("writer")
        )
        assert (refused.status_code, refused.json()["code"]) == (503, "read_only")


async def test_the_switch_of_an_emergency_is_recorded_under_its_flag() -> None:
    async with world() as w:
        await w.http.post("/admin/readonly", headers=w.bearer("admin", person="bigwig"))
        path = f"/api/v1/flags/{READ_ONLY}/changes"
        listed = (await w.http.get(path, headers=w.bearer("operator"))).json()
        (change,) = listed["data"]
        assert listed["total_count"] == 1
        assert (change["by"], change["after"]["on"]) == ("bigwig", True)


async def test_two_who_set_a_flag_at_once_do_not_overwrite_each_other_unseen() -> None:
    async with world() as w:
        await w.http.put(F, json={"on": True}, headers=w.bearer("operator"))
        await w.http.put(F, json={"percent": 5, "version": 1}, headers=w.bearer("operator"))
        late = await w.http.put(F, json={"percent": 50, "version": 1}, headers=w.bearer("operator"))
        assert (late.status_code, late.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("body", [{"percent": 101}, {"on": "maybe"}, {"colour": "blue"}])
async def test_a_body_that_is_no_flag_is_refused(body: dict[str, object]) -> None:
    async with world() as w:
        assert (await w.http.put(F, json=body, headers=w.bearer("operator"))).status_code == 400
        assert (await w.http.get(f"{F}/changes", headers=w.bearer("operator"))).status_code == 404


# --- the command line -----------------------------------------------------------------------------


async def _commands(w: World, ask: Callable[[list[str]], None]) -> None:
    async with serving(w) as (server, _):
        token = w.bearer("admin")["Authorization"].removeprefix("Bearer ")
        await asyncio.to_thread(ask, ["--server", server.url, "--token", token])


async def test_the_command_line_sets_shows_disables_and_tells_the_history(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ask(where: list[str]) -> None:
        assert run(["flag", "set", "f", "--percent", "25", "--tenant", "acme=on", *where]) == Exit.OK
        assert "f is on for 25 %, acme on" in capsys.readouterr().out
        assert run(["flag", "disable", "f", "--reason", "it burns", *where]) == Exit.OK
        assert run(["flag", "list", *where]) == Exit.OK
        assert "disabled" in capsys.readouterr().out
        assert run(["flag", "set", "f", "--enable", "--tenant", "acme=none", *where]) == Exit.OK
        assert "f is on for 25 %\n" in capsys.readouterr().out
        assert run(["--json", "flag", "history", "f", *where]) == Exit.OK
        told = json.loads(capsys.readouterr().out)["data"]
        assert [each["reason"] for each in told] == ["", "it burns", ""]
        assert run(["flag", "set", READ_ONLY, "--on", *where]) == Exit.OK

    async with world() as w:
        await _commands(w, ask)
        assert (await w.store.read()).readonly


async def test_the_command_line_refuses_with_the_codes_of_its_list() -> None:
    def ask(where: list[str]) -> None:
        assert run(["flag", "disable", "mistyped", *where]) == Exit.NOT_FOUND
        assert run(["flag", "history", "mistyped", *where]) == Exit.NOT_FOUND
        assert run(["flag", "set", "f", *where]) == Exit.USAGE
        assert run(["flag", "set", "f", "--tenant", "acme", *where]) == Exit.USAGE
        assert run(["flag", "set", "f", "--percent", "101", *where]) == Exit.USAGE
        assert run(["flag", "set", "no spaces", "--on", *where]) == Exit.USAGE

    async with world() as w:
        await _commands(w, ask)
        assert len(await w.store.flags()) == 1
