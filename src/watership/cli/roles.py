"""dev, serve and worker: the roles that a process of the orchestrator can have."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from watership.cli.exits import Exit
from watership.cli.options import app_option, chosen_app, read_config
from watership.cli.output import say
from watership.config import Config

if TYPE_CHECKING:
    from watership.agents.app import App

WATCH_SECONDS = 0.5
"""How often `dev` looks whether a source file changed."""

WATCHED = 5_000
"""Source files that are watched, at most."""


def _placed(command: click.decorators.FC) -> click.decorators.FC:
    command = click.option(
        "--slot", type=click.Choice(["blue", "green"]), default="green", show_default=True
    )(command)
    command = click.option("--deployment", help="The deployment that this process belongs to.")(command)
    return app_option(command)


@click.command()
@_placed
@click.option("--host", help="Where to listen; 127.0.0.1 unless configured.")
@click.option("--port", type=click.IntRange(0, 65535), help="Which port; 0 takes a free one.")
def serve(where: str | None, deployment: str | None, slot: str, host: str | None, port: int | None) -> int:
    """Answer HTTP for an application, until SIGTERM; then drain.

    \b
    watership serve --app my_agents.py:app
    """
    from watership.wiring import roles
    from watership.wiring.process import run

    config = _listening(read_config(), host, port)
    app, folder = chosen_app(where)
    run(roles.serve(config, app, roles.place_of(app, folder, deployment, slot)))
    return Exit.OK


@click.command()
@_placed
@click.option("--slots", type=click.IntRange(1, 10_000), help="Runs executed at a time.")
@click.option("--agents", help="Work for the pools of these agents alone: NAME,NAME. All, unless configured.")
@click.option("--http", help="HOST:PORT for /livez, /readyz and /metrics. None, unless configured.")
def worker(
    where: str | None,
    deployment: str | None,
    slot: str,
    slots: int | None,
    agents: str | None,
    http: str | None,
) -> int:
    """Execute the runs of one deployment, until SIGTERM; then hand over what is left.

    \b
    watership worker --app my_agents.py:app --slots 32
    watership worker --app my_agents.py:app --agents researcher,writer --http 127.0.0.1:9100

    A worker takes whole pools: --agents leaves nobody out of the pool that its agents share, and that is `default`
    for all of them unless they say otherwise: @app.agent(pool="gpu"), Agent(…, pool="gpu").
    """
    from watership.wiring import roles
    from watership.wiring.process import run

    config = read_config()
    given = {"slots": slots, "agents": agents, "http": http}
    chosen = {name: value for name, value in given.items() if value is not None}
    config = msgspec.structs.replace(config, worker=msgspec.structs.replace(config.worker, **chosen))
    app, folder = chosen_app(where)
    tell_of_others(app, config.worker.agents)
    run(roles.work(config, app, roles.place_of(app, folder, deployment, slot)))
    return Exit.OK


@click.command()
@app_option
@click.option("--port", type=click.IntRange(0, 65535), help="Which port; 3000 unless configured.")
@click.option(
    "--reload/--no-reload", default=True, show_default=True, help="Start anew when a source changes."
)
def dev(where: str | None, port: int | None, reload: bool) -> int:
    """API and worker in one process, for development: loopback, no tokens, hot reload.

    \b
    watership dev --app my_agents.py:app
    curl -X POST localhost:3000/api/v1/messages -d '{"agent": "hello", "input": {"name": "Ada"}}'
    """
    from watership.wiring import roles
    from watership.wiring.process import run

    config = _listening(read_config(), None, port)
    app, folder = chosen_app(where)
    place = roles.place_of(app, None, None, "green")

    def ready(url: str) -> None:
        names = ", ".join(card.name for card in app.directory.cards()) or "none yet"
        say(f"watership dev (not for production: no login, loopback only)\n\n  API     {url}/api/v1")
        say(f"  Agents  {names}\n  Store   {config.store.url}\n")
        say(f"Try:  watership run start {next(iter(app.programs), 'AGENT')} --input '...' --server {url}")

    again = run(roles.develop(config, app, place, ready, lambda: _watch(folder if reload else None)))
    if again:
        say("a source changed: starting anew; runs go on where they were")
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the very command that started us
    return Exit.OK


def tell_of_others(app: App, agents: str) -> None:
    """Whom a worker for `agents` works for as well, since they are in the same pools."""
    if not agents.strip():
        return
    from watership.wiring.roles import pools_of

    named = {name.strip() for name in agents.split(",")}
    for pool in pools_of(app, agents):
        others = [card.name for card in app.directory.cards() if card.pool == pool and card.name not in named]
        if others:
            say(
                f"warning: pool {pool} holds {', '.join(sorted(others))} as well, and this worker takes them all\n"
                '  fix: give the agents that are to be apart a pool of their own: @app.agent(pool="NAME")'
            )


def _listening(config: Config, host: str | None, port: int | None) -> Config:
    from watership.config import checked

    http = msgspec.structs.replace(
        config.http,
        host=config.http.host if host is None else host,
        port=config.http.port if port is None else port,
    )
    return checked(msgspec.structs.replace(config, http=http))


async def _watch(folder: Path | None) -> None:
    """Return when a Python file under `folder` was changed, and everything that changed can be read."""
    if folder is None:
        await asyncio.Event().wait()
        return
    started = seen = _stamps(folder)
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        now = _stamps(folder)
        if now != seen and not _broken(now, started):
            return
        seen = now


def _broken(now: dict[Path, float], before: dict[Path, float]) -> bool:
    """Whether a file that changed cannot be read as Python; what is wrong with it is told."""
    for path, stamp in now.items():
        if stamp != before.get(path):
            try:
                compile(path.read_bytes(), str(path), "exec")
            except (SyntaxError, ValueError) as error:
                say(f"{path.name} cannot be read, the old sources go on: {error}")
                return True
    return False


def _stamps(folder: Path) -> dict[Path, float]:
    stamps: dict[Path, float] = {}
    for path in folder.rglob("*.py"):
        if len(stamps) >= WATCHED:
            break
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            stamps[path] = path.stat().st_mtime
    return stamps
