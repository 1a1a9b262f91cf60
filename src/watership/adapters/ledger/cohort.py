"""A cohort is counted from rows of runs: how many were made, and with how many something is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import COHORT_RUNS, FELL, Cohort
from watership.durable.states import RunState
from watership.errors import Unavailable


def cohorts_of(
    deployments: Sequence[DeploymentId], rows: Iterable[tuple[str, str, str]], some: int
) -> dict[DeploymentId, Cohort]:
    """Count rows of (deployment, id, state); one without a row is there, with zeros."""
    runs: dict[str, list[tuple[str, str]]] = {each: [] for each in deployments}
    for deployment, run_id, state in rows:
        runs[deployment].append((run_id, state))
    return {
        each: Cohort(
            made=len(runs[each]),
            fell=sum(RunState(state) in FELL for _, state in runs[each]),
            some=tuple(RunId(run_id) for run_id, _ in sorted(runs[each])[:some]),
        )
        for each in deployments
    }


def too_old() -> Unavailable:
    return Unavailable(f"More than {COHORT_RUNS:,} runs were made since: what became of them is not counted.")
