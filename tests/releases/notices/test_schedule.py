"""What is due is told once, whoever looks and however often; what is missed is told too."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from msgspec.structs import replace

from tests.releases.notices.scenes import COMMS, NOON, Told, at, comms, running
from watership.releases.notices.lint import example
from watership.releases.notices.notice import Incident, Issue
from watership.releases.notices.schedule import due, next_status
from watership.releases.notices.situation import Rollback

STARTED = ["announce/2.1.0-1/T-24h", "started/2.1.0-1", "approved/2.1.0-1"]
BACK = Rollback(reason="errors", by="controller", began=at(52))
SMOKE = Issue(key="smoke/1", priority="HIGH", title="The smoke tests pass", since=at(20))


def test_a_release_from_its_announcement_to_its_success_tells_everything_once() -> None:
    box = Told(comms())
    early = running(began=NOON - timedelta(hours=24))
    assert box.look(early, NOON - timedelta(hours=24)) == STARTED
    heard = [name for minute in range(-1439, 90) for name in box.look(running(), at(minute))]
    assert heard == [f"status/2026-11-29T{hour}Z" for hour in ("10:15", "10:30", "10:45", "11:00", "11:15")]
    promoted = running(stage="watching", promoted=True)
    assert [box.look(promoted, at(90)), box.look(promoted, at(180))] == [
        ["status/2.1.0-1/promoted", "success/2.1.0-1"],
        [],
    ]
    assert box.look(running(stage="promoted", promoted=True), at(1530)) == ["status/2.1.0-1/ended"]


def test_a_controller_that_was_killed_at_any_moment_neither_repeats_nor_forgets() -> None:
    rng, box, heard = Random(7), Told(comms()), []
    minutes = sorted(rng.uniform(0, 90) for _ in range(400))
    for minute in minutes:
        # What was decided and not put out yet is decided again by who comes after.
        due(box.comms, running(), box.messages, at(minute))
        heard += box.look(running(), at(minute))
    assert len(heard) == len(set(heard))
    statuses = [name for name in heard if name.startswith("status/")]
    assert statuses == [
        f"status/2026-11-29T{hour}Z" for hour in ("10:15", "10:30", "10:45", "11:00", "11:15")
    ]
    assert not any("missed" in name for name in heard)


def test_statuses_that_were_missed_are_one_issue_and_the_newest_is_told() -> None:
    box = Told(comms())
    box.look(running(), at(15))
    back_again = box.look(running(), at(62))
    missed = "issue/2.1.0-1/missed/status/2026-11-29T10:30Z/was-not-sent-in-time"
    assert back_again == ["status/2026-11-29T11:00Z", missed]
    assert box.look(running(), at(63)) == []
    assert box.messages[missed].title == "The status of 10:30 to 10:45 UTC was not sent in time"
    assert box.messages[missed].priority == "HIGH"
    over = running(stage="rolled_back")
    assert box.look(over, at(64)) == ["status/2.1.0-1/ended", f"{missed}/resolved"]


def test_a_status_that_is_late_by_more_than_a_third_of_its_interval_was_missed_all_the_same() -> None:
    box = Told(comms())
    box.look(running(), at(0))
    assert box.look(running(), at(19.9)) == ["status/2026-11-29T10:15Z"]
    late = Told(comms())
    late.look(running(), at(0))
    assert late.look(running(), at(20.1)) == [
        "status/2026-11-29T10:15Z",
        "issue/2.1.0-1/missed/status/2026-11-29T10:15Z/was-not-sent-in-time",
    ]


def test_a_status_that_reached_nobody_before_the_next_is_missed() -> None:
    box = Told(comms())
    box.look(running(), at(15))
    nobody = frozenset({"status/2026-11-29T10:15Z"})
    assert box.look(running(), at(29), undelivered=nobody) == []
    assert box.look(running(), at(30), undelivered=nobody) == [
        "status/2026-11-29T10:30Z",
        "issue/2.1.0-1/missed/status/2026-11-29T10:15Z/reached-nobody",
    ]


def test_a_rollback_is_told_when_it_is_decided_and_when_it_is_done() -> None:
    box = Told(comms())
    for minute in range(0, 46, 15):
        box.look(running(), at(minute))
    assert box.look(running(rollback=BACK), at(52)) == ["rollback/2.1.0-1"]
    done = running(stage="taking_back", rollback=replace(BACK, done=True))
    assert box.look(done, at(53)) == ["rollback/2.1.0-1/done"]
    assert box.messages["rollback/2.1.0-1/done"].ends
    assert box.look(replace(done, stage="rolled_back"), at(54)) == ["status/2.1.0-1/ended"]


def test_what_was_rolled_back_is_never_called_a_success() -> None:
    box = Told(comms())
    late = running(stage="watching", promoted=True, rollback=BACK)
    assert [name for name in box.look(late, at(600)) if "success" in name or "promoted" in name] == []


def test_statuses_rest_while_it_is_watched_and_nobody_misses_them_after_a_late_rollback() -> None:
    box = Told(comms())
    for minute in range(91):
        box.look(running(), at(minute))
    box.look(running(stage="watching", promoted=True), at(91))
    late = running(stage="taking_back", promoted=True, rollback=replace(BACK, began=at(601)))
    assert box.look(late, at(602)) == ["rollback/2.1.0-1"]
    assert box.look(late, at(615)) == ["status/2026-11-29T20:15Z"]


def test_an_issue_is_told_once_and_once_more_when_it_no_longer_stands() -> None:
    box = Told(comms())
    box.look(running(), at(15))
    assert box.look(running(issues=(SMOKE,)), at(20)) == ["issue/2.1.0-1/smoke/1"]
    assert box.look(running(issues=(SMOKE,)), at(21)) == []
    assert box.look(running(), at(22)) == ["issue/2.1.0-1/smoke/1/resolved"]
    resolved = box.messages["issue/2.1.0-1/smoke/1/resolved"]
    assert (resolved.ends, resolved.thread, resolved.title) == (True, "issue/2.1.0-1/smoke/1", SMOKE.title)
    assert box.look(running(issues=(replace(SMOKE, key="smoke/2"),)), at(23)) == ["issue/2.1.0-1/smoke/2"]


def test_a_fuse_that_pages_is_told_as_an_issue_only_where_nobody_hears_of_incidents() -> None:
    blown = running(issues=(Issue(key="fuse/1234", priority="HIGH", title="error rate", since=at(3)),))
    assert Told(comms()).look(blown, at(3)) == STARTED
    deaf = Told(comms(COMMS.partition("  - { on: incident")[0]))
    assert deaf.look(blown, at(3)) == [*STARTED, "issue/2.1.0-1/fuse/1234"]


def test_an_incident_is_told_when_it_is_opened_and_when_it_is_closed() -> None:
    box, opened = (
        Told(comms()),
        Incident(id="INC-1", priority="CRITICAL", title="Slow", opened_at=at(1), opened_by="ina"),
    )
    box.look(running(), at(0))
    assert box.look(running(incidents=(opened,)), at(1)) == ["incident/INC-1"]
    taken_on = replace(opened, acknowledged_by="ina")
    assert box.look(running(incidents=(taken_on,)), at(2)) == ["incident/INC-1/acknowledged"]
    closed = replace(taken_on, closed_at=at(9))
    assert box.look(running(incidents=(closed,)), at(9)) == ["incident/INC-1/closed"]
    assert box.messages["incident/INC-1/closed"].thread == "incident/INC-1"


def test_two_sendings_on_one_moment_are_two_notices() -> None:
    text = COMMS + "  - { on: release.done, template: comms/status.md, to: [ops] }\n"
    box = Told(comms(text))
    for minute in range(0, 90, 5):
        box.look(running(), at(minute))
    promoted = running(stage="watching", promoted=True)
    assert box.look(promoted, at(90)) == ["status/2.1.0-1/promoted", "success/2.1.0-1", "success-2/2.1.0-1"]


def test_a_rehearsal_has_shorter_intervals() -> None:
    box = Told(comms())
    fast = running(factor=0.01)
    box.look(fast, NOON)
    assert box.look(fast, NOON + timedelta(seconds=9)) == ["status/2026-11-29T10:00:09.000000Z"]
    assert next_status(box.comms, fast, NOON + timedelta(seconds=10)) == NOON + timedelta(seconds=18)


def test_where_the_calendar_leaps_nobody_misses_what_it_leapt_over() -> None:
    box = Told(comms())
    box.look(running(leaps=True), at(15))
    assert box.look(running(leaps=True), at(75)) == ["status/2026-11-29T11:15Z"]


def test_an_incident_that_was_opened_again_is_told_of_again() -> None:
    once = Incident(
        id="INC-1", priority="HIGH", title="Slow", opened_at=at(1), opened_by="i", closed_at=at(2)
    )
    box = Told(comms())
    box.look(running(), at(0))
    assert box.look(running(incidents=(once,)), at(3)) == ["incident/INC-1", "incident/INC-1/closed"]
    again = replace(once, again=1, closed_at=None)
    assert box.look(running(incidents=(again,)), at(4)) == ["incident/INC-1/again-1"]


def test_a_plan_that_is_not_started_tells_nothing() -> None:
    plan = replace(example(), stage="planned", window=None, began=None, missing=("owner",), promoted=False)
    assert due(comms(), replace(plan, rollback=None), {}, NOON) == []
