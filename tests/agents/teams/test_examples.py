"""The examples run: examples/triage.py, and every piece of Python in docs/teams.md."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.agents.teams.crew import echoes, keys, lead, play, says
from watership import App
from watership.durable import Program
from watership.durable.states import RunState
from watership.testing.faults import Nemesis
from watership.testing.simulation import World

ROOT = Path(__file__).parents[3]
PIECES: list[str] = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "teams.md").read_text(encoding="utf-8"), re.DOTALL
)


def example() -> App:
    spec = spec_from_file_location("triage", ROOT / "examples" / "triage.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    app: App = module.app
    return app


def world_of(programs: dict[str, Program]) -> World:
    return World(programs, workers=3, nemesis=Nemesis(0, most=0))


def sent(ticket: str) -> Any:
    """What becomes of a ticket without a person."""

    async def main() -> Any:
        async with world_of(example().programs) as world:
            run = await world.end_of(await world.submit("triage", {"ticket": ticket}))
            return msgspec.json.decode(run.result)

    return play(main)


@pytest.mark.parametrize(
    ("ticket", "team"),
    [
        ("My card was charged twice.\nPlease refund it.", "billing"),
        ("I cannot login. My account is locked", "account"),
        ("An error 500 on every page. Also: where is my invoice?", "technical"),
    ],
)
def test_a_ticket_goes_to_the_team_that_two_agree_on(ticket: str, team: str) -> None:
    assert sent(ticket) == {"team": team, "by": "vote"}


def test_a_ticket_that_splits_the_vote_waits_for_a_person() -> None:
    async def main() -> Any:
        async with world_of(example().programs) as world:
            ticket = "The page is slow. My card was charged, and the invoice is wrong"
            run_id = await world.submit("triage", {"ticket": ticket})
            run = await world.until(run_id, RunState.WAITING)
            while not any(each.kind == "signal" for each in run.waits):
                await world.clock.sleep(1.0)
                run = await world.run(run_id)
            answer = {"granted": True, "by": "ada", "note": "billing"}
            await world.deliver(run_id, "approval", answer)
            run = await world.end_of(run_id)
            ballots = [key for key in await keys(world, run_id) if "/answer/" in key]
            return msgspec.json.decode(run.result), len(ballots)

    assert play(main) == ({"team": "billing", "by": "ada"}, 3)


def test_the_documentations_vote_is_held() -> None:
    names: dict[str, Any] = {}
    exec(PIECES[0], names)  # noqa: S102 - our own documentation
    app: App = names["app"]

    @app.agent
    async def reader(prompt: str) -> str:
        return "billing"

    @app.agent
    async def historian(prompt: str) -> str:
        return "billing"

    @app.agent
    async def sceptic(prompt: str) -> str:
        raise OSError("no line")

    async def main() -> Any:
        async with world_of(app.programs) as world:
            return msgspec.json.decode((await world.end_of(await world.submit("triage", "Pay!"))).result)

    assert play(main) == "billing"


def piece(word: str) -> str:
    """The documentation's only piece of Python with this word."""
    (found,) = [each for each in PIECES if word in each]
    return found


def lived(word: str, *crew: Program, **given: object) -> dict[str, Any]:
    """A piece of the documentation as the body of a program: the names that it made."""
    lines = [f"    {line}" for line in piece(word).splitlines()]
    source = "\n".join(["async def body():", *lines, "    return locals()"])
    names: dict[str, Any] = {**given}
    exec(source, names)  # noqa: S102 - our own documentation
    made: dict[str, Any] = {}

    async def body() -> None:
        made.update(await names["body"]())

    lead(body, *crew)
    return made


def test_the_documentations_fan_out_gathers_two_of_three() -> None:
    translator = echoes("translator", lambda text: f"{text}, translated")
    gathered = lived("await fan_out(", translator, text="Hare")["gathered"]
    assert gathered.results == dict.fromkeys(("de", "fr", "it"), "Hare, translated")


def test_the_documentations_pipeline_passes_its_ticket_on() -> None:
    crew = [
        echoes(name, lambda text, name=name: f"{text} {name}")  # type: ignore[misc]
        for name in ("translator", "redactor", "summarizer")
    ]
    assert lived("await pipeline(", *crew, ticket="#1")["summary"] == "#1 translator redactor summarizer"


def test_the_documentations_hand_off_reaches_billing() -> None:
    billing = echoes("billing", lambda message: f"paid: {message}")
    relayed = lived("await relay(", billing, message="my invoice")["relayed"]
    assert (relayed.answer, relayed.by) == ("paid: my invoice", "billing")


def test_the_documentations_debate_is_judged() -> None:
    crew = [says("pro", "Yes."), says("contra", "No."), says("judge", "contra")]
    assert lived("await debate(", *crew)["ended"].winner == "contra"


def test_the_documentations_brainstorm_ends_in_a_proposal() -> None:
    crew = [
        says("poet", ["Fiver"]),
        says("engineer", ["Hazel"]),
        says("critic", [0.5, 0.75]),
        says("editor", "Hazel."),
    ]
    found = lived("await brainstorm(", *crew)["found"]
    assert (found.synthesis, found.stopped, len(found.ideas)) == ("Hazel.", "nothing_new", 2)


def test_the_documentations_dispatch_finds_the_lawyer() -> None:
    lawyer = echoes("lawyer", lambda text: f"signed: {text}")
    done = lived("await dispatch(", lawyer, text="a contract", others=[])["done"]
    assert (done.results, done.by) == ({"contract": "signed: a contract"}, {"contract": "lawyer"})
