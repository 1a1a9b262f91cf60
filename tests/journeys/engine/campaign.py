"""A campaign: load and faults together, then quiet, then the history is checked."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec

from tests.journeys.engine.crew import Crew, Death, Role, environment
from tests.journeys.engine.entries import read_entries, DOUBLED
from tests.journeys.engine.faults import Strike, kinds, strikes
from tests.journeys.engine.history import Finding, History, judge
from tests.journeys.engine.load import Load, Message, messages
from tests.journeys.engine.nemesis import Nemesis, Servers
from tests.journeys.engine.stage import Stage, config_of, read_all
from watership.adapters.structlog.observer import StructlogObserver
from watership.durable.states import TERMINAL, RunState
from watership.errors import Unavailable
from watership.wiring.kernel import RunStore, open_kernel

LEASE_SECONDS = 3.0
"""Short, so that zombies are made within seconds."""

QUIET_SECONDS = 120.0
"""After the last fault everything must have ended by then: far longer than any timer, lease or retry here."""

NEWS_SECONDS = 5.0

DRIFT_SECONDS = 0.05
"""The wall clock and the clock since boot must agree so well from begin to end, or no times can be compared."""

WIDE = 1_000
"""Children of the one wide family."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`runs` are sent, about `rate` a second; `bound` seconds, if any, end the sending before."""

    seed: int
    runs: int
    rate: float
    bound: float | None = None
    poison: int = 2
    wide: int = WIDE
    workers: int = 3
    services: int = 2


class Summary(msgspec.Struct, kw_only=True):
    """What came of it. `ok` is whether every promise was kept, every kind of fault seen, and enough done."""

    ok: bool
    seed: int
    seconds: float
    accepted: int
    unclear: int
    in_store: int
    steps_entered: int
    lost: int
    re_entered: int
    stale_writes: int
    findings: list[Finding]
    residue: int
    bound_95: float | None
    faults: dict[str, int]
    faults_unseen: list[str]
    kills: int
    freezes: int
    fenced: int
    unasked_deaths: list[Death]
    answers: dict[str, int]
    refused: list[str]
    doubled_effects_refused: int
    quiet_seconds: float
    folder: str


def roles_of(plan: Plan) -> list[str]:
    return [
        *(f"serve-{number}" for number in range(plan.services)),
        *(f"worker-{number}" for number in range(plan.workers)),
    ]


def crew_of(stage: Stage, plan: Plan, ports: Sequence[int], *, lease: float = LEASE_SECONDS) -> Crew:
    """The processes of a campaign; each answers its probes on a port of its own."""
    roles = []
    for name, port in zip(roles_of(plan), ports, strict=True):
        if name.startswith("serve"):
            words = ["serve", "--port", str(port)]
        else:
            words = ["worker", "--slots", "32", "--http", f"127.0.0.1:{port}"]
        settings = {**stage.settings(name), "WATERSHIP_WORKER_LEASE_SECONDS": str(lease)}
        roles.append(Role(name, words, port, environment(stage.folder, settings)))
    return Crew(roles, stage.folder)


async def run_campaign(
    plan: Plan, stage: Stage, servers: Servers | None, ports: Sequence[int], tell: Callable[[str], None]
) -> Summary:
    """Load, faults, quiet, judgement."""
    began, drift = time.monotonic(), _offset()
    random = Random(plan.seed)
    of = kinds(stage.has_servers)
    async with crew_of(stage, plan, ports) as crew:
        await crew.ready()
        load = Load([each.port for each in crew.services], random, stage.folder, rate=plan.rate)
        nemesis = Nemesis(crew, stage, servers, stage.folder)
        news = asyncio.create_task(_tell(tell, load, nemesis, crew, began))
        striking = asyncio.create_task(nemesis.strike_all(strikes(Random(plan.seed + 1), of, LEASE_SECONDS)))
        _send_specials(load, plan, random)
        await load.send_all(_until(messages(random, plan.runs), plan.bound, lambda: nemesis, len(of)))
        while sum(nemesis.struck.values()) < len(of) or _unseen(nemesis, of):
            # The load is through before every kind of fault was seen: it goes on, the round is not cut short.
            if striking.done():
                break
            await load.send_all(messages(random, int(plan.rate)))
        nemesis.stop()
        await striking
        quiet = await _quieten(stage, tell)
        fenced = await _fenced(crew)
        news.cancel()
    await asyncio.gather(news, return_exceptions=True)
    load.close()
    nemesis.close()
    tell("checking the history")
    async with open_kernel(config_of(stage), StructlogObserver(form="json", level="error")) as kernel:
        runs, journals = await read_all(kernel.store)
    entries = list(read_entries(stage.folder))
    judgement = judge(
        History(
            accepted=load.record.accepted,
            runs=runs,
            journals=journals,
            entered=entries,
            frozen=crew.frozen,
            left=await servers.left() if servers is not None else {},
        )
    )
    findings = list(judgement.findings)
    if abs(_offset() - drift) > DRIFT_SECONDS:
        findings.append(Finding("unexplained", "", "the wall clock was set meanwhile: times cannot be compared"))
    if quiet is None:
        findings.append(Finding("unended", "", f"not everything had ended after {QUIET_SECONDS:.0f} s of quiet"))
    unseen = _unseen(nemesis, of)
    doubled = stage.folder / DOUBLED
    return Summary(
        ok=not (findings or unseen or crew.deaths or load.record.refused)
        and len(load.record.accepted) >= (plan.runs if plan.bound is None else 1),
        seed=plan.seed,
        seconds=round(time.monotonic() - began, 1),
        accepted=len(load.record.accepted),
        unclear=sum(each.unclear for each in load.record.accepted),
        in_store=len(runs),
        steps_entered=len(entries),
        lost=sum(each.kind == "lost" for each in findings),
        re_entered=sum(each.kind == "re-entered" for each in findings),
        stale_writes=sum(each.kind == "stale write" for each in findings),
        findings=findings,
        residue=len(judgement.residue),
        bound_95=judgement.bound,
        faults=dict(sorted(nemesis.struck.items())),
        faults_unseen=unseen,
        kills=crew.kills,
        freezes=len(crew.frozen),
        fenced=fenced,
        unasked_deaths=crew.deaths,
        answers=dict(load.record.answers),
        refused=load.record.refused,
        doubled_effects_refused=len(doubled.read_text().splitlines()) if doubled.exists() else 0,
        quiet_seconds=-1.0 if quiet is None else round(quiet, 1),
        folder=str(stage.folder),
    )
