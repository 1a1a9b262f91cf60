"""The contract of counters: what is charged with an append, under caps that hold whoever counts on them."""

from __future__ import annotations

import asyncio

from tests.contracts.world import World, done, submission
from watership.durable.counters import Cap, Charge, Count
from watership.durable.ids import DeploymentId
from watership.durable.states import RunState
from watership.durable.writes import Done, Duplicate, Finish, Refused, WriteFenced

CAPS = (Cap(counter="run:a", unit="usd", most=100), Cap(counter="all", unit="usd", most=9, per_day=True))


def reserve(amount: int, *, most: int | None = 100, name: str = "c") -> Charge:
    return Charge(name=name, unit="usd", reserved=amount, most=most)


def settle(reserved: int, spent: int, *, name: str = "c") -> Charge:
    return Charge(name=name, unit="usd", reserved=-reserved, spent=spent)


class CounterSuite:
    async def counted(self, world: World, name: str = "c") -> tuple[int, int]:
        """Reserved and spent."""
        found = await world.store.counts([name])
        return (found[0].reserved, found[0].spent) if found else (0, 0)

    async def test_a_run_keeps_its_caps_and_gives_them_to_nobody_by_itself(self, world: World) -> None:
        run = await world.running("a", caps=CAPS)
        assert run.caps == CAPS
        await world.append(run, children=[submission("b", parent_key="b/0")])
        assert (await world.run("b")).caps == ()
        assert (await world.run("a")).caps == CAPS

    async def test_a_successor_has_the_caps_of_the_run_that_it_follows(self, world: World) -> None:
        await world.store.set_weights({DeploymentId("green-1"): 100}, epoch=1)
        run = await world.running("a", caps=CAPS)
        end = Finish(state=RunState.SUCCEEDED, successor=submission("b"))
        await world.append(run, then=end)
        assert (await world.run("b")).caps == CAPS

    async def test_what_is_reserved_is_settled_by_what_was_spent(self, world: World) -> None:
        run = await world.running("a")
        assert await world.append(run, done("s/0"), charges=[reserve(30)]) == Done()
        assert await self.counted(world) == (30, 0)
        assert await world.append(run, done("s/1"), charges=[settle(30, 12)]) == Done()
        assert await self.counted(world) == (0, 12)

    async def test_what_would_exceed_a_cap_is_refused_with_all_that_came_with_it(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, done("s/0"), charges=[reserve(60), reserve(5, name="d")])
        refused = await world.append(run, done("s/1"), charges=[reserve(1, name="d"), reserve(41)])
        assert isinstance(refused, Refused)
        assert refused.code == "over_cap"
        assert "c is capped at 100: 0 are spent and 60 reserved, and this could take 41" in refused.reason
        assert (await self.counted(world), await self.counted(world, "d")) == ((60, 0), (5, 0))
        assert len(await world.events("a")) == 1
        assert await world.append(run, done("s/1"), charges=[reserve(40)]) == Done()

    async def test_what_gives_back_is_never_refused(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, charges=[reserve(60, most=None)])
        back = Charge(name="c", unit="usd", reserved=-60, spent=50, most=10)
        assert await world.append(run, charges=[back]) == Done()
        assert await self.counted(world) == (0, 50)

    async def test_charges_of_one_append_are_made_one_after_the_other(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, charges=[reserve(90)])
        assert await world.append(run, charges=[settle(90, 20), reserve(80)]) == Done()
        assert await self.counted(world) == (80, 20)
        refused = await world.append(run, charges=[settle(80, 0), reserve(50), reserve(40)])
        assert isinstance(refused, Refused)

    async def test_a_write_that_is_known_or_fenced_charges_nothing(self, world: World) -> None:
        run = await world.running("a")
        entry = world.entry()
        assert await world.append(run, charges=[reserve(10)], entry=entry) == Done()
        assert await world.append(run, charges=[reserve(10)], entry=entry) == Duplicate()
        await world.finish(run)
        assert isinstance(await world.append(run, charges=[reserve(10)]), WriteFenced)
        assert await self.counted(world) == (10, 0)

    async def test_writes_of_one_transaction_see_one_anothers_charges(self, world: World) -> None:
        runs = [await world.running(name) for name in "abcde"]
        written = await world.write(*(world.appending(run, charges=[reserve(30)]) for run in runs))
        assert [isinstance(it, Done) for it in written.outcomes] == [True, True, True, False, False]
        assert await self.counted(world) == (90, 0)

    async def test_a_cap_holds_against_many_who_count_at_once(self, world: World) -> None:
        runs = [await world.running(f"r{number}") for number in range(12)]
        outcomes = await asyncio.gather(
            *(world.append(run, charges=[reserve(7, name="d"), reserve(30)]) for run in runs)
        )
        assert sum(it == Done() for it in outcomes) == 3
        assert await self.counted(world) == (90, 0)
        assert await self.counted(world, "d") == (21, 0)

    async def test_counters_are_told_by_their_names_as_far_as_anybody_counted(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, charges=[reserve(1, name="b"), reserve(2, name="a"), reserve(3, name="Z")])
        told = await world.store.counts(["nobody", "b", "a", "Z", "a"])
        assert told == [
            Count(name="Z", reserved=3),
            Count(name="a", reserved=2),
            Count(name="b", reserved=1),
        ]
