"""The journey: 2.0.5 serves, 2.1.0 is planned, signed, and released over it, under load."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.journeys.release.expected import LIVE, NEXT
from tests.journeys.release.figures import Figures, Wanted
from tests.journeys.release.load import Asked, Load, Rates, Record
from tests.journeys.release.oracle import Work, going_on, judge, over_the_cutover, read_work
from tests.journeys.release.scene import SIGNERS, Scene, up
from tests.journeys.release.watching import Watcher, asked, held
from tests.journeys.release.wheels import installed, wheel_of
from watership.adapters.files.audit import read as entries
from watership.wiring.environment import LocalEnvironment

NAME: Final = "journey"
STARTER: Final = "ada"

END_SECONDS: Final = 60.0
"""For the last runs to end after the load."""

RELEASE_SECONDS: Final = 600.0
"""A release that waits for a person is one that went wrong here."""
WINDOW: Final = 10.0
AFTERWARDS_SECONDS: Final = 3.0
"""The load goes on for so long after the release has ended."""

MOMENTS: Final[Mapping[str, str]] = {
    "next stands": "release.deployment.deploy.passed",
    "schema expanded": "release.migration.expand.passed",
    "half": "release.cutover.half.passed",
    "judged": "release.cutover.full.begun",
    "all": "release.cutover.full.passed",
    "promoted": "release.promote.passed",
    "ended": "release.ended",
}
"""What is told of a release → how the audit calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large a journey is. `words` are of `release plan`: soaks may be shorter there, as data."""

    rates: Rates
    errands: int
    history: int
    words: Sequence[str]
    wanted: Wanted
    warm_seconds: float = 5.0


WHOLE: Final = Plan(
    rates=Rates(prices=220.0, orders=56.0, hauls=0.5, haul_seconds=40),
    errands=40,
    history=100_000,
    # The calendar of a day in seconds. The gate keeps the runbook's samples; both soaks give it time for them.
    words=("--clock-factor", "0.0002", "--soak", "60", "--watch", "40"),
    wanted=Wanted(),
)

SHORT: Final = Plan(
    rates=Rates(prices=90.0, orders=20.0, hauls=0.5, haul_seconds=15),
    errands=10,
    history=1_000,
    words=("--clock-factor", "0.00002", "--soak", "12", "--watch", "12", "--min-samples", "400"),
    wanted=Wanted(requests=80.0, runs=15.0, long_runs=10),
    warm_seconds=3.0,
)


async def travel(scene: Scene, plan: Plan, say: Callable[[str], None]) -> Figures:
    """From two source trees to the report."""
    builds = await asyncio.to_thread(_built, scene.folder)
    say("two wheels are built, and installed as builds")
    address = await up(scene, builds[LIVE])
    scene.history(plan.history)
    say(f"{LIVE} serves at http://{address}")
    try:
        return await _released(scene, plan, address, builds[NEXT], say)
    finally:
        await LocalEnvironment(scene.config).down()


def _built(folder: Path) -> Mapping[str, Path]:
    return {
        version: installed(wheel_of(version, folder / "wheels"), folder / f"till-{version}")
        for version in (LIVE, NEXT)
    }


async def _released(
    scene: Scene, plan: Plan, address: str, build: Path, say: Callable[[str], None]
) -> Figures:
    watcher = Watcher(scene)
    load = Load(address, scene.config.broker.url, plan.rates)
    async with _beside(watcher.replication(), watcher.locks(), watcher.targets()):
        began = time.time()
        load.begin()
        await load.errands(plan.errands)
        await asyncio.sleep(plan.warm_seconds)
        await scene.must("release", "plan", str(build), "--name", NAME, "--as", STARTER, *plan.words)
        for role, person in SIGNERS:
            await scene.must("release", "sign", NAME, "--role", role, "--as", person)
        say(f"{NEXT} is planned and signed; the release starts")
        code, outcome, said = await scene.command(
            "release", "start", NAME, "--as", STARTER, seconds=RELEASE_SECONDS
        )
        say(f"the release ended with {code}: {outcome and outcome['outcome']}")
        errands = [each.run for each in load.record.sent.values() if each.agent == "errand"]
        await load.word(errands)
        await asyncio.sleep(AFTERWARDS_SECONDS)
        await load.end()
        asked_until = time.time()
        work = await _quiet(scene, load.record)
    ended = outcome["outcome"] if outcome else f"exit {code}: {said[-500:]}"
    if ended != "promoted":
        ended = f"{ended}: {outcome and outcome['reason']}"
    return await _figures(scene, load.record, work, watcher, Span(began, asked_until, ended))


@asynccontextmanager
async def _beside(*works: Any) -> AsyncIterator[None]:
    """These go on for the length of the block; what one of them raises is raised at its end."""
    tasks = [asyncio.create_task(each) for each in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _quiet(scene: Scene, record: Record) -> Work:
    """All that was done, once every run has ended; as it stands when that takes too long."""
    end = time.monotonic() + END_SECONDS
    while True:
        work = await read_work(scene.config.store.url, scene.config.environment.database)
        if not going_on(record, work) or time.monotonic() > end:
            return work
        await asyncio.sleep(1.0)


class Span(NamedTuple):
    """When the load began and was over, and how the release ended meanwhile."""

    began: float
    until: float
    ended: str


async def _figures(scene: Scene, record: Record, work: Work, watcher: Watcher, span: Span) -> Figures:
    began, until, ended = span
    moments = _moments(LocalEnvironment(scene.config).places.audit)
    half, judged = moments.get("half", until), moments.get("judged", until)
    split = _answered(record.asked, half, judged)
    verdicts = judge(record, work)
    pinned = Counter(
        str(work.runs[number][0].deployment).partition("-")[0]
        for number, sent in record.sent.items()
        if half < sent.at < judged and number in work.runs
    )
    scene.standby.follow()
    locks = await held(scene)
    return Figures(
        seconds=until - began,
        ended=ended,
        requests=record.requests,
        failed=tuple(record.failed),
        requests_a_second=record.requests / (until - began),
        slowest_ten_seconds=_slowest(record.asked, began, until),
        runs=len(record.sent),
        runs_a_second=_done(record, work) / (until - began),
        lost=verdicts.lost,
        repeated=verdicts.repeated,
        wrong=verdicts.wrong,
        long_runs=Counter(over_the_cutover(record, work, half, moments.get("all", until))),
        split_seconds=judged - half,
        split_requests=split.total(),
        split=_percent(split),
        split_scraped=await _scraped_share(scene, half, judged),
        split_runs=pinned.total(),
        split_of_runs=_percent(pinned),
        expanded=tuple(sorted(locks)),
        locks={
            f"{each.migration} {each.mode} on {each.table}": each.seconds
            for seen in locks.values()
            for each in seen
        },
        waited=watcher.waited,
        lag_seconds=watcher.lag_seconds,
        lag_bytes=watcher.lag_bytes,
        standby_gone=watcher.standby_gone,
        behind=_behind(scene),
        scraped=tuple(sorted(await asked(scene, "max_over_time(up[15m]) > 0", until))),
        report=tuple(await _reports(scene)),
        moments={name: at - began for name, at in moments.items()},
    )


def _moments(audit: Path) -> dict[str, float]:
    """When what is told of a release was done, by its audit."""
    told = {each.action: each.at.timestamp() for each in entries(audit) if each is not None}
    return {name: told[action] for name, action in MOMENTS.items() if action in told}


def _answered(record: Sequence[Asked], begun: float, done: float) -> Counter[str]:
    """Version → answers to what was asked, and answered, in between."""
    return Counter(
        each.version for each in record if begun < each.began and each.ended < done and each.version
    )


def _percent(counted: Counter[str]) -> float:
    """Next's share; 0 of nothing."""
    return 100.0 * counted[NEXT] / counted.total() if counted.total() else 0.0


def _slowest(record: Sequence[Asked], began: float, until: float) -> float:
    """Answers a second, in the window that had the fewest."""
    times = sorted(each.ended for each in record if each.version)
    starts = range(int(until - began - WINDOW) + 1)
    counted = [
        bisect_left(times, began + start + WINDOW) - bisect_left(times, began + start) for start in starts
    ]
    return min(counted, default=0) / WINDOW


def _done(record: Record, work: Work) -> int:
    """Messages whose run has left all its lines."""
    return sum(number in work.lines for number in record.sent)


async def _scraped_share(scene: Scene, half: float, judged: float) -> float | None:
    """Next's share of the requests in between, as Prometheus heard of it from both slots."""
    window = int(judged - half)
    if window < WINDOW:
        return None
    rates = await asked(scene, f"sum by (job) (rate(http_requests_total[{window}s]))", judged)
    total = sum(rates.values())
    return 100.0 * rates.get(NEXT, 0.0) / total if total else None


def _behind(scene: Scene) -> tuple[str, ...]:
    """The tables of which the standby has other rows than the primary."""
    found = []
    for table, url in (("orders", scene.config.environment.database), ("runs", scene.config.store.url)):
        name = url.rpartition("/")[2]
        count = f"SELECT count(*) FROM {table}"  # noqa: S608 - two names of our own
        there = scene.standby.sql(count, url=scene.standby.url_of(name))
        here = scene.postgres.sql(count, url=url)
        if there != here:
            found.append(f"{table}: {there} of {here}")
    return tuple(found)


async def _reports(scene: Scene) -> list[str]:
    """Written anew in both forms; the files that are there."""
    files = []
    for form in ("html", "json"):
        file = scene.folder / f"report.{form}"
        code, _, _ = await scene.command("release", "report", NAME, "--to", form, "-o", str(file))
        if code == 0 and file.is_file() and file.stat().st_size:
            files.append(str(file))
    return files
