"""All sections at once: in one world that is well every point passes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.checklist.whole import POINTS, Servers, Whole, grown_whole
from tests.managed import ManagedRabbit
from watership.testing.servers import PostgresPair, PostgresServer, PrometheusServer
from watership.testing.servers.authority import Authority


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    postgres_pair: PostgresPair,
    rabbit_with_management: ManagedRabbit,
    prometheus_server: PrometheusServer,
    tls_authority: Authority,
) -> Iterator[Whole]:
    servers = Servers(
        postgres=postgres_server,
        pair=postgres_pair,
        rabbit=rabbit_with_management,
        prometheus=prometheus_server,
        authority=tls_authority,
    )
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv(
            "PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )  # for our own command
        there = Whole(root=Path(tmp_path_factory.mktemp("whole")))
        grown_whole(there, stack, servers)
        yield there


def test_in_a_world_that_is_well_every_point_of_every_section_passes(world: Whole) -> None:
    assert world.red(POINTS) == {}
