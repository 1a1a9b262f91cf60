"""The oracle sees what was lost, what was done twice, and what another version did."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tests.journeys.release.load import Record, Sent
from tests.journeys.release.oracle import Line, Work, judge, over_the_cutover
from watership.durable.ids import DeploymentId, RunId
from watership.durable.run import Run
from watership.durable.states import RunState

RESULT = {"number": 7, "total": 8, "version": "2.0.5"}


def a_run(name: str = "r7", result: object = RESULT, state: RunState = RunState.SUCCEEDED) -> Run:
    return Run(
        id=RunId(name),
        program="order",
        input=msgspec.Raw(b'{"number":7}'),
        deployment=DeploymentId("2.0.5-3f9ac1d2"),
        state=state,
        result=msgspec.Raw(msgspec.json.encode(result)),
        created_at=datetime(2026, 11, 29, tzinfo=UTC),
        updated_at=datetime(2026, 11, 29, tzinfo=UTC),
    )


def a_line(part: str = "order", version: str = "2.0.5", at: float = 1.0) -> Line:
    return Line(run="r7", part=part, number=7, version=version, at=at)


def judged(
    runs: list[Run], lines: list[Line], *, door: str = "HTTP", reply: object = None
) -> dict[str, tuple[str, ...]]:
    record = Record(sent={7: Sent("order", door, 0.0, "r7" if door == "HTTP" else "")})
    if reply is not None:
        record.replies[7] = msgspec.json.encode({"result": reply})
    work = Work({7: runs} if runs else {}, {7: lines} if lines else {})
    return {kind: words for kind, words in judge(record, work)._asdict().items() if words}


def test_one_run_with_one_line_and_its_own_result_is_well() -> None:
    assert judged([a_run()], [a_line()]) == {}
    assert judged([a_run()], [a_line()], door="AMQP", reply=RESULT) == {}


def test_what_is_not_there_is_lost() -> None:
    assert list(judged([], [])) == ["lost"]
    assert list(judged([a_run()], [])) == ["lost"]
    assert list(judged([a_run(state=RunState.RUNNING)], [a_line()])) == ["lost"]
    assert list(judged([a_run("another")], [a_line()])) == ["lost"]
    assert list(judged([a_run()], [a_line()], door="AMQP")) == ["lost"]


def test_what_is_there_twice_is_repeated() -> None:
    assert list(judged([a_run(), a_run("r8")], [a_line()])) == ["repeated"]
    assert list(judged([a_run()], [a_line(), a_line()])) == ["repeated"]
    assert list(judge(Record(), Work({7: [a_run()]}, {}))._asdict().items())[1][1]


def test_what_another_version_did_or_gave_is_wrong() -> None:
    assert list(judged([a_run()], [a_line(version="2.1.0")])) == ["wrong"]
    assert list(judged([a_run(result={**RESULT, "total": 800})], [a_line()])) == ["wrong"]
    other = {"number": 7, "total": 800, "currency": "EUR", "version": "2.1.0"}
    assert list(judged([a_run(result=other)], [a_line(version="2.1.0")])) == ["wrong"]
    assert list(judged([a_run()], [a_line()], door="AMQP", reply=other)) == ["wrong"]


def test_a_long_run_is_over_the_cutover_when_it_began_before_and_ended_after() -> None:
    record = Record(sent={7: Sent("haul", "HTTP", 0.0, "r7")})
    for begun, ended, counts in ((1.0, 9.0, True), (5.0, 9.0, False), (1.0, 5.0, False)):
        work = Work({}, {7: [a_line("begun", at=begun), a_line("ended", at=ended)]})
        assert (list(over_the_cutover(record, work, 4.0, 6.0)) == ["2.0.5"]) is counts
