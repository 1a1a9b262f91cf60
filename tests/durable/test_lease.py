"""A lease is believed until shortly before it ends, counted from before it was asked for."""

from __future__ import annotations

from watership.durable.lease import MARGIN, Lease
from watership.testing import VirtualClock, run_in_virtual_time, suspend


def test_a_lease_ends_with_a_margin_and_counts_suspension() -> None:
    async def main() -> None:
        clock = VirtualClock()
        lease = Lease(clock, asked_at=clock.monotonic(), seconds=10.0)
        suspend(10.0 * (1 - MARGIN) - 0.01)
        assert lease.holds()
        suspend(0.01)
        assert not lease.holds()
        lease.renewed(clock.monotonic() - 5.0)
        assert lease.holds()
        await clock.sleep(5.0)
        assert not lease.holds()

    run_in_virtual_time(main)


def test_a_lease_that_was_ended_holds_again_only_when_it_is_confirmed() -> None:
    async def main() -> None:
        clock = VirtualClock()
        lease = Lease(clock, asked_at=clock.monotonic(), seconds=10.0)
        lease.end()
        assert not lease.holds()
        lease.renewed(clock.monotonic())
        assert lease.holds()

    run_in_virtual_time(main)
