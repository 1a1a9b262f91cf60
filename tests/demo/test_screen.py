"""The screen shows what was measured, and nothing where nothing was."""

from __future__ import annotations

import io

from rich.console import Console

from watership.demo.screen import Screen, SlotView, View, rendered, slot_view, status
from watership.fleet.deployment import Slot
from watership.releases.ports import TrafficTick


def shown(view: View) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(rendered(view))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_slot_that_served_nothing_has_no_error_rate() -> None:
    nothing = slot_view([TrafficTick(second=1, requests=0, errors=0, latencies={})])

    assert (nothing.per_second, nothing.error_rate, nothing.p95) == (0.0, None, None)
    assert "errors –" in status(View(slots={Slot.BLUE: nothing}))


def test_rates_are_those_of_all_seconds_together() -> None:
    ticks = [
        TrafficTick(second=1, requests=100, errors=0, latencies={"0.01": 100}),
        TrafficTick(second=2, requests=300, errors=40, latencies={"0.01": 200, "0.5": 100}),
    ]
    seen = slot_view(ticks)

    assert (seen.per_second, seen.error_rate, seen.p95) == (200.0, 0.1, 0.5)


def test_the_view_names_the_phase_under_way_and_each_slots_share() -> None:
    slots = {
        Slot.BLUE: SlotView(version="2.1.0", weight=50),
        Slot.GREEN: SlotView(version="2.0.5", weight=50),
    }
    text = shown(View(release="2.0.5 → 2.1.0", marks={"gate": "✓", "cutover": "…"}, slots=slots))

    assert "✓ 0" in text
    assert "… 5 Traffic cutover" in text
    assert "· 6" in text
    assert "2.0.5" in text
    assert " 50 % ██████████" in text


def test_without_a_terminal_each_line_is_written_at_once() -> None:
    out = io.StringIO()
    with Screen(plain=True, out=out) as screen:
        screen.say("2.0.5 serves")

    assert out.getvalue().endswith("s  2.0.5 serves\n")
