"""A go-live with only its calendar virtual: a real environment, real traffic, people at the command line."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import msgspec

from watership.adapters.rehearsal.clock import LeapingClock
from watership.cli.main import run
from watership.config import load
from watership.durable.clock import SystemClock
from watership.fleet.identity import Tokens
from watership.releases.book.quantity import duration as seconds
from watership.wiring.environment import Layout, LocalEnvironment

SECRET = "the-secret-of-a-rehearsal-of-a-go-live"

PEOPLE = {
    "deployment_lead": "Dana",
    "operations": "Oz",
    "dba": "Bea",
    "monitoring": "Mo",
    "qa": "Quinn",
    "network": "Nat",
    "security": "Sol",
    "communication": "Cleo",
    "release_manager": "Rae",
    "technical_lead": "Theo",
    "product_manager": "Pia",
    "security_lead": "Sel",
    "operations_manager": "Omar",
    "operator": "Sam",
}
"""One person in each role; Sam draws the plan and starts the release."""

APP = '''
from watership import App, SchemaRange, flag

app = App("my-app", version="{version}", schema=SchemaRange({lowest}, {highest}))


@app.agent
async def greet(name: str) -> dict[str, str]:
    """Greet a person."""
    return {{"greeting": f"Hello, {{name}}!"}}


@app.agent("flag-probe")
async def flag_probe(words: str) -> dict[str, bool]:
    """Does what the flag says; nobody else asks it."""
    return {{"on": await flag("release-probe")}}


@app.get("/greeting")
async def greeting(query: dict[str, str]) -> object:
    """A greeting over HTTP."""
    return {{"greeting": "Hello!", "version": "{version}"}}
'''

SMOKE = """
requests:
  - { name: a greeting, path: /greeting, includes: { greeting: "Hello!" } }
messages:
  - { name: greet, program: greet, input: { name: Ada }, includes: { greeting: "Hello, Ada!" } }
"""

ROOT = Path(__file__).resolve().parents[2]

SETTLED = 120.0
"""Real seconds that anything may take that is waited for."""


ENDED = ("refused", "rolled_back", "stopped", "failed", "promoted")
"""Stages after which nothing comes."""


@dataclass(frozen=True)
class Builds:
    """Two builds of a small application; the second one brings the migration to `schema`."""

    live: str = "1.0.0"
    next: str = "1.1.0"
    schema: int = 1

    def make(self, folder: Path) -> None:
        """Into the folders `one` and `two`."""
        _make(folder / "one", self.live, self.schema, migrations=self.schema - 1)
        _make(folder / "two", self.next, self.schema, migrations=self.schema)


def _make(folder: Path, version: str, schema: int, *, migrations: int) -> None:
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(APP.format(version=version, lowest=schema - 1, highest=schema))
    (folder / "build.toml").write_text(f'version = "{version}"\nreads = [{schema - 1}, {schema}]\n')
    (folder / "smoke.yaml").write_text(SMOKE)
    (folder / "migrations").mkdir()
    for number in range(1, migrations + 1):
        for way, script in (
            ("forward", f"CREATE TABLE guests_{number} (name TEXT PRIMARY KEY);\n"),
            ("backward", f"DROP TABLE guests_{number};\n"),
        ):
            (folder / "migrations" / f"{way}_{number}.sql").write_text(script)


@dataclass
class GoLive:
    """The environment in `folder`, and whoever acts in it."""

    folder: Path
    address: str = ""
    words: str = ""
    """What the last command said."""
    traffic: Traffic | None = None
    settings: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=lambda: dict(PEOPLE))
    begun: tuple[str, ...] = ()
    """The release that was started last, here."""
    along: Callable[[timedelta], None] = lambda _: None
    """What else goes along when the calendar leaps."""

    def act(self, role: str, *words: str) -> tuple[int, Any]:
        """What a person of a role does by the command line: the exit code, and the result as JSON."""
        token = Tokens(SECRET, SystemClock()).issue(
            self.people[role], roles=[role], lifetime=timedelta(days=1)
        )
        out, err = io.StringIO(), io.StringIO()
        changed = {"WATERSHIP_SECRET": SECRET, "WATERSHIP_TOKEN": token, **self.settings}
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = run(["--json", *words])
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        self.words = out.getvalue() + err.getvalue()
        last = out.getvalue().strip().splitlines()[-1:]
        return code, msgspec.json.decode(last[0]) if last else None

    def must(self, role: str, *words: str) -> Any:
        """The same, and it has to go well."""
        code, told = self.act(role, *words)
        assert code == 0, f"{role}: {' '.join(words)} ended with {code}: {self.words}"
        return told

    def status(self) -> dict[str, Any]:
        _, told = self.act("operator", "release", "status", *self.begun)
        assert isinstance(told, dict), self.words
        return told

    def until(self, stage: str, seconds: float = SETTLED) -> dict[str, Any]:
        """Follow the release until it waits for the moment `stage` (T-4h), or has come to that stage."""
        end = time.monotonic() + seconds
        while True:
            there = self.status()
            if stage in (there["stage"], there.get("waits_for")):
                return there
            assert time.monotonic() < end, f"waits for {stage} in vain: {there}"
            time.sleep(0.1)

    def leap(self, duration: str, *options: str) -> None:
        """Let the calendar of this rehearsal leap, and with it whatever else has one."""
        self.along(timedelta(seconds=seconds(duration)))
        self.must("operator", "environment", "leap", duration, *options)

    def go_on(self, stage: str, seconds: float = SETTLED) -> dict[str, Any]:
        """Leap over every wait of the calendar until the release has come to that stage, or ended otherwise."""
        return self._leaping(lambda there: there["stage"] == stage, stage, seconds)

    def reach(self, item: str, seconds: float = SETTLED) -> dict[str, Any]:
        """Leap over every wait of the calendar until that item is begun, or the release ended otherwise."""

        def begun(there: dict[str, Any]) -> bool:
            return any(each["key"] == item and each["state"] != "waiting" for each in there.get("items", ()))

        return self._leaping(begun, item, seconds)

    def _leaping(self, there: Callable[[dict[str, Any]], bool], what: str, seconds: float) -> dict[str, Any]:
        clock = LeapingClock(self.folder / ".watership" / "calendar.json")
        end = time.monotonic() + seconds
        while not there(now := self.status()) and now["stage"] not in ENDED:
            if now.get("waits_until"):
                left = datetime.fromisoformat(now["waits_until"]) - clock.now()
                if left > timedelta(0):
                    self.leap(f"{left.total_seconds():.3f}s")
            assert time.monotonic() < end, f"does not come to {what}: {now}"
            time.sleep(0.1)
        return now

    def release(self, name: str) -> subprocess.Popen[bytes]:
        """The controller of a release, in a process of its own."""
        self.begun = (name,)
        with (self.folder / "controller.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "watership", "release", "start", name],
                cwd=self.folder,
                env=self._operator(),
                stdout=log,
                stderr=log,
            )

    def switch(self, flag: str, on: bool) -> None:
        """Set a flag of the application, for everybody."""
        host, _, port = self.address.partition(":")
        body = msgspec.json.encode({"on": on, "reason": "it is tried"})
        with closing(HTTPConnection(host, int(port), timeout=10.0)) as line:
            line.request("PUT", f"/api/v1/flags/{flag}", body)  # the application asks nobody for a token
            assert (status := line.getresponse().status) in (200, 201), f"{flag} cannot be set: {status}"

    def script(self, name: str, *flags: str) -> subprocess.CompletedProcess[str]:
        """What an operator gets who runs one of the scripts with the old names; there is no terminal."""
        ours = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            [ROOT / "scripts" / name, *flags],
            cwd=self.folder,
            env=self._operator() | {"PATH": ours},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SETTLED,
            check=False,
        )

    def _operator(self) -> dict[str, str]:
        """The variables of a process that an operator starts."""
        token = Tokens(SECRET, SystemClock()).issue(self.people["operator"], roles=["operator"])
        return os.environ | {"WATERSHIP_SECRET": SECRET, "WATERSHIP_TOKEN": token, **self.settings}


class Traffic:
    """People who ask for greetings, `rate` a second together, over connections that they keep."""

    CLIENTS = 3

    def __init__(self, address: str, rate: float) -> None:
        self._address = address
        self._pause = self.CLIENTS / rate
        self._over = threading.Event()
        self.answered = 0
        self.failed: list[str] = []
        self._clients = [threading.Thread(target=self._ask, daemon=True) for _ in range(self.CLIENTS)]

    def __enter__(self) -> Traffic:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for client in self._clients:
            client.join(10.0)

    def _ask(self) -> None:
        host, _, port = self._address.partition(":")
        with closing(HTTPConnection(host, int(port), timeout=10.0)) as line:
            while not self._over.wait(self._pause):
                try:
                    line.request("GET", "/greeting")
                    answer = line.getresponse()
                    answer.read()
                    if answer.status == 200:
                        self.answered += 1
                    else:
                        self.failed.append(f"answered {answer.status}")
                except (OSError, HTTPException) as error:
                    self.failed.append(repr(error))
                    line.close()


@contextmanager
def golive(folder: Path, *, rate: float = 150.0, builds: Builds = Builds()) -> Iterator[GoLive]:
    """An environment with the first of two builds live, and traffic on it unless `rate` is 0; the calendar may leap."""
    (folder / "watership.toml").write_text('[environment]\nname = "rehearsal"\nrehearsal = true\n')
    builds.make(folder)
    local = LocalEnvironment(load(folder, {}))
    before = Path.cwd()
    os.chdir(folder)
    try:
        address = asyncio.run(_up(local, folder / "one"))
        with Traffic(address, rate) if rate else nullcontext() as traffic:
            yield GoLive(folder, address=address, traffic=traffic)
    finally:
        asyncio.run(local.down())
        os.chdir(before)


async def _up(local: LocalEnvironment, build: Path) -> str:
    address = await local.up("127.0.0.1:0")
    await local.establish(build, layout=Layout(serve=1, workers=1))
    return address
