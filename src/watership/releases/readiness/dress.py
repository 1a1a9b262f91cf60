"""A dress rehearsal is the whole release, held before the real one on servers of its own, with its controller killed.

Whoever holds one writes it down as JSON. It names builds, scripts and runbook by their digests, so that it proves
nothing of what was changed since.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from watership.releases.plan import Plan
from watership.releases.readiness.rehearsal import Script, differing

FOLDER: Final = "evidence/rehearsals"
"""Where records are kept, below the project's folder: one JSON file each."""

CONVERGES: Final = 30.0
"""Seconds within which a controller that was started again has to bring its release to an end.

A busy machine takes longer for all of it: a rehearsal finds fault with one that needs as much more than the release
without a death did; the check of its record with all beyond this.
"""

Crash = Literal["none", "each", "all", "some"]


class Kills(Struct, frozen=True, kw_only=True):
    """`points`: places to die at that the release without a death came by, before and after each write. `killed`:
    those at which a controller was killed; `unreached`: those that were tried, and that its release did not come by."""

    points: int
    killed: int
    unreached: tuple[str, ...] = ()
    undisturbed: float = 0.0
    """Seconds that the controller of the release without a death needed for all of it."""
    slowest: float | None = None
    """Seconds from the new controller's start to the release's end, at most; None where nothing was killed."""


class WayBack(Struct, frozen=True, kw_only=True):
    """Rollbacks after the promotion, from the order until both planes were read back, in seconds."""

    times: int
    median: float
    longest: float


class DressRehearsal(Struct, frozen=True, kw_only=True):
    """`left_out`: checks that look at what a rehearsal has not. `faults`: everything that went wrong, in words.

    `requests` and `runs` are those that were sent meanwhile; `failed` requests got a 5xx or no answer, and `lost` runs
    did not succeed.
    """

    schema: Literal["watership/dress-rehearsal/v1"] = "watership/dress-rehearsal/v1"
    release: str
    by: str
    began: datetime
    ended: datetime
    live: str
    next: str
    runbook_sha256: str
    smoke_sha256: str
    controller: str
    scripts: tuple[Script, ...]
    proxy: str
    servers: str
    crash: Crash
    takes: int
    promoted: int
    rolled_back: int
    kills: Kills
    way_back: WayBack | None
    requests: int
    failed: int
    runs: int
    lost: int
    left_out: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """It was promoted and taken back at least once, and nothing went wrong."""
        return not self.faults and self.promoted > 0 and self.way_back is not None


def scripts_of(plan: Plan) -> tuple[Script, ...]:
    """A plan's migrations, by the digests of their bytes."""
    return tuple(
        Script(name=each.name, forward_sha256=each.forward_sha256, backward_sha256=each.backward_sha256)
        for each in plan.migrations
    )


def changed(held: DressRehearsal, plan: Plan) -> list[str]:
    """What of a plan is not what was rehearsed, in words."""
    pairs = {
        "next is another build": (held.next, plan.next.build.digest),
        "live is another build": (held.live, plan.live.build.digest),
        "the runbook is another one": (held.runbook_sha256, plan.runbook_sha256),
        "the smoke test is another one": (held.smoke_sha256, plan.smoke_sha256),
        "the controller is another build": (held.controller, plan.controller),
    }
    wrong = [words for words, (tried, planned) in pairs.items() if tried != planned]
    return wrong + differing(held.scripts, scripts_of(plan))
