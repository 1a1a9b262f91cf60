"""Questions: the answer is of the kind that was asked for, or is refused to whoever gives it."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import msgspec
import pytest

from tests.agents.office import Office, about, in_office
from watership import App, ask
from watership.agents.people.answering import AlreadyAnswered, NotYours, WrongAnswer
from watership.agents.people.question import QUESTION
from watership.durable.states import RunState


class Address(msgspec.Struct):
    street: str
    number: int


def asker(**rule: Any) -> App:
    app = App("askers")

    @app.agent
    async def order() -> object:
        return await ask("Where to?", {"order": 7}, **rule)

    return app


def test_an_answer_that_does_not_fit_is_refused_with_the_field_and_the_run_waits_on() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("order", {})
        waiting = await office.asked(run_id)
        assert waiting.name == QUESTION
        assert about(waiting)["answer"] == msgspec.json.schema(Address)
        wilma = office.person("wilma", "writer")
        with pytest.raises(WrongAnswer, match="at `number`: it is no integer") as refused:
            await office.answer(run_id, wilma, {"street": "High St", "number": "nine"})
        assert refused.value.where == "number"
        assert await office.asked(run_id) == waiting
        assert (await office.stage.run(run_id)).inbox == 0
        await office.answer(run_id, wilma, {"street": "High St", "number": 9})
        assert await office.result(run_id) == {"street": "High St", "number": 9}

    in_office(asker(into=Address), play)


def test_the_same_answer_twice_is_one_and_another_is_refused() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("order", {})
        seen = await office.seen(run_id)
        wilma, walt = office.person("wilma", "writer"), office.person("walt", "writer")
        await office.answer(run_id, wilma, "home", seen=seen)
        assert (await office.answer(run_id, walt, "home", seen=seen)).by == "wilma"
        with pytest.raises(AlreadyAnswered):
            await office.answer(run_id, walt, "work", seen=seen)
        assert await office.result(run_id) == "home"

    in_office(asker(), play)


@pytest.mark.parametrize(
    ("choices", "wrong", "right"), [(("home", "work"), "car", "work"), ((1, 2), True, 1)]
)
def test_of_choices_one_is_taken(choices: tuple[object, ...], wrong: object, right: object) -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("order", {})
        with pytest.raises(WrongAnswer, match="none of"):
            await office.answer(run_id, office.person("wilma", "writer"), wrong)
        with pytest.raises(NotYours):
            await office.answer(run_id, office.person("rex", "reader"), right)
        await office.answer(run_id, office.person("wilma", "writer"), right)
        assert await office.result(run_id) == right

    in_office(asker(choices=choices), play)


def test_what_fits_the_schema_and_not_the_type_is_asked_for_again() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("order", {})
        wilma = office.person("wilma", "writer")
        await office.answer(run_id, wilma, "next Tuesday")
        await office.work()
        assert "The answer of wilma was not taken" in str(about(await office.asked(run_id))["again"])
        await office.answer(run_id, wilma, "2026-05-04")
        assert await office.result(run_id) == "2026-05-04"

    in_office(asker(into=date), play)


def test_nobodys_answer_is_what_was_said_it_is_or_an_error() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("order", {})
        await asyncio.sleep(61)
        await office.work()
        run = await office.stage.run(run_id)
        if run.state is RunState.FAILED:
            assert run.failure is not None and run.failure.code == "unanswered"
        else:
            assert await office.result(run_id) == "nowhere"

    in_office(asker(within=60), play)
    in_office(asker(within=60, otherwise="nowhere"), play)


def test_choices_that_are_no_answers_are_refused() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("order", {})
        run = await office.stage.run(run_id)
        assert run.failure is not None and "One of the choices is no answer" in run.failure.message

    in_office(asker(into=int, choices=["one"]), play)
