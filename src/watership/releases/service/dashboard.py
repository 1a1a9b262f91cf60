"""The dashboard asks every instance of a slot itself: nine checks, each passed, failed or not known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.book.quantity import percent, spoken
from watership.releases.ports import Probe
from watership.releases.verdict import Verdict, worst

ANSWER_SECONDS: Final = 5.0
"""More than an instance waits for a component that hangs (2 s)."""

MOST: Final = 0.8
"""Of the memory that there is, and of one processor: from here on a slot is about to run out of it."""

SECONDS: Final = 0.5
"""For which CPU is measured."""

COMPONENTS: Final = {"database": "Database", "rabbitmq": "RabbitMQ", "redis": "Redis"}
ENDPOINTS: Final = ("/api/agents", "/api/messages", "/api/health")

WORDS: Final = 200
"""Characters of an answer that are shown."""


class ProcessUse(Struct, frozen=True, kw_only=True):
    """What a process uses: bytes of memory, shared ones by its part; and CPU, where 1 is a whole processor."""

    memory: int
    cpu: float


class Used(Struct, frozen=True, kw_only=True):
    """What processes use, by their ids, without those that are gone; `memory` is what all of them may take."""

    processes: Mapping[int, ProcessUse]
    memory: int


class Usage(Protocol):
    async def of(self, pids: Sequence[int], *, seconds: float) -> Used:
        """Measure for `seconds`. Raises Unavailable where this machine does not tell."""


class Seen(Struct, frozen=True, kw_only=True):
    """What one instance showed of one check."""

    instance: str
    verdict: Verdict
    words: str


class Check(Struct, frozen=True, kw_only=True):
    """One line of the dashboard: as bad as its worst instance."""

    id: str
    title: str
    verdict: Verdict
    words: str
    seen: tuple[Seen, ...] = ()


class Board(Struct, frozen=True, kw_only=True):
    """The whole of it."""

    subject: str
    checks: tuple[Check, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(check.verdict is verdict for check in self.checks)

    @property
    def verdict(self) -> Verdict:
        return worst(check.verdict for check in self.checks)


class Members(Struct, frozen=True, kw_only=True):
    """Who is asked. `serving`: names with URLs, None for one that has none yet. `pids`: of this machine.

    `silent`: why there are no pids.
    """

    subject: str
    serving: Mapping[str, str | None]
    pids: Mapping[str, int | None] = {}
    silent: str = ""


class _Told(Struct, frozen=True):
    """What is read of an answer of /health; what it does not tell is not known."""

    version: str | None = None
    uptime: float | None = None
    database: str | None = None
    rabbitmq: str | None = None
    redis: str | None = None
    adapters: Mapping[str, str] = {}
    """What stands behind each name, so that nobody takes an embedded one for a server."""


async def look(probe: Probe, usage: Usage, members: Members) -> Board:
    """Ask everybody, at the same time."""
    names = list(members.serving)
    answers, used = await asyncio.gather(
        asyncio.gather(*(_instance(probe, name, members.serving[name]) for name in names)),
        _used(usage, members),
    )
    lines = [[answer[number] for answer in answers] for number in range(1 + len(COMPONENTS) + len(ENDPOINTS))]
    nobody = Verdict.FAILED, "no process serves here"
    first, *components = (
        _line(*what, seen, nobody if number == 0 else (Verdict.INCONCLUSIVE, nobody[1]))
        for number, (what, seen) in enumerate(zip(_titles(), lines, strict=True))
    )
    split = len(COMPONENTS)
    return Board(
        subject=members.subject,
        checks=(first, *components[:split], *_machine(members, used), *components[split:]),
    )


def _titles() -> list[tuple[str, str]]:
    return [
        ("application", "Application"),
        *COMPONENTS.items(),
        *((path.rpartition("/")[2], path) for path in ENDPOINTS),
    ]


async def _instance(probe: Probe, name: str, url: str | None) -> list[Seen]:
    """The application, its components, then its endpoints."""
    if url is None:
        starting = "it has no address yet"
        return [
            _failed(name, starting),
            *(_unknown(name, starting) for _ in COMPONENTS),
            *(_failed(name, starting) for _ in ENDPOINTS),
        ]
    found = await asyncio.gather(
        _health(probe, name, url), *(_endpoint(probe, name, url, path) for path in ENDPOINTS)
    )
    health, *endpoints = found
    return [*health, *(each[0] for each in endpoints)]


async def _health(probe: Probe, name: str, url: str) -> list[Seen]:
    try:
        answer = await probe.request("GET", f"{url}/health", timeout=ANSWER_SECONDS)
    except Unavailable as error:
        return [_failed(name, error.message), *(_unknown(name, "it was not told") for _ in COMPONENTS)]
    try:
        told = msgspec.json.decode(answer.body, type=_Told)
    except msgspec.DecodeError as error:
        words = f"it answers {answer.status} with what is no health: {error}"
        return [_failed(name, words), *(_unknown(name, "it was not told") for _ in COMPONENTS)]
    return [
        _application(name, answer.status, told),
        *(_component(name, getattr(told, each), told.adapters.get(each)) for each in COMPONENTS),
    ]


def _application(name: str, status: int, told: _Told) -> Seen:
    about = f"version {told.version or 'unknown'}, up for {_uptime(told.uptime)}"
    if status != 200:
        return _failed(name, f"it answers {status}; {about}")
    if told.version is None or told.uptime is None:
        return _failed(name, f"it answers 200, and does not say what it is: {about}")
    return _passed(name, f"200 OK, {about}")


def _component(name: str, said: str | None, behind: str | None) -> Seen:
    """Only the word `ok` is good; everything else is shown as it was said."""
    if said is None:
        return _unknown(name, "it was not told")
    if said != "ok":
        return _failed(name, said[:WORDS])
    return _passed(name, f"ok ({behind})"[:WORDS] if behind else "ok")


async def _endpoint(probe: Probe, name: str, url: str, path: str) -> list[Seen]:
    """Who is not let in sees all the same that somebody is there."""
    try:
        answer = await probe.request("GET", f"{url}{path}", timeout=ANSWER_SECONDS)
    except Unavailable as error:
        return [_failed(name, error.message)]
    good = answer.status in (200, 401)
    return [_passed(name, str(answer.status)) if good else _failed(name, f"it answers {answer.status}")]


async def _used(usage: Usage, members: Members) -> Used | str:
    """What the processes use, or why it is not known."""
    pids = [pid for pid in members.pids.values() if pid is not None]
    if not pids:
        return members.silent or "no process is known"
    try:
        return await usage.of(pids, seconds=SECONDS)
    except Unavailable as error:
        return error.message


def _machine(members: Members, used: Used | str) -> tuple[Check, Check]:
    """The memory of all processes together, and the CPU of the busiest one."""
    titles = ("memory", "Memory"), ("cpu", "CPU")
    if isinstance(used, str):
        memory, cpu = (_line(*title, [], (Verdict.INCONCLUSIVE, used)) for title in titles)
        return memory, cpu
    there = {name: used.processes.get(pid) for name, pid in members.pids.items() if pid is not None}
    gone = [name for name in members.pids if there.get(name) is None]
    seen = {name: use for name, use in there.items() if use is not None}
    share = sum(use.memory for use in seen.values()) / used.memory
    whole = f"{percent(share)} of {used.memory / 2**30:.1f} GiB, by {len(seen)} process(es)"
    return (
        _share(titles[0], share, whole, gone),
        _share(titles[1], *_busiest(seen), gone),
    )


def _busiest(seen: Mapping[str, ProcessUse]) -> tuple[float, str]:
    if not seen:
        return 0.0, "no process was measured"
    name, use = max(seen.items(), key=lambda each: each[1].cpu)
    return use.cpu, f"{percent(use.cpu)} of a processor at most ({name})"


def _share(title: tuple[str, str], share: float, words: str, gone: Sequence[str]) -> Check:
    """Too much is too much whatever is missing; what is missing may be too much."""
    verdict = Verdict.FAILED if share >= MOST else Verdict.INCONCLUSIVE if gone else Verdict.PASSED
    if gone:
        words = f"{words}; not known: {', '.join(gone)}"
    return Check(id=title[0], title=title[1], verdict=verdict, words=f"{words}, {percent(MOST)} is the limit")


def _line(id: str, title: str, seen: Sequence[Seen], without: tuple[Verdict, str]) -> Check:
    """A check by its instances; `without` any it is what is said there."""
    if not seen:
        return Check(id=id, title=title, verdict=without[0], words=without[1])
    verdict = worst(each.verdict for each in seen)
    telling = [each for each in seen if each.verdict is verdict]
    words = "; ".join(f"{each.instance}: {each.words}" for each in telling)
    if len(seen) == 1:
        words = telling[0].words
    return Check(id=id, title=title, verdict=verdict, words=words, seen=tuple(seen))


def _uptime(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else spoken(seconds) or "0s"


def _passed(name: str, words: str) -> Seen:
    return Seen(instance=name, verdict=Verdict.PASSED, words=words)


def _failed(name: str, words: str) -> Seen:
    return Seen(instance=name, verdict=Verdict.FAILED, words=words)


def _unknown(name: str, words: str) -> Seen:
    return Seen(instance=name, verdict=Verdict.INCONCLUSIVE, words=words)
