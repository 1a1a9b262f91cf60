"""What HAProxy logs is counted, however busy the agent is for a moment."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection

from tests.adapters.haproxy.conftest import Stand
from tests.contracts.http_peers import until

BURST = 200
"""More than a socket may hold of datagrams: ten, where the system is as old as the kernels of many servers."""


async def test_the_lines_of_a_burst_wait_for_an_agent_that_is_busy(stand: Stand) -> None:
    async with stand.front() as front:
        # This thread is the agent's: it hears of none of these before they are over. HAProxy answers them by itself.
        with closing(HTTPConnection(stand.program.listen, timeout=10.0)) as line:
            for _ in range(BURST):
                line.request("GET", "/")
                assert line.getresponse().read()

        async def counted() -> bool:
            return sum(each.total.requests for each in front.agent.traffic.values()) == BURST

        await until(counted)
        assert not stand.notes.count("router log lost")
