"""What HAProxy says on its runtime socket is told from what it objects to."""

from __future__ import annotations

import pytest

from watership.adapters.haproxy.runtime import objections

DONE = (
    "IP changed from '127.0.0.1' to '127.0.0.2' by 'stats socket command'",
    "no need to change the addr, port changed from '80' to '81' by 'stats socket command'",
    "IP changed from '127.0.0.1' to '127.0.0.2', no need to change the port by 'stats socket command'",
    "no need to change the addr, no need to change the port by 'stats socket command'",
)


@pytest.mark.parametrize("said", DONE)
def test_an_address_that_was_taken_is_no_objection(said: str) -> None:
    assert objections(f"\n{said}\n\n") == ""


@pytest.mark.parametrize(
    "said",
    [
        "No such server.",
        "cannot change the state of a server that tracks another",
        "IP changed from '127.0.0.1' to '127.0.0.2', can't change <port> to port map because it is incompatible with "
        "current health check port configuration (use 'port' statement from the 'server' directive. "
        "by 'stats socket command'",
    ],
)
def test_an_objection_that_speaks_of_a_change_is_one(said: str) -> None:
    assert objections(f"{DONE[0]}\n{said}\n\n") == said
