"""Ports are knocked at: what has to be open is open, and what a firewall has to shut is shut.

From where, systems.yaml says: `here`, this machine, or systems that are hosts with a fact `run` (see hosts.py), where
`nc` does it. A machine that knocks at its own port goes through no firewall.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from watership.errors import Unavailable
from watership.releases.book.quantity import listed
from watership.releases.checks.hosts import ended
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Finished, Knock
from watership.releases.measurement import Finding, excerpt, failed, found, inconclusive, passed

PATIENCE: Final = 2.0
"""Seconds until a port that says nothing is silent."""

HERE: Final = "here"
"""The viewpoint of this machine."""


@check("ports.open", good_for="24h", fix="Start what should listen there, or open the firewall.")
async def open_(scene: Scene, *, of: str, at_least: int = 1, within: float = PATIENCE) -> Finding:
    """Every one of the fact `addresses` of the system `of` accepts a connection `within` a time, and
    there are `at_least` of them."""
    knocks = await _knocked(scene, of, within)
    wrong = [f"{address} is {heard}" for address, heard in knocks.items() if heard != "open"]
    if len(knocks) < at_least:
        wrong.append(f"{len(knocks)} addresses are named, {at_least} at least")
    return found(not wrong, "; ".join(wrong) or f"{', '.join(knocks)}: open.", open=len(knocks))


@check(
    "ports.closed",
    good_for="24h",
    fix="Shut the port in the firewall; `alive`, `from` and `inside` of the system say how it is known.",
)
async def closed(scene: Scene, *, of: str, by_firewall: bool = False, within: float = PATIENCE) -> Finding:
    """None of the fact `addresses` of the system `of` accepts a connection `within` a time, from each viewpoint of its
    fact `from` (default: here), from which an address of the same host in the fact `alive` is open: the host is there.

    `by_firewall`: that is not because nobody listens. The port says nothing at all, as only a firewall does, or it is
    open from the viewpoint of the fact `inside`; and no machine was asked by itself.
    """
    looks = [look for view in _views(scene, of) for look in await _looked(scene, of, view, within)]
    if wrong := [f"{look.address} from {look.view}" for look in looks if look.heard == "open"]:
        return failed(f"Open, and should not be: {', '.join(wrong)}.")
    doubts = [words for look in looks if (words := await _doubt(scene, of, look, by_firewall, within))]
    if doubts:
        return inconclusive(f"{'; '.join(doubts)}.")
    told = [f"{look.address} ({look.heard}, from {look.view})" for look in looks]
    return passed(f"{', '.join(told)}: shut, on machines that are there.", shut=len(told))


async def filtered(scene: Scene, of: str, within: float = PATIENCE) -> tuple[list[str], list[str]]:
    """What is wrong with a filter that drops what it does not let in, and what is in doubt: from every viewpoint the
    fact `open` of the system `of` is open, and `addresses` say nothing at all, on hosts that are there."""
    wrong, doubts, open_ = [], [], scene.several(of, "open")
    for view in _views(scene, of):
        heard = await heard_from(scene, view, open_, within)
        wrong += [f"{each} is {said} from {view}" for each, said in heard.items() if said != "open"]
        for look in await _looked(scene, of, view, within):
            if look.heard == "open":
                wrong.append(f"{look.address} is open from {view}")
            elif words := await _doubt(scene, of, look, True, within):
                doubts.append(words)
            elif look.heard == "refused":
                wrong.append(f"{look.address} refuses {view}: who refuses was let in to")
    return wrong, doubts


class Look(NamedTuple):
    """What was heard at an address; `there`: its host is known to be, `itself`: its own port was knocked at."""

    address: str
    view: str
    heard: Knock
    there: bool
    itself: bool


async def heard_from(scene: Scene, view: str, addresses: Sequence[str], within: float) -> dict[str, Knock]:
    """What is heard at each address from a viewpoint."""
    heard = await asyncio.gather(*(_heard(scene, view, address, within) for address in addresses))
    return dict(zip(addresses, heard, strict=True))


async def _looked(scene: Scene, of: str, view: str, within: float) -> list[Look]:
    addresses, alive = scene.several(of, "addresses"), listed(str(scene.system(of).facts.get("alive", "")))
    heard = await heard_from(scene, view, [*addresses, *alive], within)
    there = {_host(each) for each in alive if heard[each] == "open"}
    return [
        Look(each, view, heard[each], _host(each) in there, await _is_own(scene, view, each))
        for each in addresses
    ]


async def _doubt(scene: Scene, of: str, look: Look, by_firewall: bool, within: float) -> str:
    """Why a port that is not open proves nothing; empty when it does."""
    if not look.there:
        return f"{look.address} is {look.heard} from {look.view}: shut, or not there, since no port of its host is open"
    if not by_firewall:
        return ""
    if look.itself:
        return f"{look.view} is the machine of {look.address} itself, and knocks behind every firewall"
    if look.heard == "silent":
        return ""
    inside = listed(str(scene.system(of).facts.get("inside", "")))
    if not inside:
        return f"{look.address} refuses, by a firewall or because nobody listens: only a look from `inside` tells"
    heard = [await _heard(scene, view, look.address, within) for view in inside]
    return (
        ""
        if "open" in heard
        else f"{look.address} refuses, and nobody listens there from {', '.join(inside)} either"
    )


def _views(scene: Scene, of: str) -> tuple[str, ...]:
    return listed(str(scene.system(of).facts.get("from", HERE))) or (HERE,)


SSH_FAILED: Final = 255
"""ssh's own code: what it says then, it says of the way to the viewpoint."""


async def _heard(scene: Scene, view: str, address: str, within: float) -> Knock:
    if view == HERE:
        return await scene.look.ports.knock(address, timeout=within)
    host, _, port = address.rpartition(":")
    words = ["nc", "-z", "-v", "-w", f"{max(within, 1):.0f}", host.strip("[]"), port]
    return _of_nc(view, address, await ended(scene, view, words))


def _of_nc(view: str, address: str, finished: Finished) -> Knock:
    """What nc heard. Its many kinds agree in this much."""
    said = (finished.output + finished.errors).casefold()
    if finished.code == 0:
        return "open"
    if finished.code != SSH_FAILED and "refused" in said:
        return "refused"
    if finished.code != SSH_FAILED and ("timed out" in said or "timeout" in said):
        return "silent"
    raise Unavailable(f"nc on {view} did not say what it heard at {address}: {excerpt(said.strip())}")


async def _is_own(scene: Scene, view: str, address: str) -> bool:
    """Whether who knocks is the machine of that address."""
    if view == HERE:
        return await scene.look.ports.here(address)
    return _host(address).strip("[]") == urlsplit(scene.system(view).url).hostname


async def _knocked(scene: Scene, of: str, within: float) -> dict[str, Knock]:
    return await heard_from(scene, HERE, scene.several(of, "addresses"), within)


def _host(address: str) -> str:
    return address.rpartition(":")[0]
