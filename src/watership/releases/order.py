"""A release as the controller gets it: the plan with what it names by digest, and the orders of people."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from watership.releases.book.code import Code
from watership.releases.plan import Plan
from watership.releases.ports import Migration
from watership.releases.readiness.signoff import SignOff
from watership.releases.smoke import Smoke

ORDER = "order"
"""The name of the signal by which people's orders reach a release."""


class Release(Struct, frozen=True, kw_only=True):
    """The input of a release's run. `zero` is T+0. `adopted_by`: the build that took it over."""

    plan: Plan
    signoffs: tuple[SignOff, ...]
    scripts: tuple[Migration, ...]
    smoke: Smoke
    zero: datetime
    code: tuple[Code, ...] = ()
    """The Python of the runbook's own checks, which the plan names by digest."""
    waived_by: str | None = None
    """Who let a quarantined digest in again."""
    linger: float = 60.0
    """Seconds that a rollback waits for next's runs; what runs longer keeps next's workers."""
    adopted_by: str | None = None
    promoted: bool = False
    """It was promoted before it was taken over; its watch is left."""


Kind = Literal["hold", "resume", "next", "accept", "abort", "rollback"]


class Order(Struct, frozen=True, kw_only=True):
    """What a person wants of a running release.

    hold: begin nothing more. resume: go on, also after a failure that waits for a person. next: do not wait for
    the calendar. accept: content oneself with a watch that came to no verdict; next says the same there.
    abort: end it, and take back what was done. rollback: the same, at any time.
    """

    kind: Kind
    who: str
    reason: str = ""
