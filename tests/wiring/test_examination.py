"""What `watership doctor` finds."""

from __future__ import annotations

from pathlib import Path

from watership.config import load
from watership.durable.ids import DeploymentId
from watership.durable.states import RunState
from watership.wiring.examination import examine, told


async def test_an_empty_store_has_no_run_that_is_stuck(tmp_path: Path) -> None:
    config = load(tmp_path, {"WATERSHIP_STORE_URL": f"sqlite:///{tmp_path / 'store.db'}"})
    assert [each.state for each in await examine(config) if each.what == "Runs"] == ["ok"]


def test_runs_that_wait_for_a_decision_are_a_warning_that_says_how_to_find_them() -> None:
    one, other = DeploymentId("one"), DeploymentId("other")
    found = told({(one, RunState.IN_DOUBT): 2, (other, RunState.IN_DOUBT): 1, (one, RunState.RUNNING): 9})
    assert (found.state, found.detail) == ("warning", "3 in doubt")
    assert found.fix == "watership run list --state in_doubt"
