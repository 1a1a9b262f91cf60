"""What an agent is made of hashes alike in every process, and differs where somebody changed it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import Struct

from watership import Agent, App, Budget, tool
from watership.agents.definition import changes, defined, fingerprint
from watership.agents.llm import Agent as LlmAgent


@tool(effect="pure")
async def look_up(word: str) -> str:
    """Find a word."""
    return word


@tool(effect="pure")
async def look_further(word: str, pages: int = 1) -> str:
    """Find a word."""
    return word * pages


class Found(Struct):
    word: str


class FoundMore(Struct):
    word: str
    pages: int


def writer(**changed: object) -> dict[str, str]:
    """The definition of one agent, with something changed."""
    said: dict[str, object] = {"model": "echo", "instructions": "Be brief.", "tools": [look_up]}
    app = App("a")
    app.add(Agent("writer", **(said | changed)))  # type: ignore[arg-type]  # whatever is tried
    return dict(app.directory.definition("writer"))


BEFORE = writer()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, {}),
        ({"model": "openai:gpt-5-mini"}, {"model": "changed"}),
        ({"instructions": "Be briefer."}, {"instructions": "changed"}),
        ({"instructions": lambda: "Be brief."}, {"instructions": "changed"}),
        ({"tools": []}, {"tool look_up": "gone"}),
        ({"tools": [look_up, look_further]}, {"tool look_further": "new"}),
        (
            {"tools": [tool(effect="idempotent")(look_further)]},
            {"tool look_further": "new", "tool look_up": "gone"},
        ),
        ({"output": Found}, {"output": "changed"}),
        ({"budget": Budget(usd=1)}, {"budget": "changed"}),
        ({"approvals": {"look_up": True}}, {"approvals": "changed"}),
        ({"description": "Writes."}, {"description": "changed"}),
        ({"turns": 3}, {"turns": "changed"}),
    ],
)
def test_a_definition_says_which_part_was_changed(changed: dict[str, object], told: dict[str, str]) -> None:
    after = writer(**changed)
    assert changes(BEFORE, after) == told
    assert (fingerprint(BEFORE) == fingerprint(after)) is (not told)


def test_an_output_type_counts_by_its_fields() -> None:
    assert changes(writer(output=Found), writer(output=FoundMore)) == {"output": "changed"}


def test_a_tool_whose_effect_alone_was_changed_is_another_one() -> None:
    @tool(effect="idempotent")
    async def pay(cents: int) -> None: ...

    before = writer(tools=[pay])
    assert changes(before, writer(tools=[tool(effect="unsafe")(pay)])) == {"tool pay": "changed"}


def test_every_field_of_an_agent_is_a_part_or_known_not_to_be_one() -> None:
    given = {each.name for each in dataclasses.fields(LlmAgent) if each.init}
    fields = given - {"name", "tools", "engine"}
    assert fields <= BEFORE.keys()


def test_a_function_agent_counts_by_its_text() -> None:
    first, second = App("a"), App("a")

    @first.agent("greet")
    async def one(name: str) -> str:
        return f"Hello, {name}"

    @second.agent("greet")
    async def two(name: str) -> str:
        return f"Good day, {name}"

    told = changes(first.directory.definition("greet"), second.directory.definition("greet"))
    assert told == {"function": "changed"}


def test_a_function_without_a_source_counts_by_what_it_was_compiled_to() -> None:
    def made(text: str) -> object:
        names: dict[str, object] = {}
        exec(text, names)  # noqa: S102  # a function that no file holds
        return names["f"]

    same = [defined({"f": made("def f(): return 1")}) for _ in range(2)]
    other = defined({"f": made("def f(): return 2")})
    assert same[0] == same[1] != other


def test_another_librarys_object_counts_by_its_type_and_the_model_that_it_names() -> None:
    @dataclass
    class Client:
        retries: int

    @dataclass
    class Server:
        url: str
        password: str = field(repr=False)

    class Model:
        def __init__(self, name: str) -> None:
            self.model_name = name
            self.socket = object()

    assert defined({"m": Model("a")}) == defined({"m": Model("a")}) != defined({"m": Model("b")})
    assert defined({"c": Client(1)}) != defined({"c": Client(2)})
    assert (
        defined({"s": Server("u", "a")})
        == defined({"s": Server("u", "b")})
        != defined({"s": Server("v", "a")})
    )


def test_another_process_finds_the_same_fingerprint() -> None:
    """Whatever the seed of its hashes, on which the order of sets depends."""
    root = Path(__file__).resolve().parents[2]
    program = (
        "from watership.wiring.application import load_app;"
        f"app = load_app({str(root / 'examples' / 'triage.py') + ':app'!r});"
        "from watership.agents.definition import fingerprint;"
        "print(*(fingerprint(app.directory.definition(card.name)) for card in app.cards()))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
