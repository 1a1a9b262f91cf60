"""Messages start runs; people list, show, cancel, answer and signal those of their own tenant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.api.world import Warren, client, world
from watership.agents.messages import Messages
from watership.agents.people.answering import AlreadyAnswered, Given, Standing
from watership.agents.people.question import Approval
from watership.agents.schedule import Schedule
from watership.durable.events import Failure, StepDone, StepStarted
from watership.durable.ids import Key, seeded_ids
from watership.durable.ports import RunFilter
from watership.durable.run import Waiting
from watership.durable.states import RunState
from watership.durable.writes import Finish, Park, Stop
from watership.fleet.admission import Overdue
from watership.fleet.identity import Identity

APPROVAL = Waiting(kind="signal", key=Key("approve/0"), name="approval", about=msgspec.Raw(b'"Dig here?"'))
SECOND = Waiting(kind="signal", key=Key("approve/1"), name="second approval")
DOUBT = Waiting(kind="answer", key=Key("pay/0"), name="pay")


def park(*waits: Waiting, in_doubt: bool = False) -> Park:
    return Park(wake_at=None, seen=0, in_doubt=in_doubt, waits=waits)


async def test_agents_are_listed_with_a_total() -> None:
    async with world() as w:
        for path in ("/api/v1/agents", "/api/agents"):
            answer = await w.http.get(path, headers=w.bearer("reader"))
            assert answer.json()["total_count"] == 2
            assert [agent["name"] for agent in answer.json()["data"]] == ["digger", "shy"]


async def test_a_message_is_answered_once_its_run_is_in_the_store() -> None:
    async with world() as w:
        answer = await w.http.post(
            "/api/v1/messages",
            json={"agent": "digger", "input": "dig", "conversation": "c"},
            headers=w.bearer("writer", person="fiver", tenant="down"),
        )
        assert answer.status_code == 202
        body = answer.json()
        assert answer.headers["location"] == body["links"]["run"] == f"/api/v1/runs/{body['run_id']}"
        run = await w.store.get(body["run_id"])
        assert run is not None
        assert (run.tenant, run.principal, run.program, run.conversation) == ("down", "fiver", "digger", "c")
        assert bytes(run.input) == b'"dig"'
        assert (body["deployment"], body["state"], body["existing"]) == ("green-1", "ready", False)


async def test_a_key_gives_the_same_run_again_and_refuses_another_body() -> None:
    async with world() as w:
        headers = {**w.bearer("writer"), "Idempotency-Key": "k" * 255}
        first = await w.http.post(
            "/api/v1/messages", content=b'{"agent":"digger","input":"dig"}', headers=headers
        )
        again = await w.http.post(
            "/api/messages", content=b'{ "input": "dig", "agent": "digger" }', headers=headers
        )
        assert (again.json()["run_id"], again.json()["existing"]) == (first.json()["run_id"], True)
        other = await w.http.post(
            "/api/v1/messages", json={"agent": "digger", "input": "eat"}, headers=headers
        )
        assert (other.status_code, other.json()["code"]) == (422, "key_reused")
        stranger = {**w.bearer("writer", tenant="down"), "Idempotency-Key": "k" * 255}
        theirs = await w.http.post(
            "/api/v1/messages", json={"agent": "digger", "input": "eat"}, headers=stranger
        )
        assert (theirs.status_code, theirs.json()["existing"]) == (202, False)


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_out_of_bounds_is_refused(key: str) -> None:
    async with world() as w:
        headers = {**w.bearer("writer"), "Idempotency-Key": key}
        answer = await w.http.post(
            "/api/v1/messages", json={"agent": "digger", "input": "x"}, headers=headers
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")
        assert (await w.http.get("/api/v1/runs", headers=w.bearer("reader"))).json()["total_count"] == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_input"),
        (b"{", 400, "bad_input"),
        (b'{"agent":"digger"}', 400, "bad_input"),
        (b'{"agent":"digger","input":"x","inptu":1}', 400, "bad_input"),
        (b'{"agent":"digger","input":7}', 400, "bad_input"),
        (b'{"agent":"","input":"x"}', 400, "bad_input"),
        (b'{"agent":"nobody","input":"x"}', 404, "not_found"),
        (b'\xff\xfe{"agent"', 400, "bad_input"),
        (b"[" * 100_000, 400, "bad_input"),
    ],
)
async def test_a_message_that_cannot_be_sent_starts_nothing(body: bytes, status: int, code: str) -> None:
    async with world() as w:
        answer = await w.http.post("/api/v1/messages", content=body, headers=w.bearer("writer"))
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await w.http.get("/api/v1/runs", headers=w.bearer("reader"))).json()["total_count"] == 0


async def test_a_busy_conversation_of_an_agent_that_rejects_is_a_conflict() -> None:
    async with world() as w:
        await w.send("one", agent="shy", conversation="c")
        answer = await w.http.post(
            "/api/v1/messages",
            json={"agent": "shy", "input": "two", "conversation": "c"},
            headers=w.bearer("writer"),
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "conversation_busy")


async def test_runs_come_in_pages_with_a_total() -> None:
    async with world() as w:
        sent = [await w.send(f"dig {n}") for n in range(5)]
        found: list[str] = []
        after: dict[str, Any] = {}
        while True:
            answer = await w.http.get(
                "/api/v1/runs", params={"limit": 2, **after}, headers=w.bearer("reader")
            )
            page = answer.json()
            assert page["total_count"] == 5
            assert len(page["data"]) <= 2
            found += [run["id"] for run in page["data"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert found == sent[::-1]
        messages = (await w.http.get("/api/messages", headers=w.bearer("reader"))).json()
        assert [one["input"] for one in messages["data"]] == [f"dig {n}" for n in range(4, -1, -1)]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=²",
        "state=asleep",
        "colour=blue",
        "limit=1&limit=2",
    ],
)
async def test_a_query_that_means_nothing_is_refused(query: str) -> None:
    async with world() as w:
        answer = await w.http.get(f"/api/v1/runs?{query}", headers=w.bearer("reader"))
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")


async def test_runs_are_narrowed_by_state_and_agent() -> None:
    async with world() as w:
        one, two = await w.send(), await w.send(agent="shy")
        await w.http.post(f"/api/v1/runs/{one}:cancel", headers=w.bearer("writer"))

        async def ids(query: str) -> list[str]:
            answer = await w.http.get(f"/api/v1/runs?{query}", headers=w.bearer("reader"))
            return [run["id"] for run in answer.json()["data"]]

        assert await ids("state=cancelled") == [one]
        assert await ids("state=ready,running") == [two]
        assert await ids("agent=shy") == [two]


async def test_another_tenants_run_does_not_exist() -> None:
    async with world() as w:
        run_id = await w.send()
        stranger = w.bearer("admin", tenant="down")
        assert (await w.http.get("/api/v1/runs", headers=stranger)).json()["total_count"] == 0
        for method, path in (
            ("GET", ""),
            ("GET", "/events"),
            ("POST", ":cancel"),
            ("POST", ":answer"),
            ("POST", ":signal"),
            ("POST", ":retry"),
        ):
            body = {"value": 1, **({"name": "x"} if path == ":signal" else {})}
            answer = await w.http.request(
                method,
                f"/api/v1/runs/{run_id}{path}",
                headers=stranger,
                json=None if path in {":cancel", ":retry"} else body,
            )
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
            nowhere = await w.http.request(
                method,
                f"/api/v1/runs/nowhere{path}",
                headers=stranger,
                json=None if path in {":cancel", ":retry"} else body,
            )
            assert nowhere.json()["detail"].replace("nowhere", run_id) == answer.json()["detail"]
        run = await w.store.get(run_id)
        assert run is not None
        assert run.state is RunState.READY
        assert not run.cancel_requested
        assert run.inbox == 0


@pytest.mark.parametrize("path", [":cancel", "/cancel"])
async def test_cancelling_twice_is_cancelling_once(path: str) -> None:
    async with world() as w:
        run_id = await w.send()
        for _ in range(2):
            answer = await w.http.post(
                f"/api/runs/{run_id}{path}", json={"reason": "rain"}, headers=w.bearer("writer")
            )
            assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


async def test_a_run_that_ended_cannot_be_cancelled() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.claim()
        await w.append(run_id, then=Finish(state=RunState.SUCCEEDED))
        answer = await w.http.post(f"/api/runs/{run_id}:cancel", headers=w.bearer("writer"))
        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")


async def test_an_approval_is_answered_once() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.claim()
        await w.append(run_id, then=park(APPROVAL))
        shown = (await w.http.get(f"/api/v1/runs/{run_id}", headers=w.bearer("reader"))).json()
        assert shown["waits"][0]["about"] == "Dig here?"
        url = f"/api/v1/runs/{run_id}:answer"
        answer = await w.http.post(
            url, json={"value": {"granted": True, "note": "soft soil"}}, headers=w.bearer("writer")
        )
        assert (answer.status_code, answer.json()["state"]) == (200, "ready")
        (signal,) = await w.store.inbox(run_id)
        assert signal.name == "answer:approve/0"
        assert msgspec.json.decode(signal.value, type=Approval) == Approval(True, "hazel", "soft soil")


@pytest.mark.parametrize(
    "value", ["yes", 1, None, {}, {"granted": "yes"}, {"granted": True, "by": "the chief rabbit"}]
)
async def test_what_is_no_approval_is_refused_and_nobody_signs_for_another(value: object) -> None:
    async with world() as w:
        run_id = await w.send()
        await w.claim()
        await w.append(run_id, then=park(APPROVAL))
        answer = await w.http.post(
            f"/api/v1/runs/{run_id}:answer", json={"value": value}, headers=w.bearer("writer")
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")
        assert await w.store.inbox(run_id) == ()


async def test_a_bare_no_is_an_answer() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.claim()
        await w.append(run_id, then=park(APPROVAL))
        url = f"/api/v1/runs/{run_id}:answer"
        assert (await w.http.post(url, json={"value": False}, headers=w.bearer("writer"))).status_code == 200
        (signal,) = await w.store.inbox(run_id)
        assert msgspec.json.decode(signal.value, type=Approval) == Approval(False, "hazel")


async def test_two_people_who_answer_at_once_do_not_answer_twice() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.claim()
        await w.append(run_id, then=park(APPROVAL))
        messages = w.service.messages
        assert w.service.tokens is not None
        hazel, fiver = (
            w.service.tokens.verify(w.service.tokens.issue(name, roles=["writer"]))
            for name in ("hazel", "fiver")
        )
        run = await messages.get(run_id, hazel)
        # All read the run before any of them answered.
        first = await messages._answers._deliver(run, APPROVAL, given(hazel, "true"))
        again = await messages._answers._deliver(
            run, APPROVAL, given(fiver, '{"granted": true, "note": "me too"}')
        )
        assert (first, again) == (Standing(by="hazel"), Standing(by="hazel", existing=True))
        with pytest.raises(AlreadyAnswered, match="answered already by hazel, differently"):
            await messages._answers._deliver(run, APPROVAL, given(fiver, "false"))
        assert len(await w.store.inbox(run_id)) == 1


def given(identity: Identity, value: str) -> Given:
    return Given(value=msgspec.Raw(value.encode()), identity=identity, seen=None)


async def test_of_several_waits_the_answered_one_is_named() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.claim()
        await w.append(run_id, then=park(APPROVAL, SECOND))
        url, headers = f"/api/v1/runs/{run_id}/answer", w.bearer("writer")
        vague = await w.http.post(url, json={"value": 1}, headers=headers)
        assert (vague.status_code, vague.json()["fix"]) == (400, "Name one in `wait`: approve/0, approve/1.")
        wrong = await w.http.post(url, json={"value": 1, "wait": "third"}, headers=headers)
        assert (wrong.status_code, wrong.json()["code"]) == (409, "not_waiting")
        for name in ("second approval",):
            answer = await w.http.post(url, json={"value": 1, "wait": name}, headers=headers)
            assert answer.status_code == 200
        assert [one.name for one in await w.store.inbox(run_id)] == ["answer:approve/1"]


async def test_a_doubt_is_settled_by_a_decision() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.claim()
        started = StepStarted(key=Key("pay/0"), name="pay", identity="i", attempt=1)
        await w.append(run_id, started, then=park(DOUBT, in_doubt=True))
        url, headers = f"/api/v1/runs/{run_id}:answer", w.bearer("writer")
        value = await w.http.post(url, json={"value": 1}, headers=headers)
        assert (value.status_code, value.json()["code"]) == (409, "not_waiting")
        assert "decision" in value.json()["fix"]
        answer = await w.http.post(url, json={"decision": "done", "value": "paid"}, headers=headers)
        assert (answer.status_code, answer.json()["state"]) == (200, "ready")
        (entry,) = await w.store.journal(run_id, after=1)
        assert (entry.event.decision, entry.event.by) == ("done", "hazel")  # type: ignore[union-attr]


async def test_a_run_that_asks_nothing_takes_no_answer() -> None:
    async with world() as w:
        run_id = await w.send()
        url, headers = f"/api/v1/runs/{run_id}:answer", w.bearer("writer")
        early = await w.http.post(url, json={"value": 1}, headers=headers)
        assert (early.status_code, early.json()["code"]) == (409, "not_waiting")
        assert (await w.http.post(url, json={}, headers=headers)).status_code == 400
        await w.claim()
        await w.append(run_id, then=park(APPROVAL))
        doubt = await w.http.post(url, json={"decision": "retry"}, headers=headers)
        assert (doubt.status_code, doubt.json()["code"]) == (409, "not_waiting")
        assert await w.store.inbox(run_id) == ()


async def test_a_signal_arrives_once_per_key() -> None:
    async with world() as w:
        run_id = await w.send()
        url = f"/api/v1/runs/{run_id}:signal"
        headers = {**w.bearer("writer"), "Idempotency-Key": "k"}
        for _ in range(2):
            answer = await w.http.post(url, json={"name": "rain", "value": 3}, headers=headers)
            assert answer.status_code == 200
        assert [(one.name, bytes(one.value)) for one in await w.store.inbox(run_id)] == [("rain", b"3")]
        kernel = await w.http.post(url, json={"name": "child:x"}, headers=w.bearer("writer"))
        assert kernel.status_code == 400


async def test_a_signal_that_arrived_is_known_again_after_the_run_has_ended() -> None:
    async with world() as w:
        run_id = await w.send()
        url = f"/api/v1/runs/{run_id}:signal"
        headers = {**w.bearer("writer"), "Idempotency-Key": "k"}
        await w.http.post(url, json={"name": "rain", "value": 3}, headers=headers)
        await w.claim()
        await w.append(run_id, then=Finish(state=RunState.SUCCEEDED))
        again = await w.http.post(url, json={"name": "rain", "value": 3}, headers=headers)
        assert (again.status_code, again.json()["state"]) == (200, "succeeded")
        other = {**headers, "Idempotency-Key": "l"}
        late = await w.http.post(url, json={"name": "rain", "value": 3}, headers=other)
        assert (late.status_code, late.json()["code"]) == (409, "not_waiting")


async def test_a_stopped_run_is_retried_by_an_operator() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.claim()
        await w.append(run_id, then=Stop(failure=Failure("Diverged", "another key")))
        url = f"/api/v1/runs/{run_id}:retry"
        assert (await w.http.post(url, headers=w.bearer("writer"))).status_code == 403
        answer = await w.http.post(url, headers=w.bearer("operator"))
        assert (answer.status_code, answer.json()["state"]) == (200, "ready")


async def test_workers_are_listed() -> None:
    async with world() as w:
        await w.send()
        await w.claim()
        answer = (await w.http.get("/api/v1/workers", headers=w.bearer("reader"))).json()
        assert answer["total_count"] == 1
        assert (answer["data"][0]["id"], answer["data"][0]["leased"]) == ("worker-1", 1)
        assert datetime.fromisoformat(answer["data"][0]["seen_at"]).tzinfo == UTC


class Full:
    """A gate behind which too much waits."""

    def admit(self) -> None:
        raise Overdue("9,000 runs wait for a worker.", fix="Send it again later.", retry_after=3.2)


async def test_a_message_while_too_much_waits_is_told_429_and_when_to_come_again() -> None:
    async with world() as w:
        messages = Messages(w.committer, w.store, Warren(), seeded_ids(3), Full())
        async with client(replace(w.service, messages=messages), "http://127.0.0.1:3000") as http:
            body = {"agent": "digger", "input": "dig"}
            answer = await http.post("/api/v1/messages", json=body, headers=w.bearer("writer"))
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "4"
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["code"], answer.json()["status"]) == ("backlog", 429)
        assert (await w.store.list(RunFilter())).total_count == 0


async def test_a_message_may_bring_a_budget_for_its_run() -> None:
    async with world() as w:
        body = {"agent": "digger", "input": "dig", "budget": {"usd": 0.05, "turns": 3}}
        answer = await w.http.post("/api/v1/messages", json=body, headers=w.bearer("writer"))
        run = await w.store.get(answer.json()["run_id"])
        assert run is not None
        assert [(cap.counter, cap.unit, cap.most) for cap in run.caps] == [
            (f"run:{run.id}", "microdollars", 50_000),
            (f"run:{run.id}", "turns", 3),
        ]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"within": 60}, 60),
        ({"within": 90, "budget": {"seconds": 30}}, 30),
        ({"within": 1e6, "deadline": "2999-01-01T00:00:00Z"}, 1e6),
    ],
)
async def test_a_message_may_say_until_when_its_run_is_to_end(said: dict[str, Any], seconds: float) -> None:
    async with world() as w:
        run = await w.store.get(await w.send(**said))
        assert run is not None
        assert run.deadline == run.created_at + timedelta(seconds=seconds)
        shown = await w.http.get(f"/api/v1/runs/{run.id}", headers=w.bearer("reader"))
        assert datetime.fromisoformat(shown.json()["deadline"]) == run.deadline


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"within": 0}, 400),
        ({"within": 1e12}, 400),
        ({"deadline": "tomorrow"}, 400),
        ({"deadline": "2999-01-01T00:00:00"}, 400),
        ({"deadline": "2020-01-01T00:00:00Z"}, 409),
    ],
)
async def test_a_deadline_that_cannot_be_kept_is_refused(said: dict[str, object], status: int) -> None:
    async with world() as w:
        body = {"agent": "digger", "input": "dig", **said}
        answer = await w.http.post("/api/v1/messages", json=body, headers=w.bearer("writer"))
        assert answer.status_code == status, answer.text
        assert (await w.store.list(RunFilter())).total_count == 0


async def test_a_key_stands_for_its_deadline_too() -> None:
    async with world() as w:
        headers = {**w.bearer("writer"), "Idempotency-Key": "k"}
        body = {"agent": "digger", "input": "dig", "within": 60}
        first = await w.http.post("/api/v1/messages", json=body, headers=headers)
        again = await w.http.post("/api/v1/messages", json=body, headers=headers)
        other = await w.http.post("/api/v1/messages", json=body | {"within": 61}, headers=headers)
        assert again.json()["run_id"] == first.json()["run_id"]
        assert (other.status_code, other.json()["code"]) == (422, "key_reused")


@pytest.mark.parametrize("budget", [{"usd": 0}, {"dollars": 1}, {"seconds": 1e11}, "much"])
async def test_a_budget_that_means_nothing_is_refused(budget: object) -> None:
    async with world() as w:
        body = {"agent": "digger", "input": "dig", "budget": budget}
        answer = await w.http.post("/api/v1/messages", json=body, headers=w.bearer("writer"))
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")


async def test_another_budget_under_the_same_key_is_another_message() -> None:
    async with world() as w:
        headers = {**w.bearer("writer"), "Idempotency-Key": "k"}
        codes = []
        for usd in (1, 1, 2):
            body = {"agent": "digger", "input": "dig", "budget": {"usd": usd}}
            codes.append((await w.http.post("/api/v1/messages", json=body, headers=headers)).status_code)
        assert codes == [202, 202, 422]


async def test_a_runs_account_tells_what_it_used_up_and_what_is_left() -> None:
    async with world() as w:
        run_id = await w.send()
        await w.claim()
        used = StepDone(
            key=Key("model/0"), name="model", identity="i", value=msgspec.Raw(b"1"), used={"turns": 2}
        )
        await w.append(run_id, used)
        answer = await w.http.get(f"/api/v1/runs/{run_id}/account", headers=w.bearer("reader"))
        assert answer.json() == {
            "used": {"turns": 2},
            "unsettled": {},
            "saved": {},
            "limits": [
                {
                    "counter": f"run:{run_id}/digger",
                    "unit": "turns",
                    "per_day": False,
                    "most": 9,
                    "spent": 0,
                    "reserved": 0,
                }
            ],
        }
        foreign = await w.http.get(
            f"/api/v1/runs/{run_id}/account", headers=w.bearer("reader", tenant="elsewhere")
        )
        assert foreign.status_code == 404


async def test_schedules_are_told_with_the_windows_that_come_next() -> None:
    hourly = Schedule(name="hourly", agent="digger", cron="0 * * * *")
    async with world(schedules=[hourly]) as w:
        answer = await w.http.get("/api/v1/schedules", headers=w.bearer("reader"))
        (told,) = answer.json()["data"]
        assert (told["name"], told["agent"], told["cron"], told["latest_run"]) == (
            "hourly",
            "digger",
            "0 * * * *",
            None,
        )
        first, second, third = (datetime.fromisoformat(each) for each in told["next"])
        assert third - second == second - first == timedelta(hours=1)
        assert first > datetime.now(UTC)
        assert answer.json()["total_count"] == 1
