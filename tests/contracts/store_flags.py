"""The contract of flags, and of the record of their changes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.contracts.world import World
from watership.durable.writes import Refused
from watership.errors import BadInput, Conflict
from watership.fleet.flags import READ_ONLY, Flag

NEW = Flag(name="new-search", on=True, percent=12.5, tenants={"acme": True}, by="hazel", reason="try it")


class FlagSuite:
    async def test_a_fresh_store_has_the_read_only_flag_alone_and_no_record(self, world: World) -> None:
        assert list(await world.store.flags()) == [Flag(name=READ_ONLY, on=False)]
        assert list(await world.store.flag_changes()) == []

    async def test_a_flag_is_kept_as_set_with_the_stores_version_and_time(self, world: World) -> None:
        stands = await world.store.set_flag(replace(NEW, version=77, updated_at=None))
        assert stands == replace(NEW, version=1, updated_at=world.clock.now())
        assert stands in await world.store.flags()

    async def test_flags_are_listed_by_name(self, world: World) -> None:
        for name in ("zebra", "ant"):
            await world.store.set_flag(Flag(name=name, by="hazel"))
        assert [flag.name for flag in await world.store.flags()] == sorted(["ant", READ_ONLY, "zebra"])

    async def test_every_change_is_recorded_with_what_was_and_what_is(self, world: World) -> None:
        first = await world.store.set_flag(NEW)
        world.clock.go_on(60)
        second = await world.store.set_flag(replace(NEW, disabled=True, by="fiver", reason="it burns"))
        await world.store.set_flag(Flag(name="other", by="fiver"))
        newest, oldest = await world.store.flag_changes("new-search")
        assert (oldest.before, oldest.after, oldest.by, oldest.reason) == (None, first, "hazel", "try it")
        assert (newest.before, newest.after, newest.by, newest.reason) == (first, second, "fiver", "it burns")
        assert newest.at == oldest.at + timedelta(seconds=60)
        assert [change.name for change in await world.store.flag_changes(limit=2)] == ["other", "new-search"]

    async def test_a_change_of_a_version_that_is_no_longer_in_force_is_refused(self, world: World) -> None:
        first = await world.store.set_flag(NEW, expected=0)
        second = await world.store.set_flag(replace(NEW, percent=50.0), expected=first.version)
        with pytest.raises(Conflict):
            await world.store.set_flag(replace(NEW, percent=99.0), expected=first.version)
        assert second in await world.store.flags()
        assert len(await world.store.flag_changes()) == 2

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": ""},
            {"name": "no spaces"},
            {"percent": 100.5},
            {"percent": float("nan")},
            {"name": READ_ONLY},
        ],
    )
    async def test_what_is_no_flag_is_refused_and_not_recorded(
        self, world: World, wrong: dict[str, object]
    ) -> None:
        with pytest.raises(BadInput):
            await world.store.set_flag(replace(NEW, **wrong))
        assert list(await world.store.flag_changes()) == []

    async def test_the_read_only_flag_is_the_intakes_switch(self, world: World) -> None:
        stands = await world.store.set_flag(Flag(name=READ_ONLY, on=True, by="hazel", reason="migration"))
        assert (await world.store.read()).readonly
        assert isinstance(await world.submit("a"), Refused)
        assert list(await world.store.flags()) == [stands]
        await world.store.set_flag(replace(stands, disabled=True))
        assert not (await world.store.read()).readonly

    async def test_the_intakes_switch_is_the_read_only_flag_and_is_recorded_when_it_turns(
        self, world: World
    ) -> None:
        for readonly in (False, True, True, False):
            await world.store.set_readonly(readonly, by="hazel")
            (flag,) = await world.store.flags()
            assert flag.on is readonly
        assert [(change.after.on, change.by) for change in await world.store.flag_changes(READ_ONLY)] == [
            (False, "hazel"),
            (True, "hazel"),
        ]
