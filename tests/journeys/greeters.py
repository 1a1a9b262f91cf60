"""Two small builds that greet, and wait: what rehearsals on real processes release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from watership.adapters.files.builds import read_build, read_migrations, read_smoke
from watership.adapters.files.releases import Draft
from watership.fleet.deployment import Slot
from watership.rehearsal.stage import Props, Proxy
from watership.releases.book import shelf
from watership.releases.plan import Side, Size, draw
from watership.testing.virtual_time import START
from watership.wiring.desk import controller_build
from watership.wiring.environment import deployment_id

APP = """
from watership import App, SchemaRange, sleep

app = App("greeter", version="{version}", schema=SchemaRange(1, 2))


@app.agent
async def greet(name: str) -> dict[str, str]:
    return {{"greeting": f"Hello, {{name}}!"}}


@app.agent
async def nap(seconds: float) -> str:
    await sleep(seconds)
    return "awake"


@app.get("/greeting")
async def greeting(query: dict[str, str]) -> object:
    return {{"greeting": "Hello!", "version": "{version}"}}
"""

SMOKE = """
requests:
  - { name: a greeting, path: /greeting, includes: { greeting: "Hello!" } }
messages:
  - { name: greet, program: greet, input: { name: Ada }, includes: { greeting: "Hello, Ada!" } }
"""

STEPS = {
    "forward_1.sql": "CREATE TABLE guests (name TEXT PRIMARY KEY);",
    "backward_1.sql": "DROP TABLE guests;",
    "forward_2.sql": "ALTER TABLE guests ADD COLUMN visits INTEGER NOT NULL DEFAULT 0;",
    "backward_2.sql": "ALTER TABLE guests DROP COLUMN visits;",
}


VERSIONS = {"1.0.0": 1, "1.1.0": 2}
"""Version → the schema that its migrations lead to."""


def build(folder: Path, version: str, schema: int) -> Path:
    """A build whose migrations lead to `schema`."""
    (folder / "migrations").mkdir(parents=True)
    (folder / "app.py").write_text(APP.format(version=version))
    (folder / "build.toml").write_text(f'version = "{version}"\napp = "app.py:app"\nreads = [1, 2]\n')
    (folder / "smoke.yaml").write_text(SMOKE)
    for name, script in STEPS.items():
        if int(name.partition("_")[2][0]) <= schema:
            (folder / "migrations" / name).write_text(script)
    return folder


def props(folder: Path, proxy: Proxy = "embedded", variables: Mapping[str, str] = {}) -> Props:
    """What a stage of 1.0.0 needs, with the plan of its release to 1.1.0; nobody has signed it, and nobody need."""
    live, nxt = (
        read_build(build(folder / f"greeter-{each}", each, schema)) for each, schema in VERSIONS.items()
    )
    migrations = [each for each in read_migrations(Path(nxt.source)) if each.start >= 1]
    smoke = read_smoke(Path(nxt.source))
    plan = draw(
        shelf.find("one-machine"),
        release="r1",
        environment="here",
        live=Side(build=live, deployment=deployment_id(live.version, live.digest), slot=Slot.GREEN),
        next=Side(build=nxt, deployment=deployment_id(nxt.version, nxt.digest), slot=Slot.BLUE),
        migrations=migrations,
        smoke=smoke,
        size=Size(serve=1, workers=1, slots=16),
        controller=controller_build(),
        starter="ada",
        created_at=START,
    )
    draft = Draft(plan=plan, scripts=tuple(migrations), smoke=smoke)
    return Props(draft=draft, proxy=proxy, variables=variables)
