"""A process that serves a service over a memory store until it is told to end: what the tests of signals start."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from tests.api.world import world
from watership.adapters.structlog import Fanout, StructlogObserver
from watership.api.given import CustomRoute
from watership.api.server import HttpServer
from watership.wiring.process import run, stop_signals, urgently


async def slow(params: dict[str, str]) -> object:
    """Answers late, and tells the test that it began."""
    print("began", flush=True)  # noqa: T201
    await asyncio.sleep(float(params["seconds"]))
    return "at last"


async def main() -> None:
    async with world(open=True, routes=[CustomRoute("GET", "/slow", slow)]) as w:
        service = replace(w.service, observer=Fanout(w.service.observer, StructlogObserver(form="json")))
        async with HttpServer(service, host="127.0.0.1", port=0) as server:
            with stop_signals() as stop:
                print(server.port, flush=True)  # noqa: T201 - how the test learns the port
                await stop.asked.wait()
                cut = await urgently(stop, server.drain(float(sys.argv[1])), server.hurry)
                print(f"cut {cut}", flush=True)  # noqa: T201


if __name__ == "__main__":
    run(main())
