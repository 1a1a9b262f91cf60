"""A release whose name is led elsewhere in two real BINDs: what both say after each act, and as it goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest

from tests.contracts.http_peers import until
from tests.journeys.elsewhere import Elsewhere, NumberedHosts, with_entrance
from tests.simulation.release_targets import SimRouter
from watership.durable.clock import SystemClock
from watership.releases.book.system import System
from watership.testing.servers.bind import BindServer

OLD, NEW = "192.0.2.1", "192.0.2.2"
NUMBERS = count(1)

LED = f"{NEW} for 1 s"
UNTIL_HALF = [
    ("entrance.lower passed", f"{OLD} for 1 s"),
    ("entrance.lead passed", LED),
    ("gate.digests passed", LED),
    ("gate.signed passed", LED),
    ("deployment.deploy passed", LED),
    ("deployment.running passed", LED),
    ("deployment.smoke passed", LED),
    ("migration.backup passed", LED),
    ("migration.expand passed", LED),
    ("migration.schema passed", LED),
    ("cutover.half passed", LED),
]
PROMOTED = [
    ("cutover.soak passed", LED),
    ("cutover.full passed", LED),
    ("cutover.drain passed", LED),
    ("cutover.after passed", LED),
    ("after.errors passed", LED),
    ("after.raise passed", f"{NEW} for 3 s"),
    ("promote passed", f"{NEW} for 3 s"),
    ("watch passed", f"{NEW} for 3 s"),
]
TAKEN_BACK = [("cutover.soak failed", LED), ("take_back passed", LED), ("retire passed", LED)]


@pytest.mark.parametrize(
    ("bad", "ending", "rest"),
    [(0.0, "promoted", PROMOTED), (0.3, "rolled_back", TAKEN_BACK)],
    ids=["good", "bad"],
)
async def test_after_each_act_both_authorities_say_what_was_planned_and_a_rollback_leaves_the_name_alone(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    bind_pair: tuple[BindServer, BindServer],
    bad: float,
    ending: str,
    rest: Sequence[tuple[str, object]],
    nightly: bool,
) -> None:
    if not (bad or nightly):
        pytest.skip("at night; by day the one that is taken back, which goes the same way as far as it goes")
    name = await named(bind_pair)
    primary, secondary = bind_pair
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text(primary.secret)
    clock = SystemClock()

    def seen() -> str:
        """What each says; one thing, if they agree."""
        return " / ".join(sorted({said(name, server) for server in bind_pair}))

    router = SimRouter(clock, NumberedHosts(clock), bad={})
    ground = Elsewhere(
        router,
        folder=tmp_path,
        book=with_entrance(NEW),
        look=seen,
        system=System(
            url=f"dns://{primary.address}",
            secret="file:key",
            facts={"names": name, "zone": primary.zone, "key": "watership", "also": secondary.address},
        ),
        bad=bad,
    )
    router._hosts = ground.hosts
    before = asyncio.get_running_loop().time()
    outcome = await ground.released()
    assert (outcome.outcome, ground.audit.seen) == (ending, [*UNTIL_HALF, *rest]), outcome.reason
    # The old TTL was waited for before the name moved, and the new one after.
    assert asyncio.get_running_loop().time() - before > 4.0


async def named(pair: tuple[BindServer, BindServer]) -> str:
    """A name that leads to OLD for three seconds, in both."""
    primary, _ = pair
    name = f"journey{next(NUMBERS)}.{primary.zone}"
    ring = dns.tsig.Key("watership", primary.secret, "hmac-sha256")
    update = dns.update.UpdateMessage(primary.zone, keyring=ring)
    update.add(f"{name}.", 3, "A", OLD)
    answer = await dns.asyncquery.tcp(update, "127.0.0.1", port=primary.port, timeout=5)
    assert answer.rcode() == dns.rcode.NOERROR

    async def known() -> bool:
        return all(said(name, server) == f"{OLD} for 3 s" for server in pair)

    await until(known)
    return name


def said(name: str, server: BindServer) -> str:
    answer = dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", port=server.port, timeout=5)
    return ", ".join(f"{record} for {found.ttl} s" for found in answer.answer for record in found)
