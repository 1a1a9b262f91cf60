"""A release as the controller gets it: the plan with what it names by digest, and the orders of people."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from watership.releases.plan import Plan
from watership.releases.ports import Migration
from watership.releases.signoff import SignOff

ORDER = "order"
"""The name of the signal by which people's orders reach a release."""


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP exchange of the smoke test. `includes` must be contained in the answer's JSON."""

    name: str
    method: str = "GET"
    path: str
    body: Any = None
    headers: dict[str, str] = {}
    status: int = 200
    includes: Any = None


class Message(Struct, frozen=True, kw_only=True):
    """One run of the smoke test, pinned to the deployment that is tested and followed to its end."""

    name: str
    program: str
    input: Any = None
    includes: Any = None
    seconds: float = 30.0


class Smoke(Struct, frozen=True, kw_only=True):
    """What a build must be able to do. An empty test proves nothing and is inconclusive."""

    requests: tuple[Request, ...] = ()
    messages: tuple[Message, ...] = ()
    headers: dict[str, str] = {}
    """Sent with every request (a token)."""


class Size(Struct, frozen=True, kw_only=True):
    """Processes of a deployment, and the runs that each worker executes at a time."""

    serve: int = 1
    workers: int = 1
    slots: int = 8


class Release(Struct, frozen=True, kw_only=True):
    """The input of a release's run. `zero` is T+0. `adopted_by`: the build that took it over."""

    plan: Plan
    signoffs: tuple[SignOff, ...]
    scripts: tuple[Migration, ...]
    smoke: Smoke
    size: Size
    zero: datetime
    waived_by: str | None = None
    """Who let a quarantined digest in again."""
    linger: float = 60.0
    """Seconds that a rollback waits for next's runs; what runs longer keeps next's workers."""
    adopted_by: str | None = None


Kind = Literal["hold", "resume", "next", "abort", "rollback"]


class Order(Struct, frozen=True, kw_only=True):
    """What a person wants of a running release.

    hold: begin nothing more. resume: go on, also after a failure that waits for a person. next: do not wait for
    the calendar. abort: end it, and take back what was done. rollback: the same, at any time.
    """

    kind: Kind
    who: str
    reason: str = ""
