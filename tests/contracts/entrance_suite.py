"""What every entrance must do, as one suite."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.contracts.http_peers import until
from watership.errors import Fenced
from watership.releases.ports import Entrance

OLD, NEW = "192.0.2.1", "192.0.2.2"


class EntranceSuite:
    """Subclass it with fixtures `entrance`, a name that leads to OLD alone for 3600 s, and a `rival` for the same name.

    `shares` is how the entrance spells "all to" an address: it may know weights.
    """

    @staticmethod
    def shares(to: str) -> Mapping[str, int]:
        return {to: 1}

    async def test_every_authority_says_what_was_set(self, entrance: Entrance) -> None:
        await entrance.set(self.shares(OLD), ttl=60, epoch=3)
        await until(lambda: self._says(entrance, OLD, ttl=60, epoch=3))
        await entrance.set(self.shares(NEW), ttl=60, epoch=3)
        await until(lambda: self._says(entrance, NEW, ttl=60, epoch=3))

    async def test_what_it_was_before_is_told(self, entrance: Entrance) -> None:
        assert await self._says(entrance, OLD, ttl=3600, epoch=0)

    async def test_setting_it_twice_is_setting_it_once(self, entrance: Entrance) -> None:
        for _ in range(2):
            await entrance.set(self.shares(NEW), ttl=60, epoch=3)
        await until(lambda: self._says(entrance, NEW, ttl=60, epoch=3))

    async def test_a_lower_epoch_changes_nothing(self, entrance: Entrance, rival: Entrance) -> None:
        await rival.set(self.shares(NEW), ttl=60, epoch=7)
        with pytest.raises(Fenced) as fenced:
            await entrance.set(self.shares(OLD), ttl=300, epoch=6)
        assert (fenced.value.held, fenced.value.current) == (6, 7)
        await until(lambda: self._says(entrance, NEW, ttl=60, epoch=7))

    async def _says(self, entrance: Entrance, to: str, *, ttl: int, epoch: int) -> bool:
        said = (await entrance.read()).values()
        return all(
            {value for value, weight in each.weights.items() if weight} == {to}
            and (each.ttl, each.epoch) == (ttl, epoch)
            for each in said
        )
