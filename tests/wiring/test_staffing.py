"""The doctor says whose accepted work nobody does."""

from __future__ import annotations

from watership.durable.ids import DeploymentId
from watership.wiring.staffing import told

BLUE, GREEN = DeploymentId("blue-2"), DeploymentId("green-1")


def test_workers_are_counted_by_their_pools() -> None:
    finding = told({GREEN: {"default": 2, "gpu": 1}, BLUE: {"default": 1}})
    assert finding.state == "ok"
    assert finding.detail == (
        "2 in pool default of green-1, 1 in pool gpu of green-1, 1 in pool default of blue-2"
    )


def test_a_deployment_without_a_worker_is_named_with_the_command_that_starts_one() -> None:
    finding = told({GREEN: {"default": 2}, BLUE: {}})
    assert finding.state == "warning"
    assert "blue-2" in finding.detail
    assert finding.fix == "watership worker --app FILE.py:NAME --deployment blue-2"


def test_where_nothing_takes_new_work_no_worker_is_missed() -> None:
    finding = told({})
    assert (finding.state, finding.fix) == ("warning", "Start one: watership serve --app FILE.py:NAME")
