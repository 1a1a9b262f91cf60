"""The table of peers says only what was measured; what was not is a goal missed, and a failure has its reason."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path as File

import msgspec
import pytest

from benchmarks.load import WrongResult
from benchmarks.peers import goals
from benchmarks.peers.cases import FULL, JOBS, QUICK
from benchmarks.peers.connection import Answer, Broken, Connection, connect
from benchmarks.peers.figures import Cost, Engine, Failed, Figures, Jobs, Path, Recovery, Steady, Survival
from benchmarks.peers.jobs import compare, latency
from benchmarks.peers.marks import mark, marks
from benchmarks.peers.meter import Meter, Reading, pss_megabytes
from benchmarks.peers.peer import MODULES, TITLES, Pending
from benchmarks.peers.place import Place
from benchmarks.peers.table import profile, render

COST = Cost(micros={"serve": 100.0, "worker": 250.0, "postgres": 150.0}, other_cores=0.1)


def a_path(connections: int, rate: float, *, errors: int = 0) -> Path:
    return Path(
        connections=connections,
        accepted=int(rate * 2),
        refused=0,
        errors=errors,
        complaints=(),
        seconds=1.0,
        drained_seconds=2.0,
        cost=COST,
        http_milliseconds=(1.0, 2.0),
        done_p50=10.0,
        done_p99=20.0,
        done_most=30.0,
    )


def some_jobs(peer: str, rate: int) -> Jobs:
    return Jobs(
        peer=peer,
        version="1",
        jobs=rate,
        submitted_seconds=0.5,
        seconds=1.0,
        cost=COST,
        per_second=50.0,
        milliseconds=(4.0, 5.0),
    )


def everything() -> Figures:
    """All goals reached, each just so."""
    celery = [some_jobs("celery-redis", 900), some_jobs("celery-postgres", 300)]
    paths = [a_path(64, rate) for rate in (2_000, 3_000, 4_000)] + [a_path(256, 2_500), a_path(1_000, 2_500)]
    engines = [
        Engine(peer="watership", clients=clients, runs=rate, seconds=1.0, cost=COST)
        for clients, rate in ((64, 5_000), (256, 8_000))
    ]
    steady = Steady(per_second=50.0, http_milliseconds=(5.0,), done_milliseconds=(8.0,), cost=COST)
    recovery = Recovery(
        peer="watership", milliseconds=(100.0,), megabytes=(45.0,), processes=1, import_milliseconds=(350.0,)
    )
    return [*celery, *paths, *engines, steady, recovery, Survival(lost=0)]


def test_every_goal_is_reached_by_figures_that_are_just_good_enough() -> None:
    assert goals.missed(goals.values(everything())) == []


def test_a_goal_that_was_not_measured_is_missed_and_what_is_required_of_it_is_fatal() -> None:
    assert goals.missed({}) == [goal.name for goal in goals.GOALS]
    assert goals.fatal({}) == ["path_64", "path_over_celery"]


def test_runs_that_were_not_looked_for_after_the_crash_are_not_taken_for_survivors() -> None:
    unlooked: Figures = [each for each in everything() if not isinstance(each, Survival)]
    assert goals.missed(goals.values(unlooked)) == ["lost"]
    assert goals.missed(goals.values([*unlooked, Survival(lost=1)])) == ["lost"]


def test_the_goal_over_celery_needs_both_of_its_rows_and_is_measured_by_the_better_one() -> None:
    assert goals.values(everything())["path_over_celery"] == 3_000 / 900
    one_row = [each for each in everything() if not (isinstance(each, Jobs) and each.peer == "celery-redis")]
    assert "path_over_celery" in goals.missed(goals.values(one_row))


def test_a_job_that_nobody_took_over_is_no_recovery_however_quick_the_others_were() -> None:
    figures = [
        msgspec.structs.replace(each, not_recovered="not within 20 s") if isinstance(each, Recovery) else each
        for each in everything()
    ]
    assert goals.missed(goals.values(figures)) == ["recovery"]
    assert "not within 20 s" in render(figures, goals.values(figures), None, "2 cores")


def test_the_worst_repetition_counts_for_what_must_never_happen() -> None:
    figures = [*everything(), a_path(1_000, 2_500), a_path(1_000, 2_500, errors=1)]
    assert goals.values(figures)["errors_1000"] == 1
    assert goals.missed(goals.values(figures)) == ["errors_1000"]


def test_less_than_the_required_is_fatal_and_less_than_the_goal_is_not() -> None:
    slow = [each for each in everything() if not (isinstance(each, Path) and each.connections == 64)]
    assert goals.fatal(goals.values([*slow, a_path(64, 2_700)])) == []
    assert goals.fatal(goals.values([*slow, a_path(64, 999)])) == ["path_64", "path_over_celery"]


def test_the_table_shows_medians_with_their_range_and_no_row_for_who_failed() -> None:
    figures = [*everything(), Failed(peer="taskiq", kind="jobs", error="ended with 1: no route")]
    text = render(figures, goals.values(figures), None, "2 cores")
    assert "3,000 [2,000..4,000]" in text
    assert "taskiq, jobs: ended with 1: no route" in text
    assert TITLES["taskiq"] not in text


def test_a_missed_goal_is_printed_with_the_processes_that_used_the_cpu_the_most_first() -> None:
    slow = [each for each in everything() if not (isinstance(each, Path) and each.connections == 64)]
    slow.append(a_path(64, 2_700))
    text = render(slow, goals.values(slow), None, "2 cores")
    assert "Where the CPU went" in text
    assert profile([COST]) == "worker 250 + postgres 150 + serve 100"
    assert "Where the CPU went" not in render(everything(), goals.values(everything()), None, "")


def test_figures_come_back_from_the_process_that_measured_as_they_were() -> None:
    sent = msgspec.json.encode(everything())
    assert msgspec.json.decode(sent, type=Figures) == everything()


def test_what_others_used_is_what_the_machine_was_busy_with_beyond_the_measured() -> None:
    before = Reading({"client": 1.0, "worker": 2.0}, busy=10.0)
    cost = before.cost(Reading({"client": 2.0, "worker": 2.5}, busy=12.0), jobs=1_000, seconds=2.0)
    assert cost.micros == {"client": 1_000.0, "worker": 500.0}
    assert cost.other_cores == 0.25


def test_a_meter_counts_the_cpu_of_its_own_process_and_memory_is_that_of_living_ones() -> None:
    before = Meter({}).read()
    sum(number * number for number in range(300_000))
    assert Meter({}).read().seconds["client"] > before.seconds["client"]
    assert pss_megabytes(os.getpid()) > 5


def test_a_wrong_result_of_a_job_ends_the_measurement() -> None:
    compare(1, 2)
    with pytest.raises(WrongResult):
        compare(1, 1)


class Immediate:
    """A peer that is done at once, with so much added."""

    def __init__(self, added: int = 1) -> None:
        self._added = added

    async def submit(self, number: int) -> Pending:
        async def result() -> int:
            return number + self._added

        return result

    async def stored(self) -> int:
        return 0

    async def nap(self, path: str) -> None: ...


async def test_jobs_at_a_fixed_rate_are_all_timed_and_compared() -> None:
    assert len(await latency(Immediate(), iter(range(100)), per_second=200.0, seconds=0.05)) == 10
    with pytest.raises(ExceptionGroup) as wrong:
        await latency(Immediate(added=2), iter(range(100)), per_second=200.0, seconds=0.05)
    assert wrong.group_contains(WrongResult)


def test_marks_tell_who_began_and_in_which_order(tmp_path: File) -> None:
    path = tmp_path / "marks"
    assert marks(path) == []
    assert [mark(str(path)), mark(str(path))] == [1, 2]
    first, second = marks(path)
    assert first.pid == second.pid and first.at <= second.at


def test_a_place_reaches_a_process_by_its_environment_which_has_none_of_our_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATERSHIP_STORE_URL", "sqlite:///elsewhere.db")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    place = Place(peer="dbos", postgres="p", rabbit="r", redis="c", where="f", servers={"postgres": 1})
    environment = place.environment()
    assert "WATERSHIP_STORE_URL" not in environment
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert msgspec.json.decode(environment["PEERS_PLACE"], type=Place) == place


def test_every_peer_has_a_module_a_title_and_a_number_of_jobs_and_both_plans_end_in_time() -> None:
    assert set(MODULES) == set(TITLES) == set(JOBS) == set(QUICK.jobs)
    # The rest of ten, and of two, minutes is for the crash, the last questions, and the servers' end.
    assert FULL.seconds <= 570 and QUICK.seconds <= 106


@asynccontextmanager
async def a_server(answers: Mapping[bytes, bytes]) -> AsyncIterator[str]:
    """Answers a request by its first line; ends the connection for what it does not know."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            answer = answers.get(head.split(b"\r\n", 1)[0])
            if answer is None:
                break
            if length := [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]:
                await reader.readexactly(int(length[0].split()[1]))
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_connection_reads_answers_one_after_the_other_and_says_when_it_breaks() -> None:
    accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"
    busy = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
    async with a_server({b"POST /a HTTP/1.1": accepted, b"GET /b HTTP/1.1": busy}) as url:
        connection: Connection = await connect(url)
        assert await connection.post(b"/a", b'{"n":1}') == Answer(202, b"{}")
        assert await connection.get(b"/b") == Answer(429, b"")
        assert await connection.post(b"/a", b'{"n":2}') == Answer(202, b"{}")
        with pytest.raises(Broken):
            await connection.get(b"/unknown")
        with pytest.raises(Broken):
            await connection.get(b"/b")
