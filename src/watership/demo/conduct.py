"""Conducting a release: drawn, signed by five people, handed to a controller process, and followed to its end."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from datetime import UTC, datetime

from watership.demo.chaos import ControllerChaos
from watership.demo.crew import Member
from watership.demo.judge import ReleaseRecord
from watership.demo.news import News, decided_at
from watership.demo.screen import Screen
from watership.demo.stage import BUILDS, LAYOUT, Stage
from watership.durable.clock import SystemClock
from watership.errors import Unavailable
from watership.fleet.identity import everybody
from watership.releases.plan import Overrides, Plan, Size
from watership.releases.warrant import Caller
from watership.wiring.controller import open_desk

DAY = 86_400.0

DAY_SECONDS = 4.0
"""What twenty-four hours of the calendar last; nothing that the gate needs gets shorter by it."""

SOAK_SECONDS = 28.0
"""At 240 requests a second next then has had its 3,000."""

SHORT_SOAK = 0.12
"""The part of a short demo's traffic that it soaks for."""

SHORT_SAMPLES = 400
"""Requests on next that a short demo's gate is content with: without errors they rule out its stated regression."""

WATCH_SECONDS, SHORT_WATCH_SECONDS = 15.0, 3.0
"""At 240 requests a second the watch then has had its 3,000, or a short demo's 400, and comes to a verdict."""

STARTER = "the demo"

PEOPLE = ("Ada", "Barbara", "Claude", "Dorothy", "Edsger", "Frances", "Grace")
"""Those who sign, each in one role."""

LOOK_SECONDS = 0.1

RELEASE_SECONDS = 300.0
"""A release that takes longer than this has lost its way."""

AGAIN_SECONDS = 0.5
"""Before a controller that was killed is started again, as a supervisor would."""

LIVE_PHASES = range(2, 6)


@dataclass(frozen=True, slots=True)
class Act:
    """A release of the play. `broken`: it is not meant to succeed."""

    version: str
    broken: bool = False

    @property
    def name(self) -> str:
        return f"demo-{self.version}"


class Conductor:
    """Takes releases from plan to end on one stage."""

    def __init__(
        self, stage: Stage, screen: Screen, news: News, chaos: ControllerChaos | None = None
    ) -> None:
        self._stage = stage
        self._screen = screen
        self._news = news
        self._chaos = chaos
        self._controllers = 0

    async def release(self, act: Act) -> ReleaseRecord:
        """Release, follow it to its end, and put together what is on record of it."""
        plan = await self._draw(act)
        self._screen.begin(act.name, f"{plan.live.build.version} → {act.version}")
        began = datetime.now(UTC)
        await self._run(act, self._kills(act))
        await self._stage.learn_versions()
        return self._record(act, plan, began)

    @property
    def _soak(self) -> float:
        options = self._stage.options
        return SOAK_SECONDS if options.whole else SHORT_SOAK * options.seconds

    # --- paper ------------------------------------------------------------------------------------------------

    async def _draw(self, act: Act) -> Plan:
        options = self._stage.options
        overrides = Overrides(
            clock_factor=options.haste * DAY_SECONDS / DAY,
            soak_seconds=self._soak,
            watch_seconds=WATCH_SECONDS if options.whole else SHORT_WATCH_SECONDS,
            min_samples=None if options.whole else SHORT_SAMPLES,
        )
        size = Size(serve=LAYOUT.serve, workers=LAYOUT.workers, slots=LAYOUT.slots)
        async with open_desk(self._stage.config) as desk:
            draft = await desk.draw(
                BUILDS / act.version,
                release=act.name,
                starter=STARTER,
                overrides=overrides,
                size=size,
                book=None,
            )
            desk.folder(act.name).save_draft(draft)
            clerk = await desk.clerk(act.name)
            for role, person in zip(draft.plan.signoffs.needed, PEOPLE, strict=False):
                await clerk.sign(role, Caller(everybody(person, SystemClock()), open=True))
            return draft.plan

    # --- the controller ---------------------------------------------------------------------------------------

    async def _run(self, act: Act, kills: dict[int, float]) -> None:
        """Controllers until one of them sees the release through."""
        controller = await self._controller("start", act.name, "--as", STARTER)
        striking: asyncio.Task[bool] | None = None
        deadline = asyncio.get_running_loop().time() + RELEASE_SECONDS
        while True:
            phase = self._news.phase(act.name)
            if striking is None and phase is not None and (due := _due(kills, phase)) is not None:
                striking = asyncio.create_task(self._strike(act, controller, kills.pop(due)))
            if striking is not None and striking.done():
                if striking.result():
                    controller = await self._again(controller)
                striking = None
            elif controller.code is not None and striking is None:
                self._check(act, controller)
                return
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"Release {act.name} has not ended: {controller.tail()}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _controller(self, *words: str) -> Member:
        self._controllers += 1
        return await self._stage.start(f"controller-{self._controllers}", "watership", "release", *words)

    def _kills(self, act: Act) -> dict[int, float]:
        """When this release's controllers die: phase → seconds into it."""
        if self._chaos is None:
            return {}
        kills = self._chaos.plan(soak_seconds=self._soak)
        # The broken release's gate needs a second or two: a kill there would often come too late to count.
        return {phase: seconds for phase, seconds in kills.items() if not (act.broken and phase == 5)}

    async def _strike(self, act: Act, controller: Member, seconds: float) -> bool:
        """Kill the controller after a while; whether it lived, and was between phases 2 and 5."""
        assert self._chaos is not None
        await asyncio.sleep(seconds)
        phase = self._news.phase(act.name)
        ended = self._news.last(act.name, "release.ended") is not None
        if controller.code is not None or phase not in LIVE_PHASES or ended:
            return False
        controller.signal(signal.SIGKILL)
        await controller.ended()
        self._chaos.killed += 1
        self._screen.say(f"chaos: killed the controller in phase {phase}")
        return True

    async def _again(self, killed: Member) -> Member:
        await asyncio.sleep(AGAIN_SECONDS)
        return await self._controller("resume", "--as", STARTER)

    def _check(self, act: Act, controller: Member) -> None:
        """A controller that ended by itself has ended the release, or says why not."""
        self._screen.tell(self._news.more())
        if self._news.last(act.name, "release.ended") is None:
            raise Unavailable(
                f"The controller of {act.name} ended with {controller.code}: {controller.tail()}",
                fix="Run the demo with --keep, and look at the folder.",
            )

    # --- the record -------------------------------------------------------------------------------------------

    def _record(self, act: Act, plan: Plan, began: datetime) -> ReleaseRecord:
        ended = self._news.last(act.name, "release.ended")
        back = self._news.last(act.name, "release.take_back.passed")
        drained = self._news.last(act.name, "release.cutover.drain.passed")
        line, slot = self._stage.timeline, plan.next.slot
        decided = decided_at(back) if back is not None else None
        split = line.first(after=began, slot=slot, least=1)
        full = line.first(after=split, slot=slot, least=100) if split else None
        returned = (
            line.first(after=decided, slot=slot, most=0, deployment=plan.next.deployment) if decided else None
        )
        return ReleaseRecord(
            version=act.version,
            deployment=plan.next.deployment,
            outcome=str(ended.facts["outcome"]) if ended else "unknown",
            reason=str(ended.facts["reason"]) if ended else "",
            split_at=split,
            full_at=full,
            drained_at=drained.at if drained else None,
            decided_at=decided,
            returned_at=returned,
        )


def _due(kills: dict[int, float], phase: int) -> int | None:
    """The first planned kill whose phase has been reached."""
    return next((at for at in sorted(kills) if at <= phase), None)
