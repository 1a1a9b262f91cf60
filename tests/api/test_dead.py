"""Runs that gave up are listed with their first error, and can be let go on, begun anew, or ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.api.world import GREEN, WORKER, World, world
from watership.durable.events import Failure, StepRetried
from watership.durable.ids import Key, RunId
from watership.durable.states import RunState
from watership.durable.writes import Claim, Finish, Stop

FIRST = Failure(kind="ConnectionError", message="no route")
LAST = Failure(kind="StepFailed", message="three tries")


async def _failed(w: World) -> RunId:
    run_id = await w.send("dig deeper")
    await w.claim()
    retried = StepRetried(
        key=Key("dig/0"), name="dig", identity="i", failure=FIRST, attempt=1, due=datetime.now(UTC)
    )
    await w.append(run_id, retried, then=Finish(state=RunState.FAILED, failure=LAST))
    return run_id


async def _stopped(w: World) -> RunId:
    run_id = await w.send("dig")
    await w.claim()
    await w.append(run_id, then=Stop(failure=LAST))
    return run_id


async def test_a_dead_letter_shows_the_first_error_and_the_last() -> None:
    async with world() as w:
        run_id = await _failed(w)
        await w.send("still alive")
        answer = await w.http.get("/api/v1/dead-letters", headers=w.bearer("reader"))
        assert answer.json()["total_count"] == 1
        (letter,) = answer.json()["data"]
        assert letter["run_id"] == run_id
        assert letter["first_error"]["kind"] == "ConnectionError"
        assert letter["last_error"]["kind"] == "StepFailed"


async def test_a_stopped_run_that_is_requeued_goes_on_where_it_was() -> None:
    async with world() as w:
        run_id = await _stopped(w)
        answer = await w.http.post(f"/api/v1/dead-letters/{run_id}:requeue", headers=w.bearer("operator"))
        assert (answer.json()["id"], answer.json()["state"]) == (run_id, "ready")


async def test_a_failed_run_that_is_requeued_twice_begins_anew_once() -> None:
    async with world() as w:
        run_id = await _failed(w)
        path = f"/api/v1/dead-letters/{run_id}/requeue"
        first, again = [await w.http.post(path, headers=w.bearer("operator")) for _ in range(2)]
        assert first.json()["id"] == again.json()["id"] != run_id
        assert first.json()["input"] == "dig deeper"


async def test_a_run_that_failed_by_its_deadline_gets_as_much_time_anew() -> None:
    async with world() as w:
        late = await w.send("dig", within=60)
        await w.claim()
        await w.append(late, then=Finish(state=RunState.FAILED, failure=LAST))
        answer = await w.http.post(f"/api/v1/dead-letters/{late}:requeue", headers=w.bearer("operator"))
        again = await w.store.get(answer.json()["id"])
        assert again is not None
        assert again.deadline == again.created_at + timedelta(seconds=60)


async def test_a_discarded_run_has_ended_and_a_failed_one_has_nothing_to_discard() -> None:
    async with world() as w:
        stopped, failed = await _stopped(w), await _failed(w)
        # A run that was claimed is asked to end first, so that it can undo what it did.
        answer = await w.http.post(f"/api/v1/dead-letters/{stopped}:discard", headers=w.bearer("operator"))
        assert answer.json()["cancel_requested"] is True
        refused = await w.http.post(f"/api/v1/dead-letters/{failed}:discard", headers=w.bearer("operator"))
        assert (refused.status_code, refused.json()["code"]) == (409, "not_dead")


async def test_a_poisoned_run_is_discarded_without_a_worker() -> None:
    async with world() as w:
        poisoned = await w.send("dig")
        claim = Claim(
            worker=WORKER, deployment=GREEN, pool="default", limit=9, lease_seconds=0.0, poison_limit=1
        )
        await w.store.write([claim])
        await w.store.write([claim])
        answer = await w.http.post(f"/api/v1/dead-letters/{poisoned}:discard", headers=w.bearer("operator"))
        assert answer.json()["state"] == "cancelled"


async def test_what_has_not_given_up_and_what_is_anothers_is_refused() -> None:
    async with world() as w:
        alive, failed = await w.send("dig"), await _failed(w)
        assert (
            await w.http.post(f"/api/v1/dead-letters/{alive}:requeue", headers=w.bearer("operator"))
        ).status_code == 409
        foreign = w.bearer("operator", tenant="down")
        assert (
            await w.http.post(f"/api/v1/dead-letters/{failed}:requeue", headers=foreign)
        ).status_code == 404
        reader = w.bearer("reader")
        assert (
            await w.http.post(f"/api/v1/dead-letters/{failed}:requeue", headers=reader)
        ).status_code == 403
