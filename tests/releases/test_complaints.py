"""Whoever goes along with a release complains into the audit: each trouble once a minute, and nothing is raised."""

from __future__ import annotations

from collections.abc import Mapping

from tests.notes import Notes
from tests.simulation.release_targets import SimAudit
from watership.errors import Unavailable
from watership.releases.auditing.audit import Entry, Fact
from watership.releases.company import Regular, together
from watership.releases.complaints import MOST, Complaints
from watership.testing import VirtualClock, run_in_virtual_time


class FullDisk(SimAudit):
    def append(self, actor: str, action: str, facts: Mapping[str, Fact]) -> Entry:
        raise OSError(28, "No space left on device")


async def fails() -> None:
    raise Unavailable("The store does not answer.")


def test_an_audit_that_cannot_be_written_raises_nothing_into_the_release_and_is_said_in_the_log() -> None:
    notes = Notes()

    async def main() -> None:
        clock = VirtualClock()
        complaints = Complaints("responder", audit=FullDisk(clock), clock=clock, observer=notes)
        async with together([Regular(fails, 5.0, complaints=complaints, clock=clock)]):
            await clock.sleep(61.0)

    run_in_virtual_time(main)

    said = {
        "who": "responder",
        "problem": "Unavailable: The store does not answer.",
        "audit": "[Errno 28] No space left on device",
    }
    assert notes.named("companion failed") == [said, said]


def test_two_troubles_in_turns_are_two_entries_a_minute() -> None:
    async def main() -> list[Fact]:
        clock = VirtualClock()
        audit = SimAudit(clock)
        complaints = Complaints("messenger", audit=audit, clock=clock, observer=Notes())
        for look in range(24):
            complaints.about(Unavailable(f"trouble {look % 2}"), "look")
            await clock.sleep(5.0)
        return [entry.facts["problem"] for entry in audit.kept]

    found = run_in_virtual_time(main)

    assert found == [f"Unavailable: trouble {number}" for number in (0, 1, 0, 1)]


def test_each_error_of_a_group_is_a_complaint() -> None:
    async def main() -> list[Fact]:
        clock = VirtualClock()
        audit = SimAudit(clock)
        two = ExceptionGroup("two", [Unavailable("no seat"), ExceptionGroup("one", [OSError("no disk")])])
        Complaints("responder", audit=audit, clock=clock, observer=Notes()).about(two)
        return [entry.facts["problem"] for entry in audit.kept]

    assert run_in_virtual_time(main) == ["Unavailable: no seat", "OSError: no disk"]


def test_more_troubles_than_are_remembered_are_still_said_and_the_last_of_them_once() -> None:
    async def main() -> int:
        clock = VirtualClock()
        audit = SimAudit(clock)
        complaints = Complaints("messenger", audit=audit, clock=clock, observer=Notes())
        for number in range(2 * MOST):
            complaints.about(Unavailable(f"trouble {number}"))
            complaints.about(Unavailable(f"trouble {number}"))
        return len(audit.kept)

    assert run_in_virtual_time(main) == 2 * MOST
