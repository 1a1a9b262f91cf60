"""A proxy with one blue instance, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.http_peers import Backend
from tests.notes import Notes
from watership.adapters.helm.calls import SetTargets
from watership.adapters.proxy.server import EmbeddedProxy
from watership.fleet.deployment import Slot


@dataclass(slots=True)
class Pair:
    proxy: EmbeddedProxy
    backend: Backend
    notes: Notes

    @property
    def address(self) -> str:
        return self.proxy.address


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    backend = Backend("blue")
    await backend.listen()
    notes = Notes()
    async with EmbeddedProxy(tmp_path / "router.json", observer=notes, grace_seconds=5) as proxy:
        await proxy.answer(SetTargets(slot=Slot.BLUE, addresses=(backend.address,), epoch=1))
        yield Pair(proxy, backend, notes)
    await backend.die()
