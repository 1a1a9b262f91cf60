"""The play: an old version serves, a good one replaces it, a broken one is taken back, and the judge speaks."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from datetime import datetime
from pathlib import Path
from random import Random

from msgspec.structs import replace

from watership.demo.chaos import ControllerChaos, WorkerChaos
from watership.demo.conduct import Act, Conductor
from watership.demo.figures import Figures, Kills, promises, verdict
from watership.demo.judge import Records, ReleaseRecord, judge, lost
from watership.demo.news import News
from watership.demo.options import Options
from watership.demo.screen import Screen
from watership.demo.stage import Stage, settings_put_aside
from watership.releases.auditing.audit import Verified
from watership.wiring.auditing import verify_log

GOOD, BROKEN = Act("2.1.0"), Act("2.2.0", broken=True)

WARM_SECONDS = 8.0
"""Traffic before the first release: long enough for runs of every length to be under way."""

BETWEEN_SECONDS = 2.0
"""Traffic between the two releases."""

SHOWN = 5
"""Lost runs that are told one by one."""


def play(options: Options) -> Figures:
    """Play it. Raises KeyboardInterrupt when it was interrupted, after everything has been ended."""
    home = Path.cwd()
    with _folder() as folder:
        with chdir(folder), settings_put_aside():
            figures = asyncio.run(_interruptible(options, folder, home))
        if options.keep or figures.promises_broken:
            return replace(figures, kept=_kept(folder, home))
        return figures


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary place, since the paths of its sockets must be short."""
    folder = Path(tempfile.mkdtemp(prefix="watership-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # it may have been moved away, to be kept


def _kept(folder: Path, home: Path) -> str:
    """Move the folder to where it is found again: why a promise was broken stands in its logs."""
    name = f"demo-{datetime.now():%Y%m%d-%H%M%S}"  # noqa: DTZ005 - a name for people
    (home / ".watership").mkdir(exist_ok=True)
    return str(shutil.move(folder, home / ".watership" / name))


async def _interruptible(options: Options, folder: Path, home: Path) -> Figures:
    """SIGINT and SIGTERM end the play in order; a second one does not end the ending."""
    playing = asyncio.ensure_future(_play(options, folder, home))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _play(options: Options, folder: Path, home: Path) -> Figures:
    began = time.monotonic()
    with Screen(plain=options.plain) as screen:
        screen.say("an environment stands up: a router, a host agent, 2.0.5 in green")
        async with Stage(options, folder) as stage:
            screen.say(f"2.0.5 serves at http://{stage.address}")
            news = News(stage.local.places.audit)
            following = asyncio.create_task(screen.follow(stage, news))
            try:
                records = await _acts(options, stage, screen, news, home)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            figures = replace(judge(records), seconds=round(time.monotonic() - began, 1))
            for words in lost(records)[:SHOWN]:
                screen.say(f"lost: {words}")
            for failed in (records.traffic.failures + records.traffic.wrong)[:SHOWN]:
                if failed.deployment != records.broken.deployment:
                    screen.say(f"failed: {failed.what} {failed.path} {failed.status} {failed.reason}")
    broken = tuple(
        each.words
        for each in promises(figures, chaos=options.chaos)
        if verdict(each, whole=options.whole) == "broken"
    )
    return replace(figures, promises_broken=broken)


async def _acts(options: Options, stage: Stage, screen: Screen, news: News, home: Path) -> Records:
    """Traffic, both releases, and the time until all is quiet; what is on record of it."""
    random = Random(options.seed)
    controllers = ControllerChaos(random) if options.chaos else None
    workers = WorkerChaos(
        stage.local.hosts, stage.kernel.store, stage.local.places.folder / "hosts", Random(random.random())
    )
    conductor = Conductor(stage, screen, news, controllers)
    await stage.begin_traffic()
    began = time.monotonic()
    screen.say("traffic: facts over HTTP, and agent runs with tools, timers and approvals")
    killing = asyncio.create_task(workers.go_on(screen.say)) if options.chaos else None
    try:
        await asyncio.sleep(options.haste * WARM_SECONDS)
        good = await conductor.release(GOOD)
        await asyncio.sleep(options.haste * BETWEEN_SECONDS)
        # The broken build is made for the good one's schema; without it there is nothing to be taken back to.
        broken = await conductor.release(BROKEN) if good.outcome == "promoted" else _not_begun(BROKEN)
        await asyncio.sleep(max(0.0, options.seconds - (time.monotonic() - began)))
    finally:
        if killing is not None:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
    screen.say("the traffic ends; the last approvals and runs are seen through")
    summary = await stage.end_traffic()
    runs = await stage.until_quiet()
    return Records(
        traffic=summary,
        accepted=stage.accepted(),
        runs=runs,
        journals=await stage.journals(),
        entered=stage.entered(),
        findings=stage.findings(),
        versions=await stage.learn_versions(),
        good=good,
        broken=broken,
        audit_verified=isinstance(verify_log(stage.local.places.audit), Verified),
        report=_kept_report(stage, good, home),
        kills=Kills(
            workers=len(workers.killed), controller=controllers.killed if controllers is not None else 0
        ),
        seed=options.seed,
        seconds=time.monotonic() - began,
    )


def _not_begun(act: Act) -> ReleaseRecord:
    return ReleaseRecord(version=act.version, deployment="", outcome="not begun")


def _kept_report(stage: Stage, good: ReleaseRecord, home: Path) -> str:
    """The reports outlive the folder; the path of the good release's, empty when there is none."""
    kept = home / ".watership" / "demo-reports"
    path = ""
    for act in (GOOD, BROKEN):
        report = stage.local.places.releases / act.name / "report.html"
        if report.is_file():
            kept.mkdir(parents=True, exist_ok=True)
            copied = shutil.copyfile(report, kept / f"{act.version}.html")
            path = str(copied) if act.version == good.version else path
    return path
