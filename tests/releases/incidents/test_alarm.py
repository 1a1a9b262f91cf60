"""Alarms open incidents by rule: once, by how bad they are, and never by what is not known."""

from __future__ import annotations

from tests.releases.troubles import NOON, at, entry, incident
from watership.releases.incidents.alarm import (
    FuseBlown,
    Promised,
    TakenBack,
    UpdateMissed,
    WindowFailed,
    WindowUnmet,
    alarms_in,
    incidents_due,
    opening_of,
)
from watership.releases.incidents.incident import Incident, Restored, Severity
from watership.releases.judging.fuse import Action, Blown
from watership.releases.measurement import Measurement
from watership.releases.service.sla import Bin, Compliance, Reading, Uptime, judge
from watership.releases.verdict import Verdict

R = "2.1.0-1"


def blown(fuse: str, action: Action, minutes: float = 0) -> FuseBlown:
    return FuseBlown(release=R, blown=Blown(fuse=fuse, action=action, reason="it was seen"), at=at(minutes))


def window(verdict: Verdict) -> WindowFailed:
    got = Measurement(verdict=verdict, evidence="replication lag is 5 s", began=at(11), ended=at(12))
    return WindowFailed(release=R, window="immediate", point="lag", text="Replication lag", got=got)


def there(fuse: str, *events: Restored) -> Incident:
    return incident(*events, rule=f"fuse: {fuse}")


def test_the_severity_is_what_the_fuse_calls_for() -> None:
    alarms = [blown(action.value, action) for action in reversed(Action)]

    assert [(each.rule, each.severity) for each in incidents_due(alarms, [])] == [
        ("fuse: freeze", Severity.CRITICAL),
        ("fuse: roll_back", Severity.CRITICAL),
        ("fuse: page", Severity.HIGH),
        ("fuse: investigate", Severity.MEDIUM),
    ]


def test_a_rule_opens_once_however_often_it_is_found() -> None:
    alarm = blown("disk", Action.PAGE)

    assert len(incidents_due([alarm, alarm], [])) == 1
    assert incidents_due([alarm], [there("disk")]) == []


def test_an_alarm_from_before_the_end_of_its_incident_opens_nothing_and_a_later_one_does() -> None:
    over = there("disk", Restored(incident="INC-1", at=at(5), who="ada", text="well"))

    assert incidents_due([blown("disk", Action.PAGE, 4)], [over]) == []
    assert len(incidents_due([blown("disk", Action.PAGE, 6)], [over])) == 1


def test_a_window_that_failed_opens_one_and_what_is_not_known_does_not() -> None:
    (found,) = incidents_due([window(Verdict.FAILED)], [])

    assert (found.severity, found.symptom, found.at) == (Severity.HIGH, "replication lag is 5 s", at(12))
    assert incidents_due([window(Verdict.INCONCLUSIVE), window(Verdict.PASSED)], []) == []


def test_a_missed_status_update_is_an_incident_of_its_own() -> None:
    missed = UpdateMissed(release=R, what="The status of 12:15 UTC was not sent", due=at(15), at=at(18))
    (found,) = incidents_due([missed], [])

    assert (found.severity, found.began) == (Severity.MEDIUM, at(15))
    assert found.symptom == "The status of 12:15 UTC was not sent; it is 3m late"


def test_a_window_that_is_over_without_a_word_is_no_success() -> None:
    over = WindowUnmet(
        release=R,
        window="immediate",
        point="lag",
        text="Replication lag",
        words="it was never measured",
        at=at(30),
    )
    (found,) = incidents_due([over, window(Verdict.INCONCLUSIVE)], [])

    assert (found.rule, found.severity) == ("window: immediate/lag", Severity.MEDIUM)
    assert found.symptom == "The window is over, and this is not known: it was never measured"


def test_security_and_lost_data_go_up_a_level_at_once() -> None:
    security = opening_of(blown("security breach", Action.ROLL_BACK))
    data = opening_of(blown("data corruption", Action.ROLL_BACK))

    assert security is not None and security.triggers == ("security",)
    assert data is not None and data.triggers == ("data_loss",)


def test_what_the_controller_put_down_is_found_in_the_audit() -> None:
    entries = [
        entry(1, "release.page", fuse="disk above 90 % for 1m", reason="between 0.91 and 0.93 throughout"),
        entry(2, "release.freeze", fuse="database lost for 30s", reason="live does not reach it either"),
        entry(3, "release.take_back.begun", attempt=1),
        entry(4, "release.take_back.passed", automatic=True, why="error rate above 10 % for 2m"),
        entry(5, "release.take_back.passed", automatic=False, why="ordered by ada"),
        entry(6, "release.ended", outcome="rolled_back"),
        entry(7, "notice.missed", what="The status of 12:05 UTC reached nobody"),
    ]

    found = alarms_in(entries)

    assert [type(each) for each in found] == [FuseBlown, FuseBlown, TakenBack, UpdateMissed]
    assert [(each.title, each.severity) for each in incidents_due(found, [])] == [
        ("Database lost for 30s", Severity.CRITICAL),
        ("The release was taken back automatically", Severity.CRITICAL),
        ("Disk above 90 % for 1m", Severity.HIGH),
        ("A status update was missed", Severity.MEDIUM),
    ]


def promise(outage: float) -> Compliance:
    up = Uptime(id="up", title="Availability", at_least=0.999, over=86_400.0, recent=86_400.0, up="up")
    now = NOON.timestamp()
    bins = [Bin(now - 300.0 * number, outage if not number else 0.0, 300.0) for number in range(288)]
    return judge(up, Reading(step=300.0, bins=tuple(bins)), now)


def test_a_promise_that_is_broken_or_will_be_opens_one() -> None:
    kept, missed = (Promised(found=promise(outage), at=NOON) for outage in (0.0, 100.0))

    assert incidents_due([kept], []) == []
    (found,) = incidents_due([missed], [])
    assert (found.title, found.triggers) == ("Availability: the SLA is missed", ("sla",))
    assert found.symptom.startswith("Availability is 99.8842 %; promised is at least 99.9 % over 1d.")
    (soon,) = incidents_due([Promised(found=promise(80.0), at=NOON)], [])
    assert soon.title == "Availability: the SLA is threatened"
