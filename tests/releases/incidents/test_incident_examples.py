"""The two worked examples of the runbook's appendix C, played on a virtual clock from the alarm to the post-mortem."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from watership.adapters.memory.incidents import MemoryIncidents
from watership.releases.auditing.audit import Entry, Fact, chain
from watership.releases.book.quantity import percent
from watership.releases.book.shelf import shipped
from watership.releases.incidents.alarm import Alarm, FuseBlown, WindowFailed, incidents_due
from watership.releases.incidents.escalation import USUAL, due_escalations, recorded
from watership.releases.incidents.incident import (
    Acknowledged,
    Closed,
    Decided,
    Event,
    Incident,
    Measured,
    Noted,
    Restored,
    Told,
    Triggered,
    opened,
)
from watership.releases.incidents.postmortem import skeleton
from watership.releases.judging.fuse import Blown, Reading, Second, inspect
from watership.releases.measurement import Measurement
from watership.releases.verdict import Verdict
from watership.testing import VirtualClock, run_in_virtual_time

EXPECTED = Path(__file__).parent / "post-mortems"

PROMOTED = datetime(2026, 11, 23, 14, tzinfo=UTC)
"""T+0 of both examples: the release is live."""

RELEASE = "2.1.0-1"

Say = Callable[[str, datetime], Event]
"""What somebody does, by the incident's id and the moment."""

Step = tuple[float, Say]
"""Minutes after the opening, and what is done then."""


class Play:
    """A controller's loop and people with a script, looking at a system every ten seconds, after an hour less often."""

    def __init__(self, alarms: Callable[[datetime], Sequence[Alarm]], script: Sequence[Step]) -> None:
        self._alarms = alarms
        self._script = list(script)
        self._incidents = MemoryIncidents()
        self.audit: list[Entry] = []
        self.told: list[tuple[float, str]] = []
        """Minutes after the opening, and which seat was told."""
        self.at_opening: Incident | None = None

    def append(self, at: datetime, action: str, **facts: Fact) -> None:
        told: dict[str, Fact] = {"release": RELEASE, **facts}
        previous = self.audit[-1] if self.audit else None
        self.audit.append(chain(previous, at=at, actor="controller", action=action, facts=told))

    def to_its_end(self) -> Incident:
        return run_in_virtual_time(self._run, start=PROMOTED, limit_seconds=3 * 86_400.0)

    async def _run(self) -> Incident:
        clock = VirtualClock()
        while True:
            now = clock.now()
            for opening in incidents_due(self._alarms(now), await self._incidents.all()):
                await self._incidents.add(opened(opening, who="controller", at=now))
            for incident in await self._incidents.all():
                self.at_opening = self.at_opening or incident
                await self._act(incident, now)
            for incident in await self._incidents.all():
                await self._tell(incident, now)
                if not self._script:
                    return incident
            await clock.sleep(10.0 if now < PROMOTED + timedelta(hours=1) else 600.0)

    async def _tell(self, incident: Incident, now: datetime) -> None:
        for due in due_escalations(incident, now, USUAL):
            self.told.append(((now - incident.opened_at).total_seconds() / 60, due.seat))
            event = recorded(due, who="controller", at=now)
            await self._incidents.add(lambda _, event=event: event)  # type: ignore[misc]

    async def _act(self, incident: Incident, now: datetime) -> None:
        while self._script and now >= incident.opened_at + timedelta(minutes=self._script[0][0]):
            _, say = self._script.pop(0)
            event = say(incident.id, now)
            await self._incidents.add(lambda _, event=event: event)  # type: ignore[misc]


def noted(who: str, text: str) -> Say:
    return lambda incident, at: Noted(incident=incident, at=at, who=who, text=text)


def decided(who: str, decision: str) -> Say:
    return lambda incident, at: Decided(incident=incident, at=at, who=who, decision=decision)


def acknowledged(who: str) -> Say:
    return lambda incident, at: Acknowledged(incident=incident, at=at, who=who)


def closed(who: str) -> Say:
    return lambda incident, at: Closed(incident=incident, at=at, who=who)


def test_an_error_rate_of_15_percent_is_critical_rolled_back_and_restored_ten_minutes_later() -> None:
    (fuse,) = (
        each for each in shipped("one-machine").runbook.fuses if each.name == "error rate above 10 % for 2m"
    )
    jump = PROMOTED + timedelta(minutes=5)
    back: list[datetime] = []

    def errors(at: datetime) -> int:
        """Of a hundred requests a second: 15 fail from T+5 on, until four minutes after the rollback began."""
        bad = at >= jump and not (back and at >= back[0] + timedelta(minutes=4))
        return 15 if bad else int(at.second == 0) if back else 0

    def seconds(now: datetime) -> Iterator[Second]:
        for number in range(120, 0, -1):
            at = now - timedelta(seconds=number)
            yield Second(at=int(at.timestamp()), next=Reading(requests=100, errors=errors(at)))

    def alarms(now: datetime) -> list[Alarm]:
        state = inspect(fuse, list(seconds(now)))
        return (
            [FuseBlown(release=RELEASE, blown=state, at=now, began=jump)] if isinstance(state, Blown) else []
        )

    def rate(now: datetime) -> float:
        minute = list(seconds(now))[60:]
        return sum(each.next.errors or 0 for each in minute) / sum(each.next.requests or 0 for each in minute)

    def rolled_back(incident: str, at: datetime) -> Event:
        back.append(at)
        play.append(at, "release.take_back.passed", automatic=False, by="eli", why="rollback ordered by eli")
        return Noted(incident=incident, at=at, who="oli", text="rollback executed")

    def restored(incident: str, at: datetime) -> Event:
        assert rate(at) < 0.001
        return Restored(
            incident=incident, at=at, who="mona", text=f"{percent(rate(at))} of a minute's requests fail"
        )

    play = Play(
        alarms,
        [
            (0.5, acknowledged("mona")),
            (1, lambda i, at: Triggered(incident=i, at=at, who="mona", trigger="business_impact")),
            (1.5, acknowledged("eli")),
            (2, noted("eli", "root cause: a new database query is slow")),
            (2, lambda i, at: Measured(incident=i, at=at, who="eli", text=f"error rate {percent(rate(at))}")),
            (3, noted("eli", "options: mend the query (30 min), or roll back (5 min)")),
            (4, decided("eli", "ROLLBACK: the business impact is too high")),
            (5, rolled_back),
            (10, restored),
            (24 * 60, noted("eli", "an index is missing on the new column")),
            (24 * 60, closed("eli")),
        ],
    )
    play.append(jump, "release.watch.begun", attempt=1)
    play.append(
        jump - timedelta(minutes=1), "release.cutover.soak.passed", ticks=60, evidence="As good as live."
    )

    incident = play.to_its_end()

    first = play.at_opening
    assert first is not None and first.opening.rule == "fuse: error rate above 10 % for 2m"
    assert first.severity == "critical"
    assert (first.opened_at - jump).total_seconds() == 90  # two thirds of the window are enough at 15 %
    assert play.told == [(0, "on_call"), (1, "engineering_lead")]
    assert incident.state == "closed"
    assert incident.decision.startswith("ROLLBACK")
    assert incident.restored_at == first.opened_at + timedelta(minutes=10)
    matches("error-rate.md", skeleton(incident, play.audit, incident.closed_at or PROMOTED))


def test_a_replication_lag_of_five_seconds_is_high_and_mended_seven_minutes_later() -> None:
    mended: list[datetime] = []

    def lag(now: datetime) -> float:
        late = now >= PROMOTED + timedelta(minutes=12) and not (
            mended and now > mended[0] + timedelta(minutes=1)
        )
        return 5.0 if late else 0.04

    def alarms(now: datetime) -> list[Alarm]:
        seconds = lag(now)
        good = seconds < 0.1
        got = Measurement(
            verdict=Verdict.PASSED if good else Verdict.FAILED,
            evidence=f"The standby is {1000 * seconds:,.0f} ms behind; 100 ms is the limit.",
            facts={"lag_ms": round(1000 * seconds)},
            began=now,
            ended=now,
        )
        return [
            WindowFailed(release=RELEASE, window="immediate", point="lag", text="Replication lag", got=got)
        ]

    def deployed(incident: str, at: datetime) -> Event:
        mended.append(at)
        return Noted(incident=incident, at=at, who="dana", text="the change is deployed")

    def restored(incident: str, at: datetime) -> Event:
        assert lag(at) < 0.1
        return Restored(incident=incident, at=at, who="dana", text=f"the lag is {1000 * lag(at):.0f} ms")

    play = Play(
        alarms,
        [
            (1, lambda i, at: Told(incident=i, at=at, who="oncall-otto", seat="dba")),
            (1.5, acknowledged("dana")),
            (2, noted("dana", "the new migrations hold a lock")),
            (3, noted("dana", "options: more memory, a better query, or rolling back the schema")),
            (4, decided("dana", "more memory")),
            (5, deployed),
            (7, restored),
            (24 * 60, noted("dana", "capacity must be planned for a new workload")),
            (24 * 60, closed("dana")),
        ],
    )

    incident = play.to_its_end()

    first = play.at_opening
    assert first is not None and first.severity == "high"
    assert first.opened_at == PROMOTED + timedelta(minutes=12)
    assert play.told == [(0, "on_call")]
    assert incident.restored_at == first.opened_at + timedelta(minutes=7)
    matches("replication-lag.md", skeleton(incident, play.audit, incident.closed_at or PROMOTED))


def matches(name: str, text: str) -> None:
    """What was written is what is kept under that name; to keep another, delete the file and look at the new one."""
    kept = EXPECTED / name
    if not kept.exists():
        kept.write_text(text, encoding="utf-8")
        raise AssertionError(f"{kept} was not there: read what was written now.")
    assert text == kept.read_text(encoding="utf-8")
