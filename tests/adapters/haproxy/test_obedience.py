"""HAProxy obeys whatever happens to it: a reload, a death, somebody else's orders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.adapters.haproxy.conftest import BLUE, GREEN, Stand
from tests.contracts.http_peers import ask, loaded, until
from watership.releases.ports import SlotWeights

QUARTER: SlotWeights = {BLUE: 75, GREEN: 25}
ALL_GREEN: SlotWeights = {BLUE: 0, GREEN: 100}


async def test_a_reload_in_mid_release_loses_no_request_and_keeps_the_weights(stand: Stand) -> None:
    async with stand.front():
        await stand.targeted()
        await stand.router.set_weights(ALL_GREEN, epoch=2)
        before = (await stand.router.read()).started_at
        stand.blue.asked.clear()
        async with loaded(stand.program.listen) as load:
            await load.more(20)
            stand.program.reload()
            await until(lambda: _began_after(stand, before))
            await load.more(50)
        assert load.lost == 0
        assert stand.blue.asked == []
        assert (await stand.router.read()).weights == ALL_GREEN


async def _began_after(stand: Stand, before: object) -> bool:
    return (await stand.router.read()).started_at != before


async def test_a_haproxy_that_was_killed_comes_back_as_it_was(stand: Stand) -> None:
    async with stand.front():
        await stand.targeted()
        await stand.router.set_weights(ALL_GREEN, epoch=2)
        stand.blue.asked.clear()
        stand.program.kill()
        await until(lambda: _answers(stand))
        for _ in range(20):
            assert (await ask(stand.program.listen)).body == b"green"
        assert (await stand.router.read()).weights == ALL_GREEN
        assert stand.notes.count("router revived") == 1


async def _answers(stand: Stand) -> bool:
    try:
        return (await ask(stand.program.listen)).status == 200
    except (OSError, asyncio.IncompleteReadError):
        return False


async def test_weights_that_somebody_else_sets_are_set_back(stand: Stand) -> None:
    async with stand.front():
        await stand.targeted()
        await stand.router.set_weights(ALL_GREEN, epoch=2)
        stand.tell("set server watership/blue1 weight 256")
        await until(lambda: _is(stand.weight("blue1"), 0))
        await until(lambda: _noted(stand, "router put right"))


async def _noted(stand: Stand, event: str) -> bool:
    return event in stand.notes.events


async def _is(shown: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await shown() == wanted


async def test_an_agent_that_is_replaced_takes_no_request_down(stand: Stand) -> None:
    async with stand.front(leave_running=True):
        await stand.targeted()
        await stand.router.set_weights(QUARTER, epoch=7)
        pid = stand.program.pid
    async with loaded(stand.program.listen) as load:
        await load.more(20)
        async with stand.front():
            state = await stand.router.read()
            assert (state.weights, state.epoch, stand.program.pid) == (QUARTER, 7, pid)
            await load.more(20)
            stopping = load.lost
    assert stopping == 0


async def test_an_agent_of_a_later_version_has_a_haproxy_that_runs_take_its_configuration(
    stand: Stand,
) -> None:
    async with stand.front(leave_running=True):
        await stand.targeted()
        await stand.router.set_weights(QUARTER, epoch=7)
    # What an earlier version wrote: its script knows of no pause.
    earlier = 'core.register_action("watership_hold", { "http-req" }, function() end)'
    (stand.program.folder / "hold.lua").write_text(earlier)
    stand.program.reload()
    await until(lambda: _unknown_there(stand))
    async with loaded(stand.program.listen) as load:
        await load.more(20)
        async with stand.front(leave_running=True):
            assert (await stand.router.read()).weights == QUARTER
            await stand.router.pause(seconds=30, epoch=7, writes_only=True)
            await stand.router.resume(epoch=7)
            await load.more(20)
    assert load.lost == 0


async def _unknown_there(stand: Stand) -> bool:
    try:
        return "Unknown command" in await asyncio.to_thread(stand.tell, "watership held")
    except OSError:
        return False


async def test_what_haproxy_shows_is_told_and_not_what_it_was_told(stand: Stand) -> None:
    async with stand.front() as front:
        await stand.targeted()
        await stand.router.set_weights(ALL_GREEN, epoch=2)
        async with front.agent._acting:  # nobody puts it right meanwhile
            stand.tell("set server watership/blue1 weight 256")
            assert (await stand.router.read()).weights == {BLUE: 50, GREEN: 50}


async def test_a_pause_ends_by_itself_though_its_agent_is_gone(stand: Stand) -> None:
    async with stand.front(leave_running=True):
        await stand.targeted()
        await stand.router.pause(seconds=1.0, epoch=1, writes_only=True)
    assert (await ask(stand.program.listen)).status == 200
    assert (await ask(stand.program.listen, "POST", "/", b"x")).status == 200
    assert stand.tell("watership held").split()[1:6] == ["1", "0.000", "0", "1", "0"]


async def test_a_pause_outlives_a_reload_and_what_it_came_to_is_then_not_known(stand: Stand) -> None:
    async with stand.front():
        await stand.targeted()
        await stand.router.pause(seconds=30, epoch=1, writes_only=True)
        before = (await stand.router.read()).started_at
        stand.program.reload()
        await until(lambda: _began_after(stand, before))
        await until(lambda: _holds_writes(stand))
        writing = asyncio.create_task(ask(stand.program.listen, "POST", "/", b"x"))
        assert (await ask(stand.program.listen)).status == 200
        assert (await stand.router.read()).waited is None
        assert not writing.done()
        await stand.router.resume(epoch=1)
        assert (await writing).status == 200


async def _holds_writes(stand: Stand) -> bool:
    rows = stand.tell("show stat -1 4 -1").splitlines()
    return any(row.startswith("watership_hold,writes,") and ",MAINT," not in row for row in rows)
