"""A dispatch chooses by capability, presence, load and priority, from facts that its journal keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.teams.crew import echoes, failure_of, lead, leader, play, says, world_of
from watership.agents.teams.dispatch import Dispatched, dispatch
from watership.agents.teams.roster import Job, Skilled, Worker, assign, choose, staff
from watership.durable import Program, signal
from watership.durable.ids import DeploymentId, WorkerId
from watership.durable.ports import HEARD_SECONDS, RunFilter, WorkerPresence
from watership.durable.states import RunState
from watership.durable.writes import Renew

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
SKILLS = ("law", "math", "french")


def worker(name: str, *can: str, load: int = 0, slots: int = 4, silent: float | None = 1.0) -> Worker:
    return Worker(name, frozenset(can), load, slots, silent)


def job(name: str, *needs: str, priority: int = 1) -> Job:
    return Job(name, given=name, needs=frozenset(needs), priority=priority)


workers = st.lists(
    st.builds(
        Worker,
        st.sampled_from("abcdef"),
        st.frozensets(st.sampled_from(SKILLS)),
        st.integers(0, 5),
        st.integers(0, 4),
        st.one_of(st.none(), st.floats(0, 120)),
    ),
    unique_by=lambda each: each.name,
)
jobs = st.lists(
    st.builds(
        Job, st.text("xyz", min_size=1), st.none(), st.frozensets(st.sampled_from(SKILLS)), st.integers(0, 2)
    ),
    unique_by=lambda each: each.name,
)

# --- the choice ---------------------------------------------------------------------------------------------


def test_only_who_can_do_it_is_chosen() -> None:
    crew = [worker("a", "law"), worker("b", "law", "math", load=3)]
    assert choose(job("x", "law", "math"), crew) == crew[1]
    assert choose(job("x", "french"), crew) is None


def test_who_was_not_heard_of_is_not_chosen() -> None:
    crew = [worker("a", silent=HEARD_SECONDS + 1), worker("b", silent=None), worker("c", slots=0)]
    assert choose(job("x"), crew) is None


def test_load_is_measured_by_the_slots() -> None:
    crew = [worker("small", load=1, slots=2), worker("large", load=3, slots=8)]
    assert choose(job("x"), crew) == crew[1]


def test_of_equals_the_one_of_fewer_skills_is_taken() -> None:
    crew = [worker("all", *SKILLS), worker("law", "law")]
    assert choose(job("x", "law"), crew) == crew[1]


def test_jobs_of_a_higher_priority_choose_first() -> None:
    crew = [worker("idle", slots=1), worker("busy", load=3, slots=4)]
    chosen = assign([job("low", priority=0), job("high", priority=2)], crew)
    assert chosen == {"low": "busy", "high": "idle"}


def test_what_is_assigned_counts_as_load_for_the_next() -> None:
    crew = [worker("a", slots=2), worker("b", slots=2)]
    chosen = assign([job(f"{number}") for number in range(4)], crew)
    assert sorted(chosen.values(), key=str) == ["a", "a", "b", "b"]


@given(jobs, workers)
def test_an_assignment_is_always_to_somebody_who_is_there_and_can_do_it(
    given_jobs: list[Job], crew: list[Worker]
) -> None:
    known = {each.name: each for each in crew}
    chosen = assign(given_jobs, crew)
    assert [*chosen] == [each.name for each in given_jobs]
    for each in given_jobs:
        name = chosen[each.name]
        able = [one for one in crew if one.present and each.needs <= one.can]
        assert (name is None) == (not able)
        assert name is None or (known[name] in able)


@given(jobs.filter(len), workers)
def test_the_first_to_choose_takes_the_least_loaded(given_jobs: list[Job], crew: list[Worker]) -> None:
    first = max(given_jobs, key=lambda each: each.priority)
    name = assign(given_jobs, crew)[first.name]
    if name is not None:
        loads = {
            each.name: Fraction(each.load, each.slots)
            for each in crew
            if each.present and first.needs <= each.can
        }
        assert loads[name] == min(loads.values())


@given(jobs, workers, st.randoms())
def test_the_order_of_the_roster_changes_nothing(
    given_jobs: list[Job], crew: list[Worker], random: object
) -> None:
    other = [*crew]
    random.shuffle(other)  # type: ignore[attr-defined]
    assert assign(given_jobs, other) == assign(given_jobs, crew)


def presence(name: str, pool: str, *, slots: int = 4, leased: int = 0, ago: float = 1.0) -> WorkerPresence:
    return WorkerPresence(
        id=WorkerId(name),
        deployment=DeploymentId("d"),
        pool=pool,
        slots=slots,
        leased=leased,
        seen_at=NOON - timedelta(seconds=ago),
    )


def test_heartbeats_of_a_pools_workers_make_its_agents_present() -> None:
    crew = {
        "writer": Skilled(frozenset({"french"})),
        "painter": Skilled(pool="gpu"),
        "idle": Skilled(pool="none"),
    }
    there = [
        presence("w1", "default", leased=3),
        presence("w2", "default", slots=2, leased=1, ago=20),
        presence("w3", "default", leased=4, ago=500),  # gone: its slots are no slots
        presence("w4", "gpu", ago=500),
    ]
    assert staff(crew, there, NOON) == (
        Worker("writer", frozenset({"french"}), load=4, slots=6, silent=1.0, pool="default"),
        Worker("painter", frozenset(), load=0, slots=0, silent=500.0, pool="gpu"),
        Worker("idle", frozenset(), load=0, slots=0, silent=None, pool="none"),
    )
    assert [each.present for each in staff(crew, there, NOON)] == [True, False, False]


# --- the program --------------------------------------------------------------------------------------------


class Board:
    """A roster that changes: each look gives the next, and then the last one again."""

    def __init__(self, *looks: list[Worker]) -> None:
        self.looks = looks
        self.seen = 0

    async def __call__(self) -> list[Worker]:
        self.seen += 1
        return self.looks[min(self.seen, len(self.looks)) - 1]


def done(name: str) -> Program:
    return echoes(name, lambda given: f"{given} by {name}")


def test_jobs_are_done_by_those_who_can() -> None:
    board = Board([worker("lawyer", "law"), worker("teacher", "math", "french")])

    async def body() -> Dispatched:
        return await dispatch([job("contract", "law"), job("homework", "math")], board)

    found = msgspec.convert(lead(body, done("lawyer"), done("teacher")), Dispatched)
    assert found.results == {"contract": "contract by lawyer", "homework": "homework by teacher"}
    assert found.by == {"contract": "lawyer", "homework": "teacher"}


def test_a_job_waits_for_somebody_who_can_do_it() -> None:
    board = Board([], [], [worker("lawyer", "law")])

    async def body() -> Dispatched:
        return await dispatch([job("contract", "law")], board)

    assert lead(body, done("lawyer"))["by"] == {"contract": "lawyer"}


def test_a_job_that_nobody_can_do_fails_and_says_so() -> None:
    async def body() -> Dispatched:
        return await dispatch([job("contract", "law")], Board([worker("teacher", "math")]), looks=3)

    failure = lead(body)["failures"]["contract"]
    assert failure["code"] == "nobody_there"
    assert "Nobody is there for job 'contract', which needs law, after 3 looks." in failure["message"]


def test_a_failed_job_goes_to_another_worker_where_it_may() -> None:
    board = Board([worker("first"), worker("second", "law")])

    async def body(tries: int) -> Dispatched:
        return await dispatch([job("x")], board, tries=tries)

    crew = (says("first", OSError("no line")), done("second"))
    again = lead(lambda: body(2), *crew)
    assert (again["by"], again["failures"]) == ({"x": "second"}, {})
    once = lead(lambda: body(1), *crew)
    assert once["by"] == {} and once["failures"]["x"]["kind"] == "ChildFailed"


def test_agents_are_present_by_the_heartbeats_of_their_own_pool() -> None:
    crew = {"here": Skilled(frozenset({"law"})), "away": Skilled(frozenset({"law"}), pool="gpu")}

    async def body() -> Dispatched:
        return await dispatch([job("x", "law"), job("y", "law")], crew, looks=1)

    async def main() -> object:
        async with world_of(leader(body), done("here"), done("away")) as world:
            await world.write(
                Renew(
                    worker=WorkerId("stranger"),
                    deployment=DeploymentId("other"),
                    pool="gpu",
                    slots=9,
                    runs={},
                    lease_seconds=15,
                )
            )
            run = await world.end_of(await world.submit("leader"))
            return msgspec.json.decode(run.result)["by"]

    assert play(main) == {"x": "here", "y": "here"}


def test_a_job_runs_in_the_pool_of_its_worker() -> None:
    async def body() -> Dispatched:
        board = Board([Worker("painter", frozenset(), 0, 4, 1.0, "gpu"), worker("other", load=3)])
        return await dispatch([job("x")], board)

    async def main() -> object:
        async with world_of(leader(body), done("painter")) as world:
            run_id = await world.submit("leader")
            await world.until(run_id, RunState.WAITING)
            page = await world.memory.list(RunFilter(parent=run_id))
            return [(each.program, each.pool) for each in page.runs]

    assert play(main) == [("painter", "gpu")]


def test_a_replay_chooses_by_the_facts_of_its_journal() -> None:
    board = Board([worker("first")], [worker("second")])

    async def body() -> Dispatched:
        found = await dispatch([job("x")], board)
        await signal("go")
        return found

    async def main() -> object:
        crew = (done("first"), done("second"))
        async with world_of(leader(body), *crew) as world:
            run_id = await world.submit("leader")
            await world.until(run_id, RunState.WAITING)
            await world.clock.sleep(30)
            for each in world.workers:
                world.crash(each)
            await world.clock.sleep(5)
            await world.deliver(run_id, "go")
            return msgspec.json.decode((await world.end_of(run_id)).result)["by"]

    assert play(main) == {"x": "first"} and board.seen == 1


@pytest.mark.parametrize("wrong", [{"tries": 0}, {"looks": 0}, {"jobs": []}, {"jobs": [job("x"), job("x")]}])
def test_a_dispatch_of_nothing_is_refused(wrong: dict[str, object]) -> None:
    async def body() -> Dispatched:
        return await dispatch(**{"jobs": [job("x")], "roster": Board([worker("a")]), **wrong})  # type: ignore[arg-type]

    assert failure_of(body).startswith("BadInput")
