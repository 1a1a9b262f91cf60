"""A bell with a fan-out rings here as before, and tells other machines of runs alone."""

from __future__ import annotations

from watership.adapters.memory import MemoryBell
from watership.adapters.memory.fanout import MemoryFanout
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import pool_topic, run_topic
from watership.fleet.fanout import GAP, FanoutBell


async def test_rings_about_runs_reach_other_machines_and_rings_for_workers_do_not() -> None:
    bell, fanout = MemoryBell(), MemoryFanout()
    both = FanoutBell(bell, fanout)
    run, pool = run_topic(RunId("a")), pool_topic(DeploymentId("green-1"), "default")
    async with fanout.listen(run) as ear, fanout.listen(pool) as deaf:
        both.ring([run, pool])
        assert await ear.next(0) == GAP
        assert await deaf.next(0.01) is None
    assert await both.wait(frozenset({run, pool}), 0) == {run, pool}
