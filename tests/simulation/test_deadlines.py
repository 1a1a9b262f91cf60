"""Runs with deadlines in histories with crashes: each ends once, in time, with what it did undone or finished."""

from __future__ import annotations

import msgspec

from watership.durable import Effect, Program, signal, sleep, step
from watership.durable.events import AnyEvent, Finished, StepDone
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.testing import run_in_virtual_time
from watership.testing.simulation import World

SEEDS = range(150)
WITHIN = 90.0
GRACE = 600.0
"""Virtual seconds: leases that must run out, and workers that come back, lie between a deadline and the end."""


def history(seed: int) -> tuple[Run, list[str]]:
    """One history, and what is wrong with it."""
    released: set[str] = set()

    async def book(number: int) -> str:
        return f"seat {number}"

    async def release(seat: str) -> None:
        released.add(seat)

    async def trip(raw: msgspec.Raw) -> str:
        for number in range(3):
            await step(book, number, effect=Effect.IDEMPOTENT, on_cancel=release)
            await sleep(10.0 * (seed % 5))
        if seed % 3:
            await signal("never")
        return "there"

    async def main() -> tuple[Run, list[str]]:
        async with World({"trip": Program("trip", trip)}, seed=seed) as world:
            run_id = await world.submit("trip", within=WITHIN)
            run = await world.end_of(run_id, within=WITHIN + GRACE)
            events = [entry.event for entry in await world.memory.journal(run_id, limit=10_000)]
            return run, flaws(run, events) + world.oracle.violations

    def flaws(run: Run, events: list[AnyEvent]) -> list[str]:
        done = [each.value for each in events if isinstance(each, StepDone) and each.name == "book"]
        seats = {msgspec.json.decode(each) for each in done}
        found = [] if sum(isinstance(each, Finished) for each in events) == 1 else ["ended twice"]
        if run.state is RunState.FAILED:
            assert run.failure is not None
            found += [] if run.failure.kind == "DeadlineExceeded" else [f"failed: {run.failure}"]
            found += [] if run.expired else ["failed before its time"]
            found += [] if released == seats else [f"released {released} of {seats}"]
        elif run.state is not RunState.SUCCEEDED or released:
            found.append(f"{run.state} with {released} released")
        return found

    return run_in_virtual_time(main, seed=seed)


def test_over_crashes_a_late_run_ends_once_and_has_undone_what_it_did() -> None:
    seen = {seed: history(seed) for seed in SEEDS}
    failed = [f"seed {seed}: {'; '.join(flaws)}" for seed, (_, flaws) in seen.items() if flaws]
    assert not failed, "\n".join(failed[:10])
    ends = [run.state for run, _ in seen.values()]
    assert ends.count(RunState.FAILED) > len(SEEDS) // 2
    assert ends.count(RunState.SUCCEEDED) > len(SEEDS) // 10
