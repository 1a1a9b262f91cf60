"""The shipped examples run, offline and without a key: each as whoever reads it would use it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.agents.office import Office, in_office
from tests.agents.stage import GREEN
from watership import App
from watership.agents.budget import MONEY
from watership.durable.ids import RunId
from watership.durable.ports import RunFilter
from watership.durable.states import RunState
from watership.wiring.application import load_app
from watership.wiring.engines import use_pydantic_ai

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No provider is there, and none is asked for."""
    for name in ("MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    use_pydantic_ai()


def example(name: str) -> App:
    return load_app(f"{EXAMPLES / name}.py:app")


def test_hello_greets() -> None:
    async def play(office: Office) -> None:
        assert await office.result(await office.start("hello", {"name": "Ada"})) == "Hello, Ada!"

    in_office(example("hello"), play)


ANGLES = {"question": "Why do owls hoot?", "angles": ["biology", "myth"]}


def test_a_research_team_publishes_what_a_person_let_out() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("research", ANGLES)
        shown = msgspec.json.decode((await office.asked(run_id)).about)
        assert "territory" in shown["details"]["report"]
        assert "Athens" in shown["details"]["report"]
        await office.answer(run_id, office.person("ada", "writer"), {"granted": True})
        result = await office.result(run_id)
        assert isinstance(result, dict)
        assert (result["by"], result["published"]) == ("ada", f"published {len(result['report'])} letters")
        children = (await office.stage.store.list(RunFilter(parent=run_id))).runs
        assert [(child.program, child.state) for child in children] == 2 * [
            ("researcher", RunState.SUCCEEDED)
        ]

    in_office(example("research"), play)


def test_a_report_that_nobody_wants_is_not_published() -> None:
    async def play(office: Office) -> None:
        run_id = await office.start("research", ANGLES)
        await office.answer(run_id, office.person("ada", "writer"), {"granted": False, "note": "Too short."})
        result = await office.result(run_id)
        assert isinstance(result, dict)
        assert (result["published"], result["why"]) == (False, "Too short.")

    in_office(example("research"), play)


def test_a_keeper_lives_for_months_in_short_journals_under_one_budget() -> None:
    async def play(office: Office) -> None:
        await office.stage.store.set_weights({GREEN: 100}, epoch=1)
        run_id = await office.start("keeper", {"days": 20})
        for _ in range(21):
            await office.stage.clock.sleep(86_401)
            await office.work()
        lives = (await office.stage.store.list(RunFilter(program="keeper"))).runs[::-1]
        assert len(lives) == 3
        assert max(run.seq for run in lives) < 60
        assert msgspec.json.decode(lives[-1].result) == {"days": 20, "watered": 7}
        first = lives[0]
        assert first.id == RunId(run_id)
        (count,) = await office.stage.store.counts([f"run:{run_id}/keeper/{MONEY}"])
        assert count.reserved == 0
        assert count.spent > 0

    in_office(example("keeper"), play)
