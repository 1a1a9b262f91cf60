"""Builds of one small service that differ in nothing but what is broken in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["healthy", "errors", "latency", "leak", "runs"]
KINDS: tuple[Kind, ...] = ("errors", "latency", "leak", "runs")

BACKGROUND = 0.005
"""What every build fails of: requests, and runs."""

APP = '''
import asyncio
from random import Random

from watership import App, SchemaRange

app = App("work", version="{version}", schema=SchemaRange(0, 0))
chance = Random()
held = []


@app.get("/version")
async def version(query: dict[str, str]) -> object:
    """Who answers."""
    return {{"version": "{version}"}}


@app.get("/work")
async def work(query: dict[str, str]) -> object:
    """Some work: a few milliseconds, now and then more."""
    await asyncio.sleep({times} * min(chance.lognormvariate(-4.0, 0.5), 0.5))
    if {held}:
        held.append(bytearray(chance.randbytes(64)) * ({held} // 64))
    if chance.random() < {errors}:
        return 500, {{"detail": "It did not work."}}
    return {{"version": "{version}"}}


@app.agent
async def task(number: int) -> dict[str, int]:
    """A task that is over at once."""
    if chance.random() < {fails}:
        raise ValueError("It did not work.")
    return {{"number": number}}


@app.agent
async def echo(words: str) -> dict[str, str]:
    """What is told to it."""
    return {{"words": words}}
'''

SMOKE = """
requests:
  - { name: the version, path: /version, status: 200 }
messages:
  - { name: echo, program: echo, input: { words: hello }, includes: { words: hello } }
"""


@dataclass(frozen=True, slots=True)
class Build:
    """`held`: bytes that each request leaves behind; `times`: how many times as slow as live."""

    version: str
    errors: float = BACKGROUND
    fails: float = BACKGROUND
    times: float = 1.0
    held: int = 0

    def make(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        facts = {"version": self.version, "errors": self.errors, "fails": self.fails}
        (folder / "app.py").write_text(APP.format(**facts, times=self.times, held=self.held))
        (folder / "build.toml").write_text(f'version = "{self.version}"\nreads = [0, 0]\n')
        (folder / "smoke.yaml").write_text(SMOKE)
        return folder


LEAK_PER_MINUTE = 40_000_000
"""Bytes by which a leaking next grows in a minute."""


def build_of(kind: Kind, version: str, per_second: float) -> Build:
    """A build of a kind, for a next that is asked half of `per_second`."""
    match kind:
        case "healthy":
            return Build(version)
        case "errors":
            return Build(version, errors=0.05)
        case "latency":
            return Build(version, times=3.0)
        case "leak":
            return Build(version, held=round(LEAK_PER_MINUTE / 60 / (per_second / 2)))
        case "runs":
            return Build(version, fails=0.3)
