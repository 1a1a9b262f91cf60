"""The judge sees what went wrong, whoever says that all is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from watership.demo import expected
from watership.demo.figures import Figures, Kills, promises, verdict
from watership.demo.judge import Records, ReleaseRecord, judge, lost, repeated
from watership.demo.oracle import Entered
from watership.demo.traffic.record import AcceptedRun, Cell, Summary
from watership.durable.events import AnyEvent, Entry, Failure, Finished, StepAnswered, StepDone, StepFailed
from watership.durable.ids import DeploymentId, Key, RunId
from watership.durable.run import Run
from watership.durable.states import RunState

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GOOD, BROKEN, OLD = "2.1.0-good", "2.2.0-broken", "2.0.5-old"
VERSIONS = {OLD: "2.0.5", GOOD: "2.1.0", BROKEN: "2.2.0"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def cell(second: int, deployment: str, count: int = 1, *, status: int = 200, what: str = "fact") -> Cell:
    made = Cell(
        second=int(START.timestamp()) + second,
        what=what,
        status=status,
        deployment=deployment,
        slot="blue",
        version=VERSIONS.get(deployment, "") if status == 200 else "",
        count=count,
    )
    made.latencies[2] = count
    return made


def accepted(run: str, word: str = "gate") -> AcceptedRun:
    return AcceptedRun(run=run, agent="find", input={"word": word}, granted=True, deployment=OLD, at=START)


def run(name: str, result: Any, *, state: RunState = RunState.SUCCEEDED, deployment: str = OLD) -> Run:
    return Run(
        id=RunId(name),
        program="find",
        input=msgspec.Raw(b"{}"),
        state=state,
        deployment=DeploymentId(deployment),
        created_at=START,
        updated_at=START,
        result=msgspec.Raw(msgspec.json.encode(result)),
    )


def entry(name: str, seconds: float, event: AnyEvent) -> Entry:
    return Entry(run_id=RunId(name), seq=1, epoch=1, at=at(seconds), event=event)


def records(**changes: Any) -> Records:
    given: dict[str, Any] = {
        "traffic": Summary(started_at=START, cells=[cell(1, OLD, 10)]),
        "accepted": [accepted("r1")],
        "runs": {"r1": run("r1", expected.result("2.0.5", "find", {"word": "gate"}))},
        "journals": {},
        "entered": [Entered(run="r1", key="search/0", attempt=1, at=START, pid=1)],
        "findings": {},
        "versions": VERSIONS,
        "good": ReleaseRecord(
            version="2.1.0",
            deployment=GOOD,
            outcome="promoted",
            split_at=at(10.4),
            full_at=at(20.9),
            drained_at=at(21.4),
        ),
        "broken": ReleaseRecord(
            version="2.2.0",
            deployment=BROKEN,
            outcome="rolled_back",
            split_at=at(40),
            decided_at=at(42.5),
            returned_at=at(42.75),
        ),
        "audit_verified": True,
        "report": "report.html",
        "kills": Kills(),
        "seed": 1,
        "seconds": 60.0,
    }
    return Records(**(given | changes))


def test_a_run_with_the_expected_result_is_not_lost() -> None:
    assert lost(records()) == []


def test_a_run_is_lost_that_the_store_does_not_know() -> None:
    assert lost(records(runs={})) == ["r1 (find): it is not in the store"]


def test_a_run_is_lost_that_has_not_ended() -> None:
    waiting = run("r1", None, state=RunState.WAITING)

    assert "it is waiting" in lost(records(runs={"r1": waiting}))[0]


def test_a_run_is_lost_that_ended_with_another_versions_answer() -> None:
    answer = run("r1", expected.result("2.1.0", "find", {"word": "gate"}))

    assert "instead of" in lost(records(runs={"r1": answer}))[0]


def test_a_run_is_lost_whose_finding_was_not_recorded() -> None:
    asked = AcceptedRun(
        run="r1", agent="register", input={"word": "gate"}, granted=True, deployment=OLD, at=START
    )
    ended = run("r1", expected.result("2.0.5", "register", {"word": "gate"}))

    assert "recorded as None" in lost(records(accepted=[asked], runs={"r1": ended}))[0]
    assert lost(records(accepted=[asked], runs={"r1": ended}, findings={"r1": 10})) == []


DONE = StepDone(key=Key("search/0"), name="search", identity="x", value=msgspec.Raw(b"1"))
FAILED = StepFailed(key=Key("search/0"), name="search", identity="x", failure=Failure("E", "no"))


def entered(seconds: float) -> Entered:
    return Entered(run="r1", key="search/0", attempt=1, at=at(seconds), pid=1)


def test_a_body_entered_before_its_result_was_journaled_is_not_repeated_however_often() -> None:
    journal = {"r1": [entry("r1", 5, DONE)]}

    assert repeated([entered(1), entered(4.9)], journal) == []


def test_a_body_entered_after_its_result_was_journaled_is_repeated() -> None:
    for settled in (DONE, FAILED, StepAnswered(key=Key("search/0"), decision="done", by="check")):
        assert len(repeated([entered(1), entered(5.1)], {"r1": [entry("r1", 5, settled)]})) == 1


def test_a_body_entered_after_it_was_decided_to_try_again_is_not_repeated() -> None:
    again = StepAnswered(key=Key("search/0"), decision="retry", by="check")

    assert repeated([entered(1), entered(5.1)], {"r1": [entry("r1", 5, again)]}) == []


def test_requests_fail_except_for_the_broken_releases_own_errors() -> None:
    cells = [
        cell(41, BROKEN, 8, status=500),
        cell(41, BROKEN, 60),
        cell(41, GOOD, 1, status=500),
        cell(41, "", 2, status=0),
        cell(42, BROKEN, 4, status=502),
        cell(42, BROKEN, 16, status=500, what="message"),
    ]
    figures = judge(records(traffic=Summary(started_at=START, cells=cells)))

    assert figures.requests_failed == 1 + 2 + 4 + 16
    assert figures.broken_release.requests_failed_before_rollback == 8
    assert figures.requests_total == 91


def test_the_split_is_that_of_the_whole_seconds_in_which_both_served() -> None:
    cells = [cell(10, OLD, 900), cell(11, OLD, 49), cell(11, GOOD, 51), cell(21, GOOD, 900)]
    figures = judge(records(traffic=Summary(started_at=START, cells=cells)))

    assert figures.split_observed == 0.51
    assert figures.requests_on_next_before_promotion == 51


def test_times_are_those_between_the_records() -> None:
    figures = judge(records())

    assert figures.cutover_seconds == 11.0
    assert figures.broken_release.detect_seconds == 2.5
    assert figures.broken_release.rollback_seconds == 0.25


def test_a_run_is_in_flight_at_the_cutover_if_it_ended_after_it() -> None:
    end = Finished(key=Key(""), state="succeeded")

    assert judge(records(journals={"r1": [entry("r1", 11, end)]})).runs_in_flight_at_cutover == 1
    assert judge(records(journals={"r1": [entry("r1", 10, end)]})).runs_in_flight_at_cutover == 0


def broken_words(figures: Figures, *, whole: bool) -> list[str]:
    return [each.words for each in promises(figures, chaos=True) if verdict(each, whole=whole) == "broken"]


def test_a_short_demo_does_not_promise_volumes_and_a_whole_one_does() -> None:
    figures = judge(records(traffic=Summary(started_at=START, cells=[cell(41, BROKEN, 8, status=500)])))

    assert broken_words(figures, whole=False) == []
    assert "12,000 requests were made" in broken_words(figures, whole=True)
    assert "3 workers were killed with a run in hand" in broken_words(figures, whole=True)


def test_what_is_not_known_is_a_broken_promise() -> None:
    unknown = ReleaseRecord(version="2.2.0", deployment=BROKEN, outcome="rolled_back")
    figures = judge(records(broken=unknown))

    assert "the rollback took less than 5 s" in broken_words(figures, whole=False)


def test_nothing_accepted_is_not_nothing_lost() -> None:
    figures = replace(judge(records()), runs_accepted=0)

    assert "no accepted run was lost" in broken_words(figures, whole=False)
