"""A benchmark counts only work that was done, and says of its figures what they are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks import on_watership
from benchmarks.cases import PEER_SECONDS, PEERS, REPETITIONS, Case
from benchmarks.figures import Latency, Measured, Spread, Throughput, percentile
from benchmarks.load import Load, WrongResult
from benchmarks.peer import Record, StepsMissing, measure_watership
from benchmarks.table import render, summary


def a_measurement(rate: int) -> Measured:
    throughput = Throughput(clients=64, runs=rate, seconds=1.0, cpu_micros_per_run=400.0, other_cores=None)
    latency = Latency(per_second=20.0, milliseconds=(4.0, 5.0, 9.0))
    return Measured(
        peer="watership",
        version="1",
        durability="journal_mode=wal synchronous=2",
        throughput=(throughput,),
        latency=latency,
        runs=rate,
        steps_journaled=3 * rate,
        rss_megabytes=40.0,
    )


async def test_what_is_measured_of_us_is_three_journaled_steps_with_every_commit_on_the_disk(
    tmp_path: Path,
) -> None:
    case = Case(warm_up=2, clients=(1, 4), seconds=0.05, per_second=100.0, latency_seconds=0.05)
    measured = await measure_watership(tmp_path, case)
    assert measured.runs == 2 + 5 + sum(each.runs for each in measured.throughput)
    assert measured.steps_journaled == 3 * measured.runs
    assert measured.durability == "journal_mode=wal synchronous=2"
    assert measured.latency is not None and len(measured.latency.milliseconds) == 5


async def test_a_result_comes_back_only_after_it_is_in_the_file(tmp_path: Path) -> None:
    async with on_watership.opened(tmp_path) as start_and_wait:
        assert await start_and_wait(39) == 42
        assert on_watership.steps_journaled(tmp_path) == 3


async def test_a_wrong_result_ends_the_measurement() -> None:
    async def lazy(number: int) -> int:
        return number

    with pytest.raises(WrongResult):
        await Load(lazy).one()


async def test_a_peer_that_answers_without_journaling_has_no_figures() -> None:
    async def from_memory(number: int) -> int:
        return number + 3

    record = Record()
    await record.take(Load(from_memory), Case(warm_up=3, clients=(), per_second=None))
    with pytest.raises(StepsMissing):
        record.measured("liar", "1", "none", steps=8)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile(list(range(1, 101)), 99) == 99
    assert percentile([7.0], 99) == 7.0


def test_the_table_shows_the_median_with_its_range_and_the_figures_keep_every_repetition() -> None:
    repetitions = {"watership": [a_measurement(rate) for rate in (1000, 3000, 1200)]}
    assert "1,200 [1,000..3,000]" in render(repetitions, "2 cores")
    figures = summary(repetitions, "2 cores")
    assert msgspec.json.decode(msgspec.json.encode(figures["repetitions"])).keys() == {"watership"}
    assert Spread.of([1.0, 3.0, 2.0]) == Spread(median=2.0, least=1.0, most=3.0)


def test_all_cases_together_take_less_than_four_minutes() -> None:
    # Starting a peer and letting its last runs end: a few seconds, measured.
    overhead = 6.0
    planned = [
        len(case.clients) * case.seconds + (case.latency_seconds if case.per_second else 0.0) + overhead
        for case in PEERS.values()
    ]
    assert REPETITIONS * sum(planned) < 240
    assert max(planned) < PEER_SECONDS
