"""Section A: where all is well every point passes, and each planted fault turns exactly its point red."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.checklist.section_a import grown
from tests.checklist.section_suite import SectionSuite
from tests.checklist.world import World, points
from tests.releases.checks.scenes import Looker
from watership.testing.servers import PostgresPair, PostgresServer, PrometheusServer
from watership.testing.servers.authority import Authority

POINTS = points("A")


@pytest.fixture(scope="module")
def world(
    bare: World,
    stack: ExitStack,
    *,
    own_command: None,
    postgres_pair: PostgresPair,
    postgres_server: PostgresServer,
    tls_authority: Authority,
) -> World:
    grown(bare, stack, postgres_pair, postgres_server, tls_authority)
    return bare


class TestSectionA(SectionSuite):
    points = POINTS
    batch = 24


def test_a_real_prometheus_understands_each_query(
    prometheus_server: PrometheusServer, tmp_path: Path
) -> None:
    looker = Looker(tmp_path)
    looker.named("prometheus", prometheus_server.url)
    queries = [point.parameters for _, point in POINTS if point.check == "prometheus.figure"]
    assert len(queries) == 3
    for parameters in queries:
        looker.unsure("prometheus.figure", "has no value for", **parameters)
