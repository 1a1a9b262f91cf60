"""The routers that hold the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from types_boto3_elbv2 import ElasticLoadBalancingv2Client

from tests.contracts.router_suite import BLUE, GREEN, Front, MetricsSuite, RouterSuite, SteeringSuite
from tests.notes import Notes
from watership.adapters.aws.agent import AwsAgent
from watership.adapters.aws.balancer import Balancer, Where
from watership.adapters.haproxy.front import HaproxyFront
from watership.adapters.haproxy.program import HaproxyProgram
from watership.adapters.helm.router import HelmRouter
from watership.adapters.proxy.server import EmbeddedProxy
from watership.errors import BadInput, Unavailable
from watership.releases.ports import Metrics, Router
from watership.testing.servers.aws import REGION, AwsServer
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


class TestAws(SteeringSuite):
    """moto stands in for AWS, and passes no requests on: what a rule does with them, nobody here can try."""

    hold_seconds = 4.0

    @pytest.fixture
    async def bare(
        self, tmp_path: Path, aws_server: AwsServer, aws_client: ElasticLoadBalancingv2Client
    ) -> AsyncIterator[tuple[Router, str]]:
        made = await asyncio.to_thread(aws_server.new_balancer, aws_client)
        where = Where(region=REGION, rule=made.rule, groups={BLUE: made.blue, GREEN: made.green})
        control = tmp_path / "router.sock"
        balancer = Balancer(where, aws_client)
        async with AwsAgent(
            tmp_path / "router.json", balancer=balancer, observer=Notes(), control=control, look_seconds=1.0
        ) as agent:
            yield HelmRouter(control), agent.address

    async def test_what_it_cannot_do_it_refuses(self, front: Front) -> None:
        assert not (await front.router.read()).can_hold
        with pytest.raises(BadInput, match="cannot hold requests"):
            await front.router.pause(seconds=1, epoch=1)
        router = front.router
        assert isinstance(router, HelmRouter)
        with pytest.raises(Unavailable, match="does not count requests"):
            await router.ticks(after=0, until=1)
        assert await router.drain(GREEN, seconds=0.01, epoch=1) is None
        assert (await router.read()).active == {}
