"""The routers that hold the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.router_suite import MetricsSuite, RouterSuite
from tests.notes import Notes
from watership.adapters.haproxy.front import HaproxyFront
from watership.adapters.haproxy.program import HaproxyProgram
from watership.adapters.helm.router import HelmRouter
from watership.adapters.proxy.server import EmbeddedProxy
from watership.releases.ports import Metrics, Router
from watership.testing.servers.ports import free_port


class TestEmbeddedProxy(RouterSuite, MetricsSuite):
    @pytest.fixture
    async def bare(self, tmp_path: Path) -> AsyncIterator[tuple[Router, str]]:
        control = tmp_path / "router.sock"
        async with EmbeddedProxy(tmp_path / "router.json", observer=Notes(), control=control) as proxy:
            yield HelmRouter(control), proxy.address

    @pytest.fixture
    def metrics(self, bare: tuple[Router, str]) -> Metrics:
        router, _ = bare
        assert isinstance(router, HelmRouter)
        return router


class TestHaproxy(RouterSuite, MetricsSuite):
    @pytest.fixture
    async def bare(self, tmp_path: Path) -> AsyncIterator[tuple[Router, str]]:
        port = free_port()
        program = HaproxyProgram(tmp_path / "haproxy", listen=f"127.0.0.1:{port}", grace_seconds=1)
        control = tmp_path / "router.sock"
        async with HaproxyFront(program, state=tmp_path / "router.json", control=control, observer=Notes()):
            yield HelmRouter(control), program.listen

    @pytest.fixture
    def metrics(self, bare: tuple[Router, str]) -> Metrics:
        router, _ = bare
        assert isinstance(router, HelmRouter)
        return router
