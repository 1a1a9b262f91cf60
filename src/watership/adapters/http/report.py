"""A report is what an instance says of itself over HTTP: which build it carries, and whether it is ready."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from watership.adapters.http.probe import HttpProbe
from watership.errors import Unavailable
from watership.releases.ports import InstanceState

REPORT_SECONDS: Final = 3.0
"""An instance answers within milliseconds, and probes its own dependencies for a second or two."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`digest` and `version` are None where it said nothing that could be read."""

    state: InstanceState = InstanceState.STARTING
    digest: str | None = None
    version: str | None = None


class _Health(msgspec.Struct):
    build: str
    version: str


class _Ready(msgspec.Struct):
    status: str


async def reported(address: str | None, *, seconds: float = REPORT_SECONDS) -> Report:
    """Ask HOST:PORT for /health and /readyz. Silence is no error here: it is an instance that has not reported."""
    if address is None:
        return Report()
    health, state = await asyncio.gather(_health(address, seconds), _state(address, seconds))
    if health is None:
        return Report(state=state)
    return Report(state=state, digest=health.build, version=health.version)


async def _health(address: str, seconds: float) -> _Health | None:
    # Whatever its status: an instance whose database is gone still knows which build it is.
    try:
        answer = await HttpProbe().request("GET", f"http://{address}/health", timeout=seconds)
        return msgspec.json.decode(answer.body, type=_Health)
    except (Unavailable, msgspec.DecodeError):
        return None


async def _state(address: str, seconds: float) -> InstanceState:
    try:
        answer = await HttpProbe().request("GET", f"http://{address}/readyz", timeout=seconds)
        status = msgspec.json.decode(answer.body, type=_Ready).status
    except (Unavailable, msgspec.DecodeError):
        return InstanceState.STARTING
    if status == "draining":
        return InstanceState.DRAINING
    return InstanceState.READY if 200 <= answer.status < 300 else InstanceState.STARTING
