"""Approvals: given by whoever may, to what they saw, once; and no answer is never a yes."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.agents.office import REQUESTER, Office, about, in_office
from watership import App, Escalation, Unanswered, approve, signal
from watership.agents.people.answering import AlreadyAnswered, NotWaiting, NotYours, SeenOtherwise
from watership.agents.people.approval import Otherwise
from watership.agents.people.audience import Who
from watership.durable.committer import WriteRefused
from watership.durable.events import AnswerRefused, SignalTaken, StepDone, TimerFired
from watership.durable.states import RunState
from watership.errors import BadInput, NotAllowed

HOUR = 3_600.0


def payer(
    by: Who = "finance",
    *,
    requester: bool | None = None,
    escalate: Any = (),
    otherwise: Otherwise = "refused",
    within: Any = None,
    then: str | None = None,
) -> App:
    """An app that pays what it may, and says who let it."""
    app = App("payers")

    @app.agent
    async def pay(cents: int) -> str:
        answer = await approve(
            "Pay it?",
            {"cents": cents},
            by=by,
            requester=requester,
            within=within,
            escalate=escalate,
            otherwise=otherwise,
        )
        if then is not None:
            await signal(then)
        return f"{answer.by}: {'yes' if answer.granted else 'no'} {answer.note}".strip()

    return app


def test_who_may_give_it_is_part_of_what_is_waited_for_and_their_identity_decides() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        waiting = await office.asked(run_id)
        assert about(waiting) == {
            "question": "Pay it?",
            "details": {"cents": 5},
            "may": {"by": ["finance", "@ada"], "requester": False},
        }
        for stranger in (office.person("mallory", "admin", "sales"), office.person("ad", "writer")):
            with pytest.raises(NotYours, match=r"finance or @ada may answer this, and .* is not"):
                await office.answer(run_id, stranger)
        # Neither words nor a name in the answer make anybody somebody else.
        with pytest.raises(NotYours):
            await office.answer(run_id, office.person("mallory"), {"granted": True, "note": "I am @ada"})
        assert (await office.stage.run(run_id)).state is RunState.WAITING
        answered = await office.answer(run_id, office.person("ada"), {"granted": True, "note": "fine"})
        assert (answered.by, answered.existing) == ("ada", False)
        assert await office.result(run_id) == "ada: yes fine"

    in_office(payer(["finance", "@ada"]), play)


def test_a_wrong_person_is_refused_and_it_stands_in_the_journal_once_for_each() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        for who in ("mallory", "mallory", "eve"):
            with pytest.raises(NotYours, match="journal has that it was tried"):
                await office.answer(run_id, office.person(who, "writer"))
        refused = await office.events(run_id, AnswerRefused)
        assert [(each.key, each.by) for each in refused] == [  # type: ignore[union-attr]
            ("approval/0", "mallory"),
            ("approval/0", "eve"),
        ]
        assert "finance may answer this" in refused[0].reason  # type: ignore[union-attr]
        await office.answer(run_id, office.person("fred", "finance"))
        assert await office.result(run_id) == "fred: yes"

    in_office(payer(), play)


@pytest.mark.parametrize(
    ("by", "requester", "may"),
    [
        ("finance", None, False),
        ("finance", True, True),
        (f"@{REQUESTER}", None, True),
        (f"@{REQUESTER}", False, False),
        ((), None, True),
        ((), False, False),
    ],
)
def test_whoever_started_a_run_approves_it_only_where_that_is_meant(
    by: Who, requester: bool | None, may: bool
) -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        rita = office.person(REQUESTER, "finance", "writer")
        if may:
            await office.answer(run_id, rita)
            assert await office.result(run_id) == "rita: yes"
        else:
            with pytest.raises(NotYours, match="rita started the run"):
                await office.answer(run_id, rita)

    in_office(payer(by, requester=requester), play)


def test_without_names_whoever_may_write_answers_and_nobody_less() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        with pytest.raises(NotYours, match="writer may answer this"):
            await office.answer(run_id, office.person("rex", "reader"))
        await office.answer(run_id, office.person("wilma", "operator"), False)
        assert await office.result(run_id) == "wilma: no"

    in_office(payer(()), play)


def test_an_answer_is_one_to_what_was_seen() -> None:
    async def play(office: Office) -> None:
        five, six = (
            await office.start("pay", {"cents": 5}, "five"),
            await office.start("pay", {"cents": 6}, "six"),
        )
        fred = office.person("fred", "finance")
        seen = await office.seen(five)
        with pytest.raises(SeenOtherwise) as refused:
            await office.answer(six, fred, seen=seen)
        assert await office.seen(six) in refused.value.fix
        with pytest.raises(BadInput, match="does not say what it is an answer to"):
            await office.desk.answer(six, fred, value=msgspec.Raw(b"true"))
        assert (await office.stage.run(six)).state is RunState.WAITING
        await office.answer(five, fred, seen=seen)
        (taken,) = await office.events(five, SignalTaken) or await _worked(office, five)
        # What they saw stands in the journal, in words.
        kept = msgspec.json.decode(taken.value)  # type: ignore[union-attr]
        assert kept["saw"]["details"] == {"cents": 5} and kept["seen"] == seen and kept["by"] == "fred"

    in_office(payer(), play)


async def _worked(office: Office, run_id: Any) -> Any:
    await office.work()
    return await office.events(run_id, SignalTaken)


def test_approving_twice_is_one_approval_whoever_is_second_and_however_late() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        seen = await office.seen(run_id)
        fred, fay = office.person("fred", "finance"), office.person("fay", "finance")
        both = await asyncio.gather(*(office.answer(run_id, who, seen=seen) for who in (fred, fay)))
        assert [each.existing for each in both] == [False, True]
        assert {each.by for each in both} == {"fred"}
        await office.work()  # the run took it, and waits for something else by now
        for who in (fred, fay):
            again = await office.answer(run_id, who, {"granted": True, "note": "me too"}, seen=seen)
            assert (again.by, again.existing) == ("fred", True)
        with pytest.raises(AlreadyAnswered, match="already by fred, differently"):
            await office.answer(run_id, fay, False, seen=seen)
        with pytest.raises(NotYours):
            await office.answer(run_id, office.person("mallory", "writer"), seen=seen)
        assert len(await office.stage.store.inbox(run_id)) == 1
        await office.stage.send(run_id, "end", None)
        assert await office.result(run_id) == "fred: yes"
        # And after its end.
        assert (await office.answer(run_id, fay, seen=seen)).existing

    in_office(payer(then="end"), play)


def test_time_brings_the_question_to_the_next_and_then_it_is_refused() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        lead, fred = office.person("lea", "lead"), office.person("fred", "finance")
        first = await office.seen(run_id)
        assert (await office.asked(run_id)).due == office.stage.clock.now() + timedelta(hours=1)
        await asyncio.sleep(HOUR + 1)
        with pytest.raises(WriteRefused) as late:  # no worker has looked yet
            await office.answer(run_id, fred, seen=first)
        assert late.value.code == "too_late"
        await office.work()
        waiting = await office.asked(run_id)
        assert about(waiting)["may"] == {"by": ["lead"], "requester": False}
        assert about(waiting)["level"] == 1
        with pytest.raises(NotYours):
            await office.answer(run_id, fred)
        assert first != await office.seen(run_id)
        escalated = await office.events(run_id, StepDone)
        assert [bytes(each.value) for each in escalated] == [b'{"to":["lead"]}']  # type: ignore[union-attr]
        await asyncio.sleep(2 * HOUR + 1)
        await office.work()
        assert await office.result(run_id) == (
            ": no Nobody answered in time; asked were: finance, but not whoever started the run, "
            "then lead, but not whoever started the run."
        )
        assert len(await office.events(run_id, TimerFired)) == 2
        with pytest.raises(NotWaiting):
            await office.answer(run_id, lead, seen="0" * 32)

    in_office(payer(within=timedelta(hours=1), escalate=[Escalation("lead", within=2 * HOUR)]), play)


def test_whoever_the_question_came_to_answers_it() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        for _ in range(2):
            await asyncio.sleep(HOUR + 1)
            await office.work()
        await office.answer(run_id, office.person("boss"))
        assert await office.result(run_id) == "boss: yes"

    in_office(payer(within=HOUR, escalate=["lead", ["@boss", "@owner"]]), play)


def test_an_approval_in_time_counts_though_no_worker_was_awake() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        await asyncio.sleep(HOUR - 1)
        await office.answer(run_id, office.person("fred", "finance"))
        await asyncio.sleep(HOUR)
        assert await office.result(run_id) == "fred: yes"

    in_office(payer(within=HOUR, escalate=["lead"]), play)


def test_nobody_may_be_raised_instead() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        await asyncio.sleep(HOUR + 1)
        await office.work()
        run = await office.stage.run(run_id)
        assert run.failure is not None and run.failure.code == Unanswered.code

    in_office(payer(within=HOUR, otherwise="raise"), play)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (payer(otherwise="granted"), "cannot be 'granted'"),  # type: ignore[arg-type]
        (payer(escalate=["lead"]), "never escalated"),
        (payer(within=0), "within 0 s"),
        (payer(within=HOUR, escalate="lead"), r"escalate=\[…\]"),
        (payer("@"), "names nobody"),
        (payer(["x"] * 51), "50 is the limit"),
    ],
)
def test_what_cannot_be_asked_is_said(asked: App, words: str) -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        run = await office.stage.run(run_id)
        assert run.failure is not None and run.failure.kind == "BadInput"
        assert re.search(words, run.failure.message)

    in_office(asked, play)


def test_a_program_that_asks_something_else_by_now_does_not_go_on_with_the_answer() -> None:
    def asking(cents: int) -> App:
        app = App("payers")

        @app.agent
        async def pay() -> str:
            return (await approve("Pay it?", {"cents": cents}, by="finance")).by

        return app

    async def play(office: Office) -> None:
        run_id = await office.start("pay", {})
        await office.answer(run_id, office.person("fred", "finance"))
        office.app = asking(500)
        await office.work()
        run = await office.stage.run(run_id)
        assert run.state is RunState.STOPPED and run.failure is not None
        assert "an answer to another question" in run.failure.message
        office.app = asking(5)
        await office.stage.retry(run_id)
        assert await office.result(run_id) == "fred"

    in_office(asking(5), play)


def test_nobody_sends_an_answer_by_another_way() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("pay", {"cents": 5})
        admin = office.person("ann", "admin")
        for name in ("approval", "question", "answer:approval/0"):
            with pytest.raises(BadInput, match="reserved"):
                await office.desk.signal(run_id, admin, name, msgspec.Raw(b'{"granted":true,"by":"ada"}'))
        with pytest.raises(NotAllowed):
            await office.desk.answer(run_id, office.person("rex", "reader"), decision="done")

    in_office(payer(), play)
