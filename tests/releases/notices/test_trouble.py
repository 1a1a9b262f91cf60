"""A level of an escalation is told through its seat's channels, once; where none leads to it, that is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.releases.notices.scenes import COMMS, NOON, AuditList, comms, running
from watership.adapters.files.outbox import OutboxFile
from watership.errors import Unavailable
from watership.releases.incidents.escalation import Due
from watership.releases.incidents.incident import (
    Acknowledged,
    Closed,
    Incident,
    Opened,
    Opening,
    Reopened,
    Restored,
    Severity,
    fold,
)
from watership.releases.notices.comms import Comms
from watership.releases.notices.notice import Message
from watership.releases.notices.situation import Situation
from watership.releases.notices.trouble import Escalating, facts, told_of
from watership.releases.notices.writing import plain
from watership.testing import VirtualClock, run_in_virtual_time

OPENING = Opening(
    rule="gate",
    release="2.1.0-1",
    title="Errors above 10 %",
    symptom="15.2 % of requests fail",
    severity=Severity.HIGH,
    at=NOON,
)
OPENED = Opened(incident="INC-1", at=NOON, who="controller", opening=OPENING)
DUE = Due(
    incident="INC-1",
    level=2,
    title="Engineering Lead",
    seat="engineering_lead",
    powers=("Authorize emergency changes",),
    at=NOON + timedelta(minutes=15),
    because="unresolved after 15m",
)
WITH_SEAT = COMMS + "seats: { engineering_lead: [mail] }\n"


def incident(*events: object) -> Incident:
    return fold([OPENED, *events])[0]  # type: ignore[list-item]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[OutboxFile]:
    with OutboxFile(tmp_path / "outbox.jsonl") as box:
        yield box


def tell(outbox: OutboxFile, book: Comms, *dues: Due) -> list[tuple[str, Message]]:
    async def look() -> Situation:
        return running()

    async def main() -> None:
        clock = VirtualClock()
        escalating = Escalating(comms=book, look=look, outbox=outbox, audit=AuditList(), clock=clock)
        for due in dues:
            await escalating.tell(incident(), due)

    run_in_virtual_time(main, start=NOON)
    return [(each.channel, each.message) for each in outbox.deliveries()]


def test_a_level_is_told_through_the_channels_of_its_seat_and_what_it_may_do(outbox: OutboxFile) -> None:
    ((channel, message),) = tell(outbox, comms(WITH_SEAT), DUE, DUE)
    assert channel == "mail"
    assert message.subject == "[HIGH] Engineering Lead: Incident INC-1: Errors above 10 %"
    assert message.thread == "incident/INC-1", "a pager's incident stays the same one"
    words = plain(message.text)
    assert "It is your turn (Engineering Lead, level 2): unresolved after 15m." in words
    assert "- Authorize emergency changes" in words and "incident update --acknowledge --of INC-1" in words


def test_a_level_that_is_told_again_hears_it_again(outbox: OutboxFile) -> None:
    later = replace(DUE, at=DUE.at + timedelta(minutes=5), again=True)
    assert len(tell(outbox, comms(WITH_SEAT), DUE, later)) == 2


def test_a_seat_without_a_channel_is_told_as_incidents_are_and_without_those_it_stays_due(
    outbox: OutboxFile,
) -> None:
    assert [channel for channel, _ in tell(outbox, comms(), DUE)] == ["pager"]
    mute = COMMS.partition("  - { on: incident")[0]
    with pytest.raises(Unavailable, match="No channel leads to the seat engineering_lead"):
        tell(outbox, comms(mute), DUE)


def test_what_is_told_of_an_incident_follows_it_from_its_opening_to_its_end() -> None:
    def at(minutes: int) -> dict[str, object]:
        return {"incident": "INC-1", "at": NOON + timedelta(minutes=minutes), "who": "ina"}

    restored = Restored(**at(9), text="Errors are at 0.1 %")  # type: ignore[arg-type]
    events = [
        Acknowledged(**at(1)),  # type: ignore[arg-type]
        restored,
        Reopened(**at(11), text="It is back"),  # type: ignore[arg-type]
        Restored(**at(12), text="Rolled back"),  # type: ignore[arg-type]
        Closed(**at(20)),  # type: ignore[arg-type]
    ]
    seen = [facts(incident(*events[:number])) for number in range(len(events) + 1)]
    assert [each.thread for each in seen] == ["INC-1"] * 3 + ["INC-1/again-1"] * 3
    assert [each.acknowledged_by for each in seen] == ["", "ina", "ina", "", "", ""]
    assert [each.closed_at is not None for each in seen] == [False, False, True, False, True, True]
    assert (seen[2].resolution, seen[5].resolution) == ("Errors are at 0.1 %", "Rolled back")


def test_the_incidents_of_another_release_are_not_told() -> None:
    other = fold([replace(OPENED, opening=replace(OPENING, release="2.0.0-1"))])
    everywhere = fold([replace(OPENED, opening=replace(OPENING, release=""))])
    assert told_of(other, "2.1.0-1") == ()
    assert len(told_of([incident(), *everywhere], "2.1.0-1")) == 2
