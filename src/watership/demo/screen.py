"""What people see while the demo plays: a live view on a terminal, plain lines elsewhere. Never on stdout."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from watership.demo.news import News, item_of, phases
from watership.demo.stage import Stage
from watership.durable.states import TERMINAL
from watership.errors import WatershipError
from watership.fleet.deployment import Slot
from watership.releases.auditing.audit import Entry
from watership.releases.judging.traffic import latency_p95, together
from watership.releases.ports import TrafficTick

LOOK_SECONDS = 0.5

WINDOW = 4
"""Seconds over which rates are shown."""

STATUS_SECONDS = 10.0
"""Between two plain lines that say how things stand."""

LINES = 8
"""The last lines of news in the live view."""

MARKS = {"begun": "…", "passed": "✓", "failed": "✗", "inconclusive": "?"}


@dataclass(slots=True)
class SlotView:
    """One slot as it is shown. Rates are None where nothing was served."""

    version: str = "–"
    weight: int = 0
    per_second: float = 0.0
    error_rate: float | None = None
    p95: float | None = None


@dataclass(slots=True)
class View:
    """Everything that is shown."""

    release: str = ""
    marks: dict[str, str] = field(default_factory=dict)
    """Phase → the mark of its last item."""
    slots: dict[Slot, SlotView] = field(default_factory=lambda: {slot: SlotView() for slot in Slot})
    runs: Mapping[str, int] = field(default_factory=dict)
    """Version → runs under way."""
    lines: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Screen:
    """Shows the stage while it plays. `say` adds a line of news."""

    def __init__(self, *, plain: bool, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._console = Console(file=out)
        self._live = (
            None
            if plain or not self._console.is_terminal
            else Live(console=self._console, refresh_per_second=4, transient=False)
        )
        self._began = time.monotonic()
        self._told = 0.0
        self.view = View()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, words: str) -> None:
        """A line of news, with the seconds since the beginning."""
        line = f"{time.monotonic() - self._began:6.1f} s  {words}"
        self.view.lines.append(line)
        if self._live is None:
            self._out.write(line + "\n")
            self._out.flush()

    def begin(self, release: str, title: str) -> None:
        """A release begins: its phases are shown from the start."""
        self.view.release, self.view.marks = title, {}
        self.say(f"{release}: {title}")

    def tell(self, entries: Sequence[Entry]) -> None:
        """Turn entries of the audit log into news."""
        for entry in entries:
            item = item_of(entry)
            if item is None:
                self._tell_other(entry)
                continue
            first = item.phase.id not in self.view.marks
            self.view.marks[item.phase.id] = MARKS.get(item.word, item.word)
            if first:
                self.say(f"phase {item.phase.number}  {item.phase.title}")
            if item.word in ("failed", "inconclusive"):
                self.say(f"{MARKS[item.word]} {item.title}: {item.evidence}")
            elif item.word == "passed" and item.phase.id == "cutover":
                self.say(f"{MARKS['passed']} {item.title}: {item.evidence}")

    def _tell_other(self, entry: Entry) -> None:
        match entry.action:
            case "release.take_back.begun":
                self.say("↩ taking it back: traffic and new work first")
            case "release.take_back.passed":
                self.say(f"✓ {entry.facts.get('evidence')}")
            case "release.promote.passed":
                self.say(f"✓ {entry.facts.get('evidence')}")
            case "release.resumed":
                self.say("the controller is back, and goes on where the journal says")
            case "release.ended":
                self.say(f"{entry.facts.get('release')} ended: {entry.facts.get('outcome')}")

    async def follow(self, stage: Stage, news: News) -> None:
        """Look at the stage until cancelled."""
        while True:
            self.tell(news.more())
            with suppress(WatershipError):  # what does not answer just now is shown as it was
                await self._look(stage)
            self._show()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, stage: Stage) -> None:
        view, now = self.view, int(time.time())
        router = await stage.local.router.read()
        ticks = await stage.local.router.ticks(after=now - 1 - WINDOW, until=now - 1)
        deployments = {each.id: each for each in await stage.kernel.store.all()}
        for each in deployments.values():
            stage.versions[each.id] = each.build.version
        for slot in Slot:
            view.slots[slot] = slot_view(ticks.get(slot, ()))
            view.slots[slot].weight = router.weights.get(slot, 0)
            versions = [each.build.version for each in deployments.values() if each.slot is slot]
            view.slots[slot].version = versions[-1] if versions else "–"
        runs = Counter[str]()
        for (deployment, state), count in (await stage.kernel.store.census()).items():
            if state not in TERMINAL:
                runs[stage.versions.get(deployment, deployment)] += count
        view.runs = dict(sorted(runs.items()))

    def _show(self) -> None:
        self.view.seconds = time.monotonic() - self._began
        if self._live is not None:
            self._live.update(rendered(self.view))
        elif self.view.seconds - self._told >= STATUS_SECONDS:
            self._told = self.view.seconds
            self.say(status(self.view))


def slot_view(ticks: Sequence[TrafficTick]) -> SlotView:
    """A slot's last seconds as rates."""
    whole = together(ticks)
    if not whole.requests:
        return SlotView()
    return SlotView(
        per_second=whole.requests / len(ticks),
        error_rate=whole.errors / whole.requests,
        p95=latency_p95(whole),
    )


def status(view: View) -> str:
    """How things stand, in one line."""
    slots = "  ".join(
        f"{slot.value} {each.version} {each.weight} % ({each.per_second:.0f}/s, errors {percent(each.error_rate)})"
        for slot, each in view.slots.items()
    )
    runs = ", ".join(f"{version} {count}" for version, count in view.runs.items()) or "none"
    return f"{slots}  runs under way: {runs}"


def rendered(view: View) -> Group:
    """The live view."""
    head = Text(f"watership demo  {view.seconds:.0f} s   {view.release}", style="bold")
    slots = Table("slot", "version", "weight", "requests/s", "errors", "p95", box=None, pad_edge=False)
    for slot, each in view.slots.items():
        bar = "█" * round(each.weight / 5)
        slots.add_row(
            Text(slot.value, style=slot.value),
            each.version,
            Text(f"{each.weight:3d} % {bar:<20}", style=slot.value),
            f"{each.per_second:.0f}",
            Text(percent(each.error_rate), style="bold red" if each.error_rate else ""),
            "–" if each.p95 is None else f"{1000 * each.p95:.0f} ms",
        )
    runs = Text("runs under way: " + (", ".join(f"{v}: {n}" for v, n in view.runs.items()) or "none"))
    told = Text("\n".join(view.lines[-LINES:]), style="dim", no_wrap=True, overflow="ellipsis")
    return Group(head, steps(view), Text(), slots, runs, Text(), told)


def steps(view: View) -> Text:
    """Every phase by its number and its mark, the one under way by its title too."""
    reached = [phase for phase in phases() if phase in view.marks]
    words = [
        f"{view.marks.get(phase.id, '·')} {phase.number}"
        + (f" {phase.title}" if reached and phase.id == reached[-1] else "")
        for phase in phases().values()
    ]
    return Text("phases  " + "   ".join(words))


def percent(share: float | None) -> str:
    """What nobody served has no error rate."""
    return "–" if share is None else f"{100 * share:.1f} %"
