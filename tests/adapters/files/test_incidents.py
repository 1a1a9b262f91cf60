"""Incidents are kept event by event, one writer at a time; memory and file agree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.releases.troubles import NOON, at, opening
from watership.adapters.files.incidents import IncidentFile
from watership.adapters.memory.incidents import MemoryIncidents
from watership.errors import Conflict, Unavailable
from watership.releases.incidents.incident import (
    Closed,
    Decide,
    Event,
    Incident,
    Incidents,
    Noted,
    State,
    chosen,
    opened,
)


@pytest.fixture(params=["file", "memory"])
def incidents(request: pytest.FixtureRequest, tmp_path: Path) -> Incidents:
    return IncidentFile(tmp_path / "i" / "incidents.jsonl") if request.param == "file" else MemoryIncidents()


def always(event: Event) -> Decide:
    return lambda _: event


NOTE = Noted(incident="INC-1", at=at(1), who="ada", text="looking")


async def test_what_was_added_is_there(incidents: Incidents) -> None:
    assert await incidents.all() == []
    there = await incidents.add(opened(opening(), who="controller", at=NOON))
    assert there is not None and there.id == "INC-1"
    after = await incidents.add(always(NOTE))

    assert await incidents.all() == [after]
    assert after is not None and [type(each).__name__ for each in after.events] == ["Opened", "Noted"]


async def test_nothing_to_happen_keeps_nothing(incidents: Incidents) -> None:
    await incidents.add(opened(opening(), who="controller", at=NOON))

    assert await incidents.add(opened(opening(), who="controller", at=NOON)) is None
    assert len(await incidents.all()) == 1


async def test_an_event_that_may_not_happen_is_not_kept(incidents: Incidents) -> None:
    await incidents.add(opened(opening(), who="controller", at=NOON))

    with pytest.raises(Conflict, match="cannot be closed"):
        await incidents.add(always(Closed(incident="INC-1", at=at(1), who="ada")))

    assert (await incidents.all())[0].state is State.OPEN


async def test_writers_at_the_same_time_open_one_incident(tmp_path: Path) -> None:
    files = [IncidentFile(tmp_path / "incidents.jsonl") for _ in range(4)]

    def slowly(there: Sequence[Incident]) -> Event | None:
        time.sleep(0.02)  # long enough for the others to look, if they could
        return opened(opening(), who="controller", at=NOON)(there)

    found = await asyncio.gather(*(each.add(slowly) for each in files))

    assert sum(each is not None for each in found) == 1
    assert len(await files[0].all()) == 1


async def test_a_torn_last_line_was_never_acknowledged_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "incidents.jsonl"
    await IncidentFile(path).add(opened(opening(), who="controller", at=NOON))
    first = path.read_bytes()
    await IncidentFile(path).add(always(NOTE))
    whole = path.read_bytes()
    for cut in range(len(first) + 1, len(whole), 7):
        path.write_bytes(whole[:cut])
        assert len((await IncidentFile(path).all())[0].events) == 1
    await IncidentFile(path).add(always(NOTE))
    assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", [b"{}\n", b"\xff\n", b'{"kind":"noted","incident":"INC-9"}\n'])
async def test_a_file_that_says_what_we_never_wrote_is_not_continued(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "incidents.jsonl"
    path.write_bytes(damage)

    for call in (IncidentFile(path).all(), IncidentFile(path).add(always(NOTE))):
        with pytest.raises(Unavailable, match="Keep it as evidence"):
            await call
    assert path.read_bytes() == damage


async def test_deciding_sees_what_others_added(incidents: Incidents) -> None:
    await incidents.add(opened(opening(), who="controller", at=NOON))
    seen: list[str] = []

    def looking(there: Sequence[Incident]) -> Event | None:
        seen.append(chosen(there, None).id)
        return None

    look: Callable[[Sequence[Incident]], Event | None] = looking
    await incidents.add(look)
    assert seen == ["INC-1"]
