"""Approvals over HTTP: who answers is proved, what was seen is told, and what was refused can be found."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.api.world import World, events, world
from watership.agents.people.audience import Audience
from watership.agents.people.question import Question
from watership.durable.codec import encode
from watership.durable.ids import Key, RunId
from watership.durable.run import Waiting
from watership.durable.writes import Cancel, Park

FINANCE = Question(question="Pay?", details={"cents": 5}, may=Audience(by=("finance",), requester=False))
PAY = Waiting(kind="signal", key=Key("approval/0"), name="approval", about=encode(FINANCE, "a test"))


async def asked(w: World, *waits: Waiting) -> tuple[RunId, str]:
    """A run that hazel started and that asks for an approval; what is shown of it."""
    run_id = await w.send()
    await w.claim()
    await w.append(run_id, then=Park(wake_at=None, seen=0, waits=waits or (PAY,)))
    shown = (await w.http.get(f"/api/v1/runs/{run_id}", headers=w.bearer("reader"))).json()
    return run_id, shown["waits"][0]["seen"]


async def post(w: World, run_id: str, who: dict[str, str], **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await w.http.post(f"/api/v1/runs/{run_id}:answer", json=body, headers=who)
    return answer.status_code, answer.json()


async def test_somebody_who_only_reads_gives_the_approval_that_is_theirs() -> None:
    async with world() as w:
        run_id, seen = await asked(w)
        who = w.bearer("reader", "finance", person="fred")
        status, body = await post(w, run_id, who, value=True, seen=seen)
        assert (status, body["state"], body["answered_by"], body["existing"]) == (200, "ready", "fred", False)
        status, body = await post(w, run_id, who, value=True, seen=seen)
        assert (status, body["answered_by"], body["existing"]) == (200, "fred", True)
        status, body = await post(w, run_id, who, value=False, seen=seen)
        assert (status, body["code"]) == (409, "already_answered")
        assert len(await w.store.inbox(run_id)) == 1


async def test_the_wrong_person_is_told_so_and_the_run_s_events_have_it() -> None:
    async with world() as w:
        run_id, seen = await asked(w)
        for who in (
            w.bearer("admin", person="mallory"),
            w.bearer("writer", "finance", person="hazel"),
        ):
            status, body = await post(w, run_id, who, value=True, seen=seen)
            assert (status, body["code"]) == (403, "not_yours")
        status, _ = await post(w, run_id, w.bearer("admin", "finance", tenant="down"), value=True, seen=seen)
        assert status == 404
        await w.committer.write(Cancel(run_id=run_id))
        await w.claim()
        found = await w.store.journal(run_id)
        assert [(entry.event.by, entry.event.key) for entry in found] == [  # type: ignore[union-attr]
            ("mallory", "approval/0"),
            ("hazel", "approval/0"),
        ]
        assert "hazel started the run" in found[1].event.reason  # type: ignore[union-attr]
        async with w.http.stream(
            "GET", f"/api/v1/runs/{run_id}/events", headers=w.bearer("reader", seconds=1)
        ) as stream:
            text = "".join([part async for part in stream.aiter_text()])
        assert [name for name, *_ in events(text)][:2] == ["answer_refused", "answer_refused"]


async def test_an_answer_to_something_else_is_refused_with_what_is_asked_now() -> None:
    async with world() as w:
        run_id, seen = await asked(w)
        who = w.bearer("reader", "finance", person="fred")
        status, body = await post(w, run_id, who, value=True, seen="0" * 32)
        assert (status, body["code"]) == (409, "seen_otherwise") and seen in body["fix"]
        status, body = await post(w, run_id, who, value=True)
        assert (status, body["code"]) == (400, "bad_input") and "seen" in body["fix"]
        assert not await w.store.inbox(run_id)


async def test_what_was_seen_names_the_question_among_several() -> None:
    async with world() as w:
        other = msgspec.structs.replace(PAY, key=Key("gather#0/1/approval/0"))
        run_id, seen = await asked(w, PAY, other)
        who = w.bearer("reader", "finance", person="fred")
        status, _ = await post(w, run_id, who, value=True, seen=seen)
        assert status == 200
        assert [one.name for one in await w.store.inbox(run_id)] == ["answer:approval/0"]
