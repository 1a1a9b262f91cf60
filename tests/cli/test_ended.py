"""Whoever acts on a release that has ended is told so, and how to go on."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.releases.checklists import a_checked_plan
from tests.releases.folds import a_release
from tests.simulation.release_targets import SimAudit
from watership.adapters.files.releases import Draft, ReleaseFolder
from watership.adapters.sqlite.store import SQLiteStore
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import load
from watership.durable.clock import SystemClock
from watership.durable.ids import RunId
from watership.durable.writes import Cancel, Submit
from watership.releases.auditing.audit import Entry, Fact, decode
from watership.releases.controller import DEPLOYMENT
from watership.releases.program import PROGRAM
from watership.releases.smoke import Smoke
from watership.wiring.controller import open_desk
from watership.wiring.desk import controller_build
from watership.wiring.environment import Places
from watership.wiring.leaping import Leaper
from watership.wiring.system import open_system

NAME = "2.1.0-1"


@pytest.fixture
def corpse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that was begun, and goes on no more; in a rehearsal."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "watership.toml").write_text("[environment]\nrehearsal = true\n")
    places = Places.of(load(tmp_path, {}))
    plan = replace(a_checked_plan(), controller=controller_build())
    value = msgspec.Raw(msgspec.json.encode(a_release(plan)))

    async def made() -> None:
        places.releases.mkdir(parents=True)
        async with await open_system(load(tmp_path, {}), waits=True):
            pass
        async with await SQLiteStore.open(places.releases / "controller.db", clock=SystemClock()) as own:
            submit = Submit(run_id=RunId(NAME), program=PROGRAM, input=value, deployment=DEPLOYMENT)
            await own.write([submit])
            await own.write([Cancel(run_id=RunId(NAME), reason="over")])

    asyncio.run(made())
    ReleaseFolder(places.releases, NAME).save_draft(Draft(plan=plan, scripts=(), smoke=Smoke()))


ACTS = (
    ("check", "waive", "uat", "--reason", "late", "--for", "1h", "--as", "dana"),
    ("check", "attest", "uat", "--words", "fine", "--as", "quinn"),
    ("signoff", "give", "technical_lead", "--as", "theo"),
    ("signoff", "refuse", "technical_lead", "--reason", "no", "--as", "theo"),
    ("gate", "decide", "go", "--reason", "all green", "--as", "dana"),
    ("team", "ready", "--role", "qa", "--as", "quinn"),
    ("release", "start", NAME, "--as", "sam"),
)


@pytest.mark.usefixtures("corpse")
def test_nobodys_word_counts_for_a_release_that_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    for act in ACTS:
        assert run([*act, "--json"]) == Exit.CONFLICT, act
        said = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
        assert said["message"].startswith(f"Release {NAME} has ended: cancelled"), act
        assert said["fix"] == "Draw a new plan: watership release plan BUILD", act

    assert run(["gate", "show"]) == Exit.CONFLICT
    assert f"Release {NAME} has ended: cancelled" in capsys.readouterr().err
    assert run(["environment", "leap", "1h"]) == Exit.OK
    assert "Nothing waits for this calendar any more" in capsys.readouterr().err


@pytest.mark.usefixtures("corpse")
def test_a_leap_is_on_record_as_of_whoever_wants_it_or_is_not_done() -> None:
    places = Places.of(load(Path.cwd(), {}))
    assert run(["environment", "leap", "1000d", "--as", "lena"]) == Exit.USAGE
    assert not places.calendar.exists() and not _leaps(places)

    assert run(["environment", "leap", "1h", "--as", "lena"]) == Exit.OK
    assert _leaps(places) == [("lena", 3600.0)]

    before = places.calendar.read_bytes()
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(_leaping_on_a_full_disk())
    assert places.calendar.read_bytes() == before


class FullDisk(SimAudit):
    def append(self, actor: str, action: str, facts: Mapping[str, Fact]) -> Entry:
        raise OSError(28, "No space left on device")


async def _leaping_on_a_full_disk() -> None:
    async with open_desk(load(Path.cwd(), {})) as desk:
        full = dataclasses.replace(desk.environment, audit=FullDisk(desk.environment.clock))
        await Leaper(dataclasses.replace(desk, environment=full), "lena").by(3600.0)


def _leaps(places: Places) -> list[tuple[str, Fact]]:
    found = [decode(line) for line in places.audit.read_bytes().splitlines()] if places.audit.exists() else []
    return [
        (each.actor, each.facts["seconds"]) for each in found if each and each.action == "rehearsal.leapt"
    ]
