"""A release whose migration blocks writers: readers are served, writers wait, and people knew before for how long."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from watership.adapters.files.releases import Draft
from watership.adapters.http.probe import HttpProbe
from watership.config import Config, load
from watership.durable.clock import SystemClock
from watership.errors import BadInput, NotFound, Unavailable
from watership.fleet.identity import everybody
from watership.releases.order import Order
from watership.releases.plan import Overrides, Size
from watership.releases.program import Outcome
from watership.releases.warrant import Caller
from watership.testing.receivers.webhook import SECRET, WebhookReceiver
from watership.wiring.controller import open_desk
from watership.wiring.desk import Desk
from watership.wiring.environment import Layout, LocalEnvironment
from watership.wiring.reporting import write_report

LOCKED = 1.2
"""Seconds for which the migration has the table for itself."""

APP = """
import os

import asyncpg

from watership import App, SchemaRange

app = App("guests", version="1.0.0", schema=SchemaRange(1, 2))
pools: list[asyncpg.Pool] = []


async def pool() -> asyncpg.Pool:
    if not pools:
        pools.append(await asyncpg.create_pool(os.environ["APPLICATION_DATABASE"], min_size=2, max_size=8))
    return pools[0]


@app.get("/guests")
async def guests(query: dict[str, str]) -> object:
    return {"guests": await (await pool()).fetchval("SELECT count(*) FROM guests")}


@app.post("/guests")
async def arrive(query: dict[str, str]) -> object:
    await (await pool()).execute("INSERT INTO guests (name) VALUES ('somebody')")
    return {"arrived": True}
"""

RUNBOOK = """\
schema: watership/runbook/v1
name: window
title: A migration alone
include: [comms.yaml]
roles: [{ id: lead, title: Lead, duty: All }]
signoffs: { needed: [lead], expires: 24h }
gate: { min_samples: 1000, arms: [{ against: limit, of: errors, limit: 2%, sees: 10% }] }
watch: { length: 10s, gate: { min_samples: 1000, arms: [{ against: limit, of: errors, limit: 2%, sees: 10% }] } }
standby: { at_least: 24h, at_most: 48h }
rollback: { traffic: 2m, all: 5m }
fuses: []
phases:
  - number: 1
    id: gate
    title: Gate
    at: T+0m
    budget: 1h
    owner: lead
    on_failure: stop
    items:
      - { do: check, id: linted, check: migration.linted, title: Nothing speaks against the scripts }
      - { do: check, id: rehearsed, check: migration.rehearsed, title: It was tried, parameters: { within: 1m } }
  - number: 3
    id: migration
    title: Migration
    at: T+5m
    budget: 1h
    owner: lead
    on_failure: roll_back
    items:
      - { do: migrate, id: expand, title: The schema is expanded }
      - { do: check, id: later, at: T+5h, check: schema.integrity, title: Much later }
"""

COMMS = """\
schema: watership/comms/v1
channels: [{ id: hook, kind: webhook, url: "env:HOOK_URL", secret: "env:HOOK_SECRET" }]
send:
  - { on: T+0m, template: announce.md, to: [hook] }
  - { on: rollback.started, template: end.md, to: [hook] }
"""

MESSAGE = '---\nsubject: "{}"\n---\nAccess: {{{{ release.access }}}}\n'

TABLE = "CREATE TABLE guests (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT);"
WIDEN = f"""-- pauses writes
ALTER TABLE guests ADD COLUMN visits BIGINT NOT NULL DEFAULT 0;
SELECT pg_sleep({LOCKED});
"""


@dataclass
class Clients:
    """Readers and writers that ask without a pause: what they were told, and how long it took."""

    address: str
    reads: list[int] = field(default_factory=list)
    writes: list[tuple[int, float]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    over: bool = False

    async def ask(self, method: str) -> None:
        probe, url = HttpProbe(), f"http://{self.address}/guests"
        while not self.over:
            began = time.monotonic()
            try:
                answer = await probe.request(method, url, body=b"" if method == "POST" else None, timeout=30)
            except Unavailable as error:
                self.lost.append(f"{method}: {error}")
                continue
            if method == "GET":
                self.reads.append(answer.status)
            else:
                self.writes.append((answer.status, time.monotonic() - began))
            await asyncio.sleep(0.05)


@asynccontextmanager
async def asking(address: str) -> AsyncIterator[Clients]:
    clients = Clients(address)
    async with asyncio.TaskGroup() as group:
        for method in ("GET", "GET", "GET", "POST", "POST"):
            group.create_task(clients.ask(method))
        try:
            yield clients
        finally:
            clients.over = True


def made(folder: Path, url: str, proxy: str) -> Config:
    """Two builds that differ in a migration, a runbook with its messages, and the settings."""
    for name, scripts in (("one", [TABLE]), ("two", [TABLE, WIDEN])):
        (folder / name / "migrations").mkdir(parents=True)
        (folder / name / "app.py").write_text(APP)
        (folder / name / "build.toml").write_text(f'version = "{len(scripts)}.0.0"\nreads = [1, 2]\n')
        (folder / name / "smoke.yaml").write_text("requests: [{ name: guests, path: /guests }]\n")
        for number, script in enumerate(scripts, start=1):
            back = "DROP TABLE guests;" if number == 1 else "ALTER TABLE guests DROP COLUMN visits;"
            (folder / name / "migrations" / f"forward_{number}.sql").write_text(script)
            (folder / name / "migrations" / f"backward_{number}.sql").write_text(back)
    (folder / "book").mkdir()
    for name, text in (
        ("runbook.yaml", RUNBOOK),
        ("comms.yaml", COMMS),
        ("announce.md", MESSAGE.format("Soon")),
        ("end.md", MESSAGE.format("Over")),
    ):
        (folder / "book" / name).write_text(text)
    return load(folder, {"WATERSHIP_ENVIRONMENT_DATABASE": url, "WATERSHIP_ENVIRONMENT_PROXY": proxy})


async def no_drop_is_planned(desk: Desk, folder: Path) -> None:
    """What the old build cannot live with is refused before anybody is asked to sign."""
    script = folder / "two" / "migrations" / "forward_2.sql"
    script.write_text("ALTER TABLE guests DROP COLUMN name;")
    with pytest.raises(BadInput, match=r"forward_2\.sql:1 drop-column: the old build.*guests"):
        await planned(desk, folder)
    script.write_text(WIDEN)


async def planned(desk: Desk, folder: Path) -> Draft:
    """The plan, signed."""
    draft = await desk.draw(
        folder / "two",
        release="r1",
        starter="ada",
        overrides=Overrides(clock_factor=0.01),
        size=Size(),
        book=str(folder / "book"),
    )
    desk.folder("r1").save_draft(draft)
    clerk = await desk.clerk("r1")
    await clerk.sign("lead", Caller(everybody("bo", SystemClock()), open=True))
    return draft


async def until_migrated(desk: Desk, releasing: asyncio.Task[Outcome]) -> dict[str, Any]:
    """What the migration's item found."""
    while True:
        assert not releasing.done(), await releasing
        try:
            status = await desk.status(await desk.find("r1"))
        except NotFound:
            status = None
        done = [each for each in status.items if each.key == "migration/expand"] if status else []
        if done and done[0].state not in ("waiting", "running"):
            assert done[0].state == "passed", done[0].evidence
            return dict(done[0].facts)
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("proxy", ["embedded", "haproxy"])
async def test_readers_are_served_and_writers_wait_while_a_migration_blocks_them(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, proxy: str, nightly: bool
) -> None:
    if proxy == "haproxy" and not nightly:
        pytest.skip("the same through HAProxy, at night: its pause has tests of its own by day")
    monkeypatch.chdir(tmp_path)
    config = made(tmp_path, postgres_url, proxy)
    local = LocalEnvironment(config)
    address = await local.up("127.0.0.1:0")
    try:
        with WebhookReceiver() as hook:
            monkeypatch.setenv("HOOK_URL", hook.url)
            monkeypatch.setenv("HOOK_SECRET", SECRET)
            await local.establish(tmp_path / "one", layout=Layout(serve=1, workers=0))
            async with open_desk(config) as desk:
                await no_drop_is_planned(desk, tmp_path)
                draft = await planned(desk, tmp_path)
                (planning,) = draft.plan.migrations
                assert planning.pauses_writes and draft.plan.holds
                assert planning.pause_seconds is not None and LOCKED <= planning.pause_seconds < 10 * LOCKED

                brief = await desk.brief("r1", starter="ada")
                releasing = asyncio.create_task(desk.controller.start(brief))
                async with asking(address) as clients:
                    facts = await until_migrated(desk, releasing)
                    await asyncio.sleep(0.5)
                await desk.controller.order(Order(kind="abort", who="ada", reason="enough was seen"))
                outcome = await releasing
                report = (await write_report(desk, await desk.find("r1"), "md")).read_text()
            assert outcome.outcome == "rolled_back"
    finally:
        await local.down()

    # Reads are served, all of them; a write waits, or is told when to come again.
    assert clients.lost == []
    assert set(clients.reads) == {200} and len(clients.reads) > 20
    assert {status for status, _ in clients.writes} <= {200, 503}
    slow = [seconds for status, seconds in clients.writes if status == 200 and seconds > LOCKED / 2]
    assert len(slow) == facts["writes_held"] - facts["writes_told_503"] > 0
    # What was measured is what clients had.
    assert LOCKED <= facts["write_pause_seconds"] < 60
    assert abs(max(slow) - facts["longest_wait_seconds"]) < 1
    assert facts["longest_wait_seconds"] <= facts["write_pause_seconds"]
    # It was announced before, by what a rehearsal took, and told afterwards by what the router counted.
    before, after = _told(hook, "Soon"), _told(hook, "Over")
    assert f"about {planning.pause_seconds:.2g} s, by a rehearsal on a copy" in before["data"]["text"]
    assert "Writes paused for" in after["data"]["text"] and "by a rehearsal" in after["data"]["text"]
    assert f"{facts['writes_held']} were held" in after["data"]["text"]
    assert "Writes paused for" in report and "were told 503" in report
    assert datetime.fromisoformat(before["timestamp"]) < _opened(tmp_path)


def _told(hook: WebhookReceiver, subject: str) -> dict[str, Any]:
    return next(dict(each.body) for each in hook.received if each.body["data"]["subject"].endswith(subject))


def _opened(folder: Path) -> datetime:
    """When the migration began, by the audit."""
    lines = (folder / ".watership" / "audit.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return datetime.fromisoformat(
        next(each["at"] for each in entries if each["action"] == "release.migration.expand.begun")
    )
