"""Scripted models: the same turns, the same ids, whoever asks and how often."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, ToolCallPart

from watership.testing.scripted import Answer, Script, ScriptEnded, echo, prompt, results, scripted


def librarian(script: Script) -> Agent[None, Any]:
    agent = Agent(script.model())

    @agent.tool_plain
    async def find(n: int) -> str:
        return f"fact {n}"

    return agent


def say(messages: Any) -> str:
    return f"{prompt(messages)} {results(messages)}"


async def test_turns_come_in_order_and_may_depend_on_what_the_tools_returned() -> None:
    agent = librarian(scripted([[("find", {"n": 1}), ("find", {"n": 2})], say]))
    for question in ("first", "second"):
        ended = await agent.run(question)
        assert ended.output == f"{question} ['fact 1', 'fact 2']"
        calls = [
            part.tool_call_id
            for message in ended.all_messages()
            if isinstance(message, ModelResponse)
            for part in message.parts
            if isinstance(part, ToolCallPart)
        ]
        assert calls == ["call-1-1", "call-1-2"]


async def test_a_script_ends_with_its_turns_unless_the_last_one_is_repeated() -> None:
    with pytest.raises(ScriptEnded, match="has 1 turns"):
        await librarian(scripted([[("find", {"n": 1})]])).run("go")
    with pytest.raises(ScriptEnded):
        await librarian(scripted([], repeat_last=True)).run("go")
    again = scripted(
        [[("find", {"n": 1})], lambda m: "done" if len(results(m)) == 3 else [("find", {"n": 1})]]
    )
    with pytest.raises(ScriptEnded):
        await librarian(again).run("go")
    ended = await librarian(scripted(again.turns, repeat_last=True)).run("go")
    assert ended.output == "done"


async def test_an_answer_fills_in_the_agents_output() -> None:
    agent = Agent(scripted([Answer({"response": 7})]).model(), output_type=int)
    assert (await agent.run("how many")).output == 7


async def test_the_echo_says_what_it_was_asked() -> None:
    assert (await Agent(echo.model()).run("hello?")).output == "hello?"
