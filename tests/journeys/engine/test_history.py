"""The checker finds what is planted: each test is a history that a correct system never makes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.journeys.engine.entries import Acted, Entered
from tests.journeys.engine.history import Accepted, Frozen, History, Judgement, judge
from watership.durable.events import (
    AnyEvent,
    Entry,
    Failure,
    Finished,
    StepAnswered,
    StepDone,
    StepStarted,
)
from watership.durable.ids import DeploymentId, Key, RunId
from watership.durable.run import Run
from watership.durable.states import RunState

KEY = Key("double/0")
PID, OTHER = 11, 12


def at(second: float) -> datetime:
    return datetime.fromtimestamp(1_000 + second, UTC)


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def journal(*written: tuple[int, float, AnyEvent], run: str = "r") -> list[Entry]:
    """Entries, each of an epoch and at a second."""
    return [
        Entry(run_id=RunId(run), seq=seq, epoch=epoch, at=at(second), event=event)
        for seq, (epoch, second, event) in enumerate(written, 1)
    ]


def done(key: Key = KEY) -> StepDone:
    return StepDone(key=key, name="double", identity="i", value=raw(10))


def end(state: RunState = RunState.SUCCEEDED) -> Finished:
    return Finished(key=Key("end"), state=state, result=raw(10))


def entered(
    epoch: int, second: float, *, pid: int = PID, looked: float | None = None, run: str = "r"
) -> Entered:
    looked_at = second if looked is None else looked
    return Entered(run=run, key=KEY, epoch=epoch, pid=pid, at=1_000 + second, looked_at=1_000 + looked_at)


def a_run(run: str = "r", **facts: Any) -> Run:
    given: dict[str, Any] = {
        "id": RunId(run),
        "program": "leaf",
        "input": raw({"number": 5}),
        "state": RunState.SUCCEEDED,
        "result": raw(10),
        "deployment": DeploymentId("d"),
        "created_at": at(0),
        "updated_at": at(0),
        "epoch": 1,
        "seq": 2,
    }
    return Run(**(given | facts))


def accepted(run: str = "r", **facts: Any) -> Accepted:
    return Accepted(**({"key": f"k-{run}", "run": run, "agent": "leaf", "input": {"number": 5}} | facts))


GOOD = journal((1, 2, done()), (1, 3, end()))


def judged(
    *,
    runs: Sequence[Run] = (a_run(),),
    journals: dict[str, list[Entry]] | None = None,
    entries: Sequence[Entered] = (entered(1, 1),),
    known: Sequence[Accepted] = (accepted(),),
    acted: Sequence[Acted] = (),
    frozen: Sequence[Frozen] = (),
    left: dict[str, int] | None = None,
) -> Judgement:
    return judge(
        History(
            accepted=known,
            runs={run.id: run for run in runs},
            journals={"r": GOOD} if journals is None else journals,
            entered=entries,
            acted=acted,
            frozen=frozen,
            left=left or {},
        )
    )


def kinds(judgement: Judgement) -> list[str]:
    return [finding.kind for finding in judgement.findings]


def test_a_good_history_has_no_findings_and_says_how_little_it_proves() -> None:
    judgement = judged()
    assert kinds(judgement) == []
    assert judgement.bound == 3.0


def test_a_history_without_runs_proves_nothing() -> None:
    assert judged(runs=(), journals={}, entries=(), known=()).bound is None


def test_a_lost_run_is_found() -> None:
    assert kinds(judged(known=(accepted(), accepted("gone")))) == ["lost"]


def test_a_run_whose_steps_were_entered_and_that_is_not_in_the_store_is_lost() -> None:
    assert kinds(judged(entries=(entered(1, 1), entered(1, 1, run="gone")))) == ["lost"]


def test_two_runs_of_one_key_are_found() -> None:
    twice = accepted("s", key="k-r")
    found = judged(runs=(a_run(), a_run("s")), journals={"r": GOOD, "s": GOOD}, known=(accepted(), twice))
    assert kinds(found) == ["duplicated"]


def test_a_run_that_nobody_was_told_of_is_found() -> None:
    found = judged(runs=(a_run(), a_run("s")), journals={"r": GOOD, "s": GOOD})
    assert kinds(found) == ["duplicated"]


def test_a_run_that_did_not_end_is_found() -> None:
    assert kinds(judged(runs=(a_run(state=RunState.WAITING),))) == ["unended"]


def test_an_innocent_that_was_stopped_is_found() -> None:
    failure = Failure(kind="Poison", message="…")
    assert kinds(judged(runs=(a_run(state=RunState.STOPPED, failure=failure),))) == ["unended"]


def test_a_wrong_result_is_found() -> None:
    assert kinds(judged(runs=(a_run(result=raw(11)),))) == ["wrong"]


def test_a_run_that_failed_is_wrong_where_it_should_succeed() -> None:
    failed = a_run(state=RunState.FAILED, failure=Failure(kind="ValueError", message="…"))
    assert kinds(judged(runs=(failed,))) == ["wrong"]


def test_a_gap_in_a_journal_is_found() -> None:
    assert "unsound" in kinds(judged(journals={"r": GOOD[:1]}))


def test_epochs_that_go_back_are_a_stale_write() -> None:
    back = journal((2, 2, done()), (1, 3, end()))
    assert "stale write" in kinds(judged(journals={"r": back}))


def test_a_write_of_an_owner_whose_successor_had_begun_is_a_stale_write() -> None:
    late = journal((1, 2, done()), (2, 4, end()))
    assert kinds(judged(journals={"r": late}, entries=(entered(1, 1), entered(2, 1.5)))) == [
        "stale write",
        "re-entered",
    ]


def test_a_step_that_was_entered_again_by_the_next_owner_is_found() -> None:
    assert kinds(judged(entries=(entered(1, 1), entered(2, 5, pid=OTHER)))) == ["re-entered"]


def test_a_step_that_was_entered_again_by_its_own_owner_is_found() -> None:
    assert kinds(judged(entries=(entered(1, 1), entered(1, 2.5)))) == ["re-entered"]


def test_a_step_that_two_owners_entered_before_either_had_a_result_is_not_repeated() -> None:
    taken_over = journal((2, 5, done()), (2, 6, end()))
    assert kinds(judged(journals={"r": taken_over}, entries=(entered(1, 1), entered(2, 4)))) == []


TAKEN_OVER = journal((1, 0.5, done(Key("first/0"))), (2, 5, done()), (2, 6, end()))
FROZEN = Frozen(pid=PID, since=1_002, until=1_008)


def zombie(looked: float, frozen: Frozen = FROZEN) -> Judgement:
    """The former owner enters the step at 9, when the next one has had its result since 5."""
    entries = (entered(1, 9, looked=looked), entered(2, 4, pid=OTHER))
    return judged(runs=(a_run(seq=3),), journals={"r": TAKEN_OVER}, entries=entries, frozen=(frozen,))


def test_an_owner_that_was_frozen_between_its_look_and_its_entry_is_the_residue() -> None:
    found = zombie(looked=1.5)
    assert kinds(found) == []
    assert [each.pid for each in found.residue] == [PID]


@pytest.mark.parametrize(
    ("looked", "why"),
    [
        (0.2, "it had looked for the step before, and not again for this one"),
        (8.5, "it looked after it had thawed, and entered all the same"),
        (-1_000.0, "it never looked"),
    ],
)
def test_a_former_owner_that_could_have_known_is_not_excused(looked: float, why: str) -> None:
    assert kinds(zombie(looked)) == ["re-entered"], why


def test_nobody_is_excused_by_the_freeze_of_another_process() -> None:
    assert kinds(zombie(1.5, Frozen(pid=OTHER, since=1_002, until=1_008))) == ["re-entered"]


def started() -> StepStarted:
    return StepStarted(key=KEY, name="double", identity="i", attempt=1)


def test_an_unsafe_step_that_was_entered_twice_on_one_start_is_found() -> None:
    once = journal((1, 0.5, started()), (2, 5, done()), (2, 6, end()))
    found = judged(runs=(a_run(seq=3),), journals={"r": once}, entries=(entered(1, 1), entered(2, 4)))
    assert kinds(found) == ["repeated unsafe"]


def test_an_unsafe_step_that_was_started_again_by_itself_is_found() -> None:
    twice = journal((1, 0.5, started()), (2, 3, started()), (2, 5, done()), (2, 6, end()))
    found = judged(runs=(a_run(seq=4),), journals={"r": twice}, entries=(entered(1, 1), entered(2, 4)))
    assert kinds(found) == ["repeated unsafe"]


def test_an_unsafe_step_may_be_entered_again_when_that_was_decided() -> None:
    answer = StepAnswered(key=KEY, decision="retry", by="check")
    decided = journal((1, 0.5, started()), (2, 2, answer), (2, 3, started()), (2, 5, done()), (2, 6, end()))
    found = judged(runs=(a_run(seq=5),), journals={"r": decided}, entries=(entered(1, 1), entered(2, 4)))
    assert kinds(found) == []


def acted(epoch: int, second: float, *, pid: int = PID, had: bool = True) -> Acted:
    return Acted(run="r", key=KEY, epoch=epoch, pid=pid, at=1_000 + second, had=had)


RETRIED = journal(
    (1, 0.5, started()),
    (2, 4, StepAnswered(key=KEY, decision="retry", by="check")),
    (2, 4.5, started()),
    (2, 6, done()),
    (2, 7, end()),
)


def two_acts(first: Acted, second: Acted) -> Judgement:
    """Entered by the former owner at 1 and by the next one at 5, after a check that saw no effect."""
    entries = (entered(1, 1), entered(2, 5, pid=OTHER))
    return judged(runs=(a_run(seq=5),), journals={"r": RETRIED}, entries=entries, acted=(first, second))


def test_a_former_owner_that_stood_still_before_its_effect_is_the_residue() -> None:
    found = two_acts(acted(2, 5.1, pid=OTHER), acted(1, 8, had=False))
    assert kinds(found) == []
    assert [each.epoch for each in found.residue] == [1]


def test_an_effect_that_was_to_be_had_twice_by_owners_who_ran_is_found() -> None:
    assert kinds(two_acts(acted(1, 1.1), acted(2, 5.1, pid=OTHER, had=False))) == ["doubled"]


def test_an_effect_that_one_owner_was_to_have_twice_is_found() -> None:
    assert kinds(two_acts(acted(2, 5.1, pid=OTHER), acted(2, 5.2, pid=OTHER, had=False))) == ["doubled"]


def conversation(first: float, second: float) -> Judgement:
    """Two turns, accepted in this order, each with one step; the first is at its second step at 3."""
    return judged(
        runs=(a_run(), a_run("s")),
        journals={"r": journal((1, 3.5, done()), (1, 4, end())), "s": journal((1, 8, done()), (1, 9, end()))},
        entries=(entered(1, first), entered(1, 3), entered(1, second, run="s")),
        known=(accepted(conversation="c"), accepted("s", conversation="c")),
    )


def test_turns_that_follow_one_another_are_in_order() -> None:
    assert kinds(conversation(1, 5)) == []


def test_turns_that_overlap_are_found() -> None:
    assert kinds(conversation(1, 2)) == ["overlapped"]


def test_turns_that_were_exchanged_are_found() -> None:
    assert kinds(conversation(1, 0.5)) == ["disordered"]


def test_what_is_left_in_a_queue_is_found() -> None:
    assert kinds(judged(left={"outbox": 0, "watership.v1.default": 2})) == ["left over"]
