"""A caution is what whoever signs a plan should know of it: it is allowed, and seldom meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from watership.releases.plan import Plan
from watership.releases.ports import PATIENCE_SECONDS
from watership.releases.readiness.unseen import Unseen

NUMBERS: Final = re.compile(r"v?(\d+(?:\.\d+)*)")
"""How a version begins that can be compared."""


def cautions(plan: Plan, lacking: Sequence[Unseen]) -> tuple[str, ...]:
    """In the order in which they would be met."""
    return (
        *_versions(plan.live.build.version, plan.next.build.version),
        *_unseen(lacking, rehearsal=plan.rehearsal),
        *_left_out(plan),
        *_pauses(plan),
    )


def _versions(live: str, nxt: str) -> list[str]:
    if nxt == live:
        return [
            f"Next calls itself {nxt} as live does, and its bytes are others: people cannot tell them apart."
        ]
    there, coming = NUMBERS.match(live), NUMBERS.match(nxt)
    if there and coming and _numbers(coming[1]) < _numbers(there[1]):
        return [f"Next is {nxt}, and live is {live}: this release goes back to a lower version."]
    return []


def _numbers(version: str) -> tuple[int, ...]:
    """As numbers, without zeros at the end: 1.0 is no lower than 1."""
    numbers = [int(each) for each in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _unseen(lacking: Sequence[Unseen], *, rehearsal: bool) -> list[str]:
    steps = [each for each in lacking if each.where == "phases"]
    points = len(lacking) - len(steps)
    found = []
    if steps:
        found.append(
            f"{_count(len(steps), 'check')} of phases cannot be made, and each ends the release when its turn comes: "
            "their systems are not named, or their secrets are not there."
            + (" A rehearsal may do without them: --leave-out-unseen." if rehearsal else "")
        )
    if points:
        found.append(
            f"{_count(points, 'point')} of the checklist will not be known, for want of a system's name or its secret; "
            "whoever may waive a point can let the release go on without it."
        )
    return found


def _left_out(plan: Plan) -> list[str]:
    left = plan.overrides.left_out
    return [f"This rehearsal does without {', '.join(left)}: it proves nothing of them."] if left else []


def _pauses(plan: Plan) -> list[str]:
    """Of migrations for which writes wait."""
    found = []
    for each in plan.migrations:
        if not each.pauses_writes:
            continue
        if each.pause_seconds is None:
            found.append(
                f"For how long writes wait for migration {each.name} is not known: nobody measured it."
            )
        elif each.pause_seconds > PATIENCE_SECONDS:
            found.append(
                f"Migration {each.name} took {each.pause_seconds:.3g} s on a copy, and no write is held for more than "
                f"{PATIENCE_SECONDS:g} s: some will be told 503."
            )
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
