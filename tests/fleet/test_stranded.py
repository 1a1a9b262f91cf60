"""Which runs nobody executes, and when a slot may not be reused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from watership.durable.ids import DeploymentId, WorkerId
from watership.durable.ports import WorkerPresence
from watership.durable.states import RunState
from watership.fleet.build import Build, SchemaRange
from watership.fleet.deployment import LINGERING_LIMIT, Deployment, DeploymentState, Slot
from watership.fleet.stranded import SILENCE, Stranded, TooManyLingering, lingering, stranded

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OLD, NEW = DeploymentId("old"), DeploymentId("new")


def worker(deployment: DeploymentId, silent: timedelta = timedelta()) -> WorkerPresence:
    return WorkerPresence(
        id=WorkerId("w"), deployment=deployment, pool="default", slots=1, seen_at=NOW - silent, leased=0
    )


def deployment(name: DeploymentId, state: DeploymentState = DeploymentState.LINGERING) -> Deployment:
    build = Build(version="1", digest="d", source="s", schema=SchemaRange(1, 1))
    return Deployment(id=name, build=build, slot=Slot.BLUE, state=state, created_at=NOW)


def test_a_waiting_run_whose_deployment_has_no_worker_is_stranded() -> None:
    census = {(OLD, RunState.WAITING): 2, (NEW, RunState.READY): 1}
    found = stranded(census, [worker(NEW)], [deployment(OLD)], NOW)
    assert found == [Stranded(deployment=OLD, runs=2, state=DeploymentState.LINGERING)]


def test_a_worker_that_is_silent_too_long_does_not_count() -> None:
    census = {(OLD, RunState.RUNNING): 1}
    assert stranded(census, [worker(OLD)], [], NOW) == []
    assert [each.deployment for each in stranded(census, [worker(OLD, SILENCE)], [], NOW)] == [OLD]


def test_ended_runs_strand_nobody() -> None:
    assert stranded({(OLD, RunState.SUCCEEDED): 5}, [], [], NOW) == []


def test_a_slot_is_not_reused_when_too_many_deployments_would_linger() -> None:
    names = [DeploymentId(str(n)) for n in range(LINGERING_LIMIT + 1)]
    everyone = [deployment(name) for name in (*names, NEW)]
    census = {(name, RunState.WAITING): 1 for name in (*names, NEW)}

    assert [each.id for each in lingering(everyone[1:], census, serving={NEW})] == names[1:]
    with pytest.raises(TooManyLingering) as refused:
        lingering(everyone, census, serving={NEW})
    assert refused.value.lingering == tuple(names)


def test_a_standby_that_still_has_runs_counts_and_one_whose_runs_have_ended_does_not() -> None:
    everyone = [deployment(OLD, DeploymentState.STANDING), deployment(NEW)]

    found = lingering(everyone, {(OLD, RunState.READY): 1, (NEW, RunState.SUCCEEDED): 9}, serving=())

    assert [each.id for each in found] == [OLD]
