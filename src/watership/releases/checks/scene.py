"""The scene of a check: what it may look at, with what, and in whose name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from watership.durable.clock import Clock
from watership.durable.states import TERMINAL, RunState
from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import Given, listed, offset
from watership.releases.book.system import System
from watership.releases.environment import Environment
from watership.releases.facts import Position
from watership.releases.instruments import Instruments
from watership.releases.measurement import Finding, excerpt
from watership.releases.order import Release
from watership.releases.plan import Plan, Side
from watership.releases.ports import Instance, ProbeAnswer
from watership.releases.readiness.records import Records
from watership.releases.readiness.situation import CriticalIncidents

POLL_SECONDS = 0.25

TIMEOUT = 30.0
"""Seconds that a check has unless it is said otherwise."""


class Kind(Protocol):
    """A kind of check, as whoever measures in a scene needs it."""

    @property
    def good_for(self) -> float: ...

    @property
    def fix(self) -> str: ...

    async def measure(self, scene: Scene, given: Mapping[str, Given]) -> Finding: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a check gets besides its parameters. What is not there is asked for in vain: BadInput says what is missing.

    `key`: what it is measured for, an item of the plan or a point of the checklist. `recording`: figures are put on
    record, so that none needs a bound.
    """

    key: str
    clock: Clock
    timeout: float = TIMEOUT
    attempt: int = 1
    recording: bool = False
    position: Position = field(default_factory=Position)
    environment: Environment | None = None
    instruments: Instruments | None = None
    started: Release | None = None
    records: Records | None = None
    systems: Mapping[str, System] = field(default_factory=dict)
    incidents: CriticalIncidents | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """What may be measured here, for a check that has others measured."""

    @property
    def env(self) -> Environment:
        if self.environment is None:
            raise BadInput(
                "This check looks at an environment, and none is open.", fix="watership environment up BUILD"
            )
        return self.environment

    @property
    def release(self) -> Release:
        if self.started is None:
            raise BadInput(
                "This check is about a release, and none is planned.", fix="watership release plan BUILD"
            )
        return self.started

    @property
    def plan(self) -> Plan:
        return self.release.plan

    @property
    def look(self) -> Instruments:
        if self.instruments is None:
            raise BadInput("This check looks outside, and has nothing to look with here.")
        return self.instruments

    def side(self, of: str) -> Side:
        """One of the two sides, by its role."""
        match of:
            case "live":
                return self.plan.live
            case "next":
                return self.plan.next
            case other:
                raise BadInput(f"'of' is live or next, not {other!r}.")

    def now(self) -> datetime:
        """The moment by the calendar, which leaps in a rehearsal: how old something is, and what is due."""
        return self.clock.now()

    def sent_at(self) -> datetime:
        """The moment by the machine's clock, for what goes outside: who gets it compares the date with their own clock,
        and refuses a signature, an event or a webhook that comes from tomorrow."""
        return self.look.clock.now()

    def moment(self, text: str) -> datetime:
        """A moment of the release's calendar (`T-4h`)."""
        return self.release.zero + timedelta(seconds=offset(text) * self.plan.overrides.clock_factor)

    # --- systems outside ------------------------------------------------------------------------------------

    def system(self, name: str) -> System:
        if name not in self.systems:
            known = ", ".join(sorted(self.systems)) or "none"
            raise BadInput(f"No system '{name}' is named (named: {known}).", fix="Add it to systems.yaml.")
        return self.systems[name]

    def address(self, name: str) -> str:
        """The URL of a system, with its secret."""
        return self.system(name).address(self.look.secrets)

    def fact(self, name: str, fact: str) -> str:
        """What systems.yaml says of a system besides its address."""
        facts = self.system(name).facts
        if fact not in facts:
            raise BadInput(
                f"Of the system '{name}' it is not known: {fact}.", fix="Add it to its facts in systems.yaml."
            )
        return str(facts[fact])

    def several(self, name: str, fact: str) -> tuple[str, ...]:
        """A fact that names several things, with commas between. Raises BadInput when it names none."""
        found = listed(self.fact(name, fact))
        if not found:
            raise BadInput(
                f"Of the system '{name}' the fact {fact} is empty.", fix="Fill it in, in systems.yaml."
            )
        return found

    async def get(self, name: str, path: str = "", *, timeout: float = 5.0) -> ProbeAnswer:
        """What a system answers to GET, whatever its status."""
        return await self.ask("GET", name, path, timeout=timeout)

    async def ask(
        self, method: str, name: str, path: str = "", *, body: object = None, timeout: float = 5.0
    ) -> ProbeAnswer:
        """What a system answers to a request, with `body` as JSON."""
        system = self.system(name)
        headers = system.sent(self.look.secrets)
        content = None
        if body is not None:
            content, headers = msgspec.json.encode(body), {"content-type": "application/json", **headers}
        url = system.address(self.look.secrets).rstrip("/") + path
        return await self.look.http.request(method, url, body=content, headers=headers, timeout=timeout)

    async def urls(self, of: str) -> Sequence[str]:
        """Where `of` answers HTTP: the system of that name, at each HOST:PORT of its fact `addresses` where it has one,
        else the serving processes of live or next."""
        if of not in self.systems and of in ("live", "next") and self.environment is not None:
            return [f"http://{address}" for address in await self.addresses(self.side(of))]
        url = self.address(of).rstrip("/")
        addresses = listed(str(self.system(of).facts.get("addresses", "")))
        parts = urlsplit(url)
        return [f"{parts.scheme}://{each}{parts.path}" for each in addresses] or [url]

    async def fetch(self, of: str, url: str, *, timeout: float = 5.0) -> ProbeAnswer:
        """GET one of the addresses of `of`, with the headers of the system of that name, where there is one."""
        system = self.systems.get(of)
        headers = system.sent(self.look.secrets) if system is not None else {}
        return await self.look.http.request("GET", url, headers=headers, timeout=timeout)

    async def json(self, name: str, path: str = "", *, timeout: float = 5.0) -> object:
        """The JSON that a system answers with 200. Raises Unavailable when it does not: nothing is known then."""
        return json_of(name, path, await self.get(name, path, timeout=timeout))

    # --- the environment ------------------------------------------------------------------------------------

    async def instances(self, side: Side) -> Sequence[Instance]:
        return [each for each in await self.env.hosts.instances() if each.deployment == side.deployment]

    async def addresses(self, side: Side) -> Sequence[str]:
        """Where the side's serving processes listen. Raises BadInput when there is none."""
        found = [each.address for each in await self.instances(side) if each.role == "serve" and each.address]
        if not found:
            raise BadInput(f"No serving process of {side.deployment} has told its address.")
        return found

    async def until(self, good: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Look again until it is so, `seconds` at most."""
        end = self.clock.monotonic() + seconds
        while not await good():
            if self.clock.monotonic() >= end:
                return False
            await self.clock.sleep(POLL_SECONDS)
        return True


def json_of(name: str, path: str, answer: ProbeAnswer) -> object:
    """The JSON of an answer with 200. Raises Unavailable for any other answer."""
    if answer.status != 200:
        raise Unavailable(f"{name}{path} answered {answer.status}: {excerpt(answer.body)}")
    try:
        return msgspec.json.decode(answer.body)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{name}{path} answered what is no JSON: {error}.") from error


def unfinished(state: RunState) -> bool:
    return state not in TERMINAL
