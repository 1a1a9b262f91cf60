"""HAProxy is asked for its statistics: which servers a pool has, with what weight, checked how, and whether they stick.

A server belongs to a slot by its name: `blue`, `blue-1`. The system's URL is where the statistics are, `stats uri`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Final, NamedTuple

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive, passed

Line = Mapping[str, str]

TOTALS: Final = ("FRONTEND", "BACKEND")

STICKY: Final = ("source", "hash", "rdp-cookie", "uri", "url_param", "hdr")
"""How the names of balancing algorithms begin that send the same client to the same server."""

CHECKED: Final = ("L4OK", "L6OK", "L7OK", "L7OKC")
"""What a health check says that went well; 7: it asked for a path, and liked the answer."""


@check(
    "balancer.pool", adapted=True, good_for="24h", fix="Add the servers to the pool, and reload the balancer."
)
async def pool(scene: Scene, *, of: str, pool: str, servers: str, at_least: int = 1) -> Finding:
    """The `pool` of the balancer `of` has `at_least` servers of the slot `servers` (its name, or live or next), by how
    their names begin."""
    names = [
        line["svname"] for line in await _servers(scene, of, pool) if _slot(line) == _meant(scene, servers)
    ]
    words = f"{pool} has {', '.join(names) or 'no server'} of {servers}; {at_least} at least are wanted."
    return found(len(names) >= at_least, words, servers=len(names))


@check("balancer.weights", adapted=True, good_for="1h", fix="watership release status; then set the weights")
async def weights(scene: Scene, *, of: str, pool: str, weights: str) -> Finding:
    """Each slot has its share of the `pool`'s weight, in per cent, as in `next=0, live=100`; in force now, by the
    balancer's own word."""
    wanted = {_meant(scene, slot): share for slot, share in _shares(weights).items()}
    there = dict.fromkeys(wanted, 0)
    for line in await _servers(scene, of, pool):
        there[_slot(line)] = there.get(_slot(line), 0) + int(line["uweight"] or 0)
    total = sum(there.values())
    if total == 0:
        return failed(f"No server of {pool} has any weight.")
    shares = {slot: 100 * weight / total for slot, weight in there.items()}
    wrong = [slot for slot, share in shares.items() if abs(share - wanted.get(slot, 0)) >= 0.5]
    spoken = ", ".join(f"{slot} has {share:.0f} %" for slot, share in shares.items())
    return found(not wrong, f"{pool}: {spoken}; {weights} is wanted.")


@check(
    "balancer.checked",
    adapted=True,
    good_for="24h",
    fix="Add `check` to the server, and `option httpchk` to the pool.",
)
async def checked(scene: Scene, *, of: str, pool: str) -> Finding:
    """The balancer asks every server of the `pool` for its health, by a path (layer 7). Whether it is well is another
    question, but for what has weight."""
    wrong = []
    lines = await _servers(scene, of, pool)
    for line in lines:
        status, said = line["status"], line["check_status"].removeprefix("* ")
        if status == "no check" or not said:
            wrong.append(f"{line['svname']} is not checked")
        elif said in ("L4OK", "L6OK"):
            wrong.append(f"{line['svname']} is only connected to ({said}), and asked for no path")
        elif int(line["uweight"] or 0) > 0 and said not in CHECKED:
            wrong.append(f"{line['svname']} has weight, and is {status} ({said})")
    return found(not wrong, "; ".join(wrong) or f"{pool}: {len(lines)} servers are asked for their health.")


@check(
    "balancer.unsticky",
    adapted=True,
    good_for="24h",
    fix="Remove `cookie`, `stick on` and hashing from the pool.",
)
async def unsticky(
    scene: Scene, *, of: str, pool: str, through: str, path: str = "/", requests: int = 20
) -> Finding:
    """The `pool` binds no client to a server: neither by a cookie, nor by an algorithm that hashes, as it tells itself
    with `stats show-legends`; nor by what it does not tell, such as `stick on`.

    For that, one client makes `requests` to the entrance `through`, and brings each cookie along that it was given. Of
    each session the balancer counts whether it chose a server (lbtot): one that is bound goes there without a choice.
    """
    if not 2 <= requests <= MOST:
        raise BadInput(f"Between 2 and {MOST} requests are made, not {requests}.")
    (whole,) = [line for line in await _lines(scene, of, pool) if line["svname"] == "BACKEND"]
    algorithm, cookie = whole.get("algo", ""), whole.get("cookie", "")
    if not algorithm:
        return inconclusive(f"{of} does not tell how {pool} balances: add `stats show-legends`.")
    if cookie:
        return failed(f"{pool} binds clients by the cookie {cookie}.")
    if algorithm.startswith(STICKY):
        return failed(f"{pool} balances by {algorithm}, which binds clients.")
    before = await _counted(scene, of, pool)
    await _asked(scene, through, path, requests)
    after = await _counted(scene, of, pool)
    came, chosen = after.sessions - before.sessions, after.chosen - before.chosen
    if came < requests:
        return inconclusive(
            f"{requests} requests to {through} were {came} sessions of {pool}: it does not lead there."
        )
    words = f"{pool} balances by {algorithm}, without a cookie; for {chosen} of {came} sessions it chose a server."
    if came - chosen >= requests - 1:
        return failed(f"{words} The others were bound to one.", bound=came - chosen)
    if came > chosen:
        return inconclusive(f"{words} Whether the others were bound is not known.", bound=came - chosen)
    return passed(words, sessions=came)


MOST: Final = 200
"""Requests that are made to see whether a client is bound."""


class Counted(NamedTuple):
    """Sessions that went to servers, and those for which the balancer chose one."""

    sessions: int
    chosen: int


async def _counted(scene: Scene, of: str, pool: str) -> Counted:
    lines = await _servers(scene, of, pool)
    if not all(line.get("stot", "").isdigit() and line.get("lbtot", "").isdigit() for line in lines):
        raise Unavailable(f"{of} does not count the sessions of each server (stot, lbtot).")
    return Counted(sum(int(line["stot"]) for line in lines), sum(int(line["lbtot"]) for line in lines))


async def _asked(scene: Scene, through: str, path: str, requests: int) -> None:
    """Make requests one after the other, as one client that keeps its cookies."""
    (url,), kept = await scene.urls(through), dict[str, str]()
    system = scene.systems.get(through)
    own = system.sent(scene.look.secrets) if system is not None else {}
    for _ in range(requests):
        cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}
        answer = await scene.look.http.request("GET", url + path, headers=own | cookies)
        for name, morsel in SimpleCookie(answer.headers.get("set-cookie", "")).items():
            kept[name] = morsel.value


async def _servers(scene: Scene, of: str, pool: str) -> list[Line]:
    lines = [line for line in await _lines(scene, of, pool) if line["svname"] not in TOTALS]
    if not lines:
        raise BadInput(f"The pool '{pool}' of {of} has no servers.")
    return lines


async def _lines(scene: Scene, of: str, pool: str) -> list[Line]:
    """What the statistics tell of a pool. Raises BadInput when there is no such pool."""
    answer = await scene.get(of, "/;csv")
    if answer.status != 200:
        raise Unavailable(f"{of} answered its statistics with {answer.status}.")
    told = answer.body.decode(errors="replace").removeprefix("# ")
    rows: list[Line] = [dict(row) for row in csv.DictReader(told.splitlines())]
    if not rows or not {"pxname", "svname", "uweight", "check_status"} <= rows[0].keys():
        raise Unavailable(f"{of} answered what are no statistics of HAProxy.")
    lines = [row for row in rows if row["pxname"] == pool]
    if not any(line["svname"] == "BACKEND" for line in lines):
        raise BadInput(f"{of} has no pool '{pool}': {', '.join(sorted({row['pxname'] for row in rows}))}.")
    return lines


def _slot(line: Line) -> str:
    """`blue-1` is of `blue`."""
    return line["svname"].partition("-")[0]


def _meant(scene: Scene, slot: str) -> str:
    """A slot by its name, or by its role in this release."""
    return scene.side(slot).slot.value if slot in ("live", "next") else slot


def _shares(text: str) -> dict[str, int]:
    """`next=0, live=100` by slot."""
    pairs = [each.partition("=") for each in listed(text)]
    if not pairs or any(not value.strip().isdigit() for _, _, value in pairs):
        raise BadInput(f"'{text}' names no weights.", fix='Write: weights: "next=0, live=100"')
    return {slot.strip(): int(value) for slot, _, value in pairs}
