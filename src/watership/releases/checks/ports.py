"""Ports are knocked at: what has to be open is open, and what a firewall has to shut is shut."""

from __future__ import annotations

import asyncio
from typing import Final

from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Knock
from watership.releases.measurement import Finding, found, inconclusive

PATIENCE: Final = 2.0
"""Seconds until a port that says nothing is silent."""


@check("ports.open", good_for="24h", fix="Start what should listen there, or open the firewall.")
async def open_(scene: Scene, *, of: str, at_least: int = 1, within: float = PATIENCE) -> Finding:
    """Every one of the fact `addresses` of the system `of` accepts a connection `within` a time, and
    there are `at_least` of them."""
    knocks = await _knocked(scene, of, within)
    wrong = [f"{address} is {heard}" for address, heard in knocks.items() if heard != "open"]
    if len(knocks) < at_least:
        wrong.append(f"{len(knocks)} addresses are named, {at_least} at least")
    return found(not wrong, "; ".join(wrong) or f"{', '.join(knocks)}: open.", open=len(knocks))


@check("ports.closed", good_for="24h", fix="Shut the port in the firewall.")
async def closed(scene: Scene, *, of: str, within: float = PATIENCE) -> Finding:
    """None of the fact `addresses` of the system `of` accepts a connection from here `within` a time.

    One that says nothing is shut only if its machine is there, which is known by an address of the same host in the
    fact `alive`.
    """
    knocks = await _knocked(scene, of, within)
    if wrong := [address for address, heard in knocks.items() if heard == "open"]:
        return found(False, f"{', '.join(wrong)}: open, and should not be.")
    silent = {_host(address) for address, heard in knocks.items() if heard == "silent"}
    doubtful = silent - await _alive(scene, of) if silent else set()
    if doubtful:
        return inconclusive(f"{', '.join(sorted(doubtful))} says nothing at all: shut, or not there.")
    return found(True, f"{', '.join(f'{address} ({heard})' for address, heard in knocks.items())}: shut.")


async def _knocked(scene: Scene, of: str, within: float) -> dict[str, Knock]:
    addresses = scene.several(of, "addresses")
    knocks = (scene.look.ports.knock(address, timeout=within) for address in addresses)
    return dict(zip(addresses, await asyncio.gather(*knocks), strict=True))


async def _alive(scene: Scene, of: str) -> set[str]:
    """The hosts that are known to be there."""
    known = str(scene.system(of).facts.get("alive", ""))
    return {_host(each) for each in listed(known) if await scene.look.ports.knock(each) == "open"}


def _host(address: str) -> str:
    return address.rpartition(":")[0]
