"""Replays of the runs that are under way, with another build's agents: would it go on with them?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from watership.adapters.structlog.observer import StructlogObserver
from watership.agents.account import whole_journal
from watership.agents.app import App
from watership.config import Config
from watership.durable.cassette import record
from watership.durable.events import AnyEvent
from watership.durable.ids import RunId
from watership.durable.ports import RunFilter
from watership.durable.replay import Replayed, replay
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import ClaimedRun
from watership.errors import NotFound
from watership.wiring.engines import use_pydantic_ai
from watership.wiring.kernel import Kernel, open_kernel

PAGE = 100

UNDER_WAY = frozenset({RunState.READY, RunState.RUNNING, RunState.WAITING, RunState.IN_DOUBT})
"""A run that was stopped waits for a person, and one that is queued has not begun."""


TEST: Final = '''"""Run {run} of the agent {agent}, replayed offline. Made by `watership run export`."""

from {module} import {app}
from watership.testing.cassette import check


def test_{name}_does_what_it_did_in_run_{run}() -> None:
    check({app}, CASSETTE)


CASSETTE = {text}  # noqa: E501
'''
"""What `watership run export` writes."""


async def replay_all(config: Config, app: App, wanted: Sequence[str]) -> list[Replayed]:
    """Of the runs named, or of all that have begun and not ended. Raises NotFound for a run that is not there."""
    use_pydantic_ai(offline=True)
    app.prepare()
    observer = StructlogObserver(form=config.log.format, level="error")
    async with open_kernel(config, observer, shares=False) as kernel:
        if wanted:
            return [await replayed(kernel, app, await _named(kernel, name)) for name in wanted]
        return [await replayed(kernel, app, run) async for run in _under_way(kernel)]


async def export(config: Config, run_id: str, *, module: str, app: str) -> str:
    """The file of a test that replays a run with the agents of `app`, which `module` has. Raises NotFound."""
    observer = StructlogObserver(form=config.log.format, level="error")
    async with open_kernel(config, observer, shares=False) as kernel:
        run = await _named(kernel, run_id)
        text, name = repr(record(run, await _events(kernel, run))), run.program.replace("-", "_")
    return TEST.format(agent=run.program, name=name, run=run.id, module=module, app=app, text=text)


async def replayed(kernel: Kernel, app: App, run: Run) -> Replayed:
    """What came of walking a run as it stands with the agents of `app`, which are prepared."""
    program = app.programs.get(run.program)
    if program is None:
        return Replayed(run_id=run.id, verdict="diverges", why=f"That build has no agent {run.program!r}.")
    events = await _events(kernel, run)
    claimed = ClaimedRun(run=run, events=events, inbox=tuple(await kernel.store.inbox(run.id)))
    return await replay(claimed, program, kernel.store, kernel.clock)


async def _events(kernel: Kernel, run: Run) -> tuple[AnyEvent, ...]:
    return tuple(entry.event for entry in await whole_journal(kernel.store, run.id))


async def _named(kernel: Kernel, name: str) -> Run:
    run = await kernel.store.get(RunId(name))
    if run is None:
        raise NotFound(f"There is no run {name}.", fix="List them with `watership run list`.")
    return run


async def _under_way(kernel: Kernel) -> AsyncIterator[Run]:
    """Those that have a journal; one that has none fits every build that has its agent."""
    after: str | None = None
    while True:
        page = await kernel.store.list(RunFilter(states=UNDER_WAY), limit=PAGE, after=after)
        for run in page.runs:
            if run.seq and not run.cancel_requested:
                yield run
        after = page.next
        if after is None:
            return
