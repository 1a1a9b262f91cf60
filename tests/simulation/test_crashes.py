"""Thousands of histories with crashes in them: each ends as the one without, and every promise holds."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation.agent_run import Evidence, histories, history
from watership.testing.faults import Fault

BY_DAY, BY_NIGHT = 500, 50_000
PROCESSES = 2
CHUNK = 20


def many(count: int) -> list[Evidence]:
    chunks = [range(first, first + CHUNK) for first in range(0, count, CHUNK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        return [evidence for chunk in pool.map(histories, chunks) for evidence in chunk]


def test_without_faults_the_run_ends_as_expected() -> None:
    assert history(0, calm=True).flaws == history(1, calm=True).flaws == ()


def test_a_history_is_the_same_whenever_its_seed_is() -> None:
    assert history(7) == history(7)


@pytest.mark.usefixtures("long")
def test_every_history_with_crashes_ends_as_the_one_without(nightly: bool) -> None:
    seen = many(BY_NIGHT if nightly else BY_DAY)
    failed = [f"seed {evidence.seed}: {'; '.join(evidence.flaws)}" for evidence in seen if evidence.flaws]
    assert not failed, f"{len(failed)} of {len(seen)} histories failed: " + "\n".join(failed[:10])
    struck: Counter[str] = Counter()
    for evidence in seen:
        struck.update(evidence.struck)
    assert {fault: struck[fault] for fault in Fault if struck[fault] < len(seen) // 50} == {}
    assert sum(not evidence.struck for evidence in seen) < len(seen) // 50
