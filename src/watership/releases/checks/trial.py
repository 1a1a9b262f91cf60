"""The application's own interface is used as its users do: whether it can do its work, its limits, and its switches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from msgspec import Struct

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.errands import meant
from watership.releases.checks.kind import check
from watership.releases.checks.requests import sent_to
from watership.releases.checks.scene import Scene, json_of
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, failed, found, inconclusive


@check("http.steady", good_for="1h")
async def steady(scene: Scene, *, of: str, paths: str, times: int = 10) -> Finding:
    """Every address of `of` answers every one of `paths` with 200, `times` times in a row."""
    if times < 1:
        raise BadInput("What is asked no time is not steady.", fix="Write: times: 10")
    wrong, asked = [], 0
    for url in await scene.urls(of):
        for path in listed(paths):
            statuses = [(await scene.fetch(of, url + path)).status for _ in range(times)]
            asked += times
            if bad := [each for each in statuses if each != 200]:
                wrong.append(f"{url}{path} answered {bad[0]} in {len(bad)} of {times} cases")
    return found(not wrong, "; ".join(wrong) or f"All of {asked} questions to {of} were answered with 200.")


@check(
    "trial.functional",
    good_for="1h",
    fix="watership deploy show; start what is missing, resume what is paused.",
)
async def functional(scene: Scene, *, of: str, heard: float = 60.0) -> Finding:
    """`of` (live or next) can do all of its work: every address serves that side's deployment, has started, and is
    neither read-only nor draining; it has agents, none of them is paused, and in the pool of each a worker of that
    deployment was heard of within `heard`."""
    urls, deployment = await scene.urls(of), scene.side(of).deployment
    stands = [await _told(scene, of, url + "/status", _Standing) for url in urls]
    agents = (await _told(scene, of, urls[0] + "/api/v1/agents", _Agents)).data
    workers = (await _told(scene, of, urls[0] + "/api/v1/workers", _Workers)).data
    since = stands[0].timestamp - timedelta(seconds=heard)
    there = [
        each for each in workers if each.deployment == deployment and each.seen_at >= since and each.slots
    ]
    wrong = [
        f"{url} {words}" for url, each in zip(urls, stands, strict=True) for words in _idle(each, deployment)
    ]
    wrong += [] if agents else [f"{of} has no agent"]
    wrong += [f"{each.name} is paused" for each in agents if each.paused is not None]
    wrong += [
        f"nobody of {deployment} works for {pool} (its agents: {', '.join(e.name for e in agents if e.pool == pool)})"
        for pool in sorted({each.pool for each in agents} - {each.pool for each in there})
    ]
    words = f"{len(agents)} agents, {len(there)} workers of {deployment} within {spoken(heard)}"
    return found(not wrong, f"{'; '.join(wrong) or words}.", agents=len(agents), workers=len(there))


class _Standing(Struct):
    timestamp: datetime
    deployment: str
    started: bool
    readonly: bool
    draining: bool


class _Agent(Struct):
    name: str
    pool: str
    paused: object = None


class _Agents(Struct):
    data: list[_Agent]


class _Worker(Struct):
    deployment: str
    pool: str
    slots: int
    seen_at: datetime


class _Workers(Struct):
    data: list[_Worker]


T = TypeVar("T")


async def _told(scene: Scene, of: str, url: str, shape: type[T]) -> T:
    return shaped(url, json_of(url, "", await scene.fetch(of, url)), shape)


def _idle(standing: _Standing, deployment: str) -> Iterator[str]:
    """Why a process does not do its work."""
    if standing.deployment != deployment:
        yield f"serves {standing.deployment}, not {deployment}"
    if not standing.started:
        yield "has not started"
    if standing.readonly:
        yield "is read-only"
    if standing.draining:
        yield "is draining"


@check(
    "trial.limit",
    good_for="24h",
    fix="Set limits.requests_per_minute, and give the processes one counter (Redis).",
)
async def limit(scene: Scene, *, of: str, path: str, at_most: int = 100) -> Finding:
    """Whoever asks `of` too often is refused with 429, and told when to come again, after `at_most` requests.

    It stops at the first refusal. Give the system `of` a caller of its own, so that nobody else is refused for it.
    """
    for number in range(1, at_most + 1):
        answer = await sent_to(scene, "GET", of, path)
        if answer.status == 429:
            after = answer.headers.get("retry-after", "")
            words = f"The request number {number} was refused with 429, Retry-After '{after}'."
            return found(after.isdigit() and int(after) > 0, words, number=number)
        if answer.status != 200:
            raise Unavailable(f"{path} answered {answer.status} before any limit.")
    return failed(f"{at_most} requests in a row were all answered: there is no limit below.")


@check("trial.readonly", good_for="24h")
async def readonly(scene: Scene, *, of: str, agent: str, input: str = "a probe") -> Finding:
    """`of` can be degraded: switched to read-only it refuses new work (a message to `agent` with `input`) with 503 and
    Retry-After, and still answers reads; switched back it says so. Its switch must not be live's too."""
    if await _is_readonly(scene, of):
        return inconclusive(f"{of} is read-only already: whether it can be switched is not known.")
    try:
        await _switch(scene, of, True)
        wrong = await _degraded(scene, of, {"agent": agent, "input": meant(input)})
    finally:
        await _switch(scene, of, False)
    if await _is_readonly(scene, of):
        wrong.append(f"{of} stays read-only")
    return found(
        not wrong, "; ".join(wrong) or f"{of} refused new work, answered reads, and was switched back."
    )


async def _degraded(scene: Scene, of: str, message: object) -> list[str]:
    wrong = [] if await _is_readonly(scene, of) else [f"{of} does not say that it is read-only"]
    refused = await sent_to(scene, "POST", of, "/api/v1/messages", message)
    if refused.status != 503 or "retry-after" not in refused.headers:
        wrong.append(f"new work is answered {refused.status}, not 503 with Retry-After")
    read = await sent_to(scene, "GET", of, "/api/v1/runs")
    return wrong + ([f"reads are answered {read.status}"] if read.status != 200 else [])


class _Status(Struct):
    readonly: bool


async def _is_readonly(scene: Scene, of: str) -> bool:
    return msgspec.convert(
        json_of(of, "/status", await sent_to(scene, "GET", of, "/status")), _Status
    ).readonly


async def _switch(scene: Scene, of: str, on: bool) -> None:
    answer = await sent_to(scene, "POST", of, "/admin/readonly", {"readonly": on})
    if answer.status != 200:
        raise Unavailable(f"{of} answered {answer.status} to the switch read-only.")
