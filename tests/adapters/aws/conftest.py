"""A rule of moto's with its agent, and ways past the agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from botocore.config import Config
from types_boto3_elbv2 import ElasticLoadBalancingv2Client
from types_boto3_elbv2.type_defs import ActionTypeDef

from tests.adapters.aws.go_between import GoBetween
from tests.contracts.http_peers import Backend
from tests.notes import Notes
from watership.adapters.aws.agent import AwsAgent
from watership.adapters.aws.balancer import DELAY, Balancer, Where
from watership.fleet.deployment import Slot
from watership.releases.ports import SlotWeights
from watership.testing.servers.aws import REGION, AwsServer, NewBalancer

BLUE, GREEN = Slot.BLUE, Slot.GREEN
ALL_BLUE: SlotWeights = {BLUE: 100, GREEN: 0}
ALL_GREEN: SlotWeights = {BLUE: 0, GREEN: 100}
QUARTER: SlotWeights = {BLUE: 75, GREEN: 25}

IMPATIENT = Config(connect_timeout=2, read_timeout=2.0, retries={"total_max_attempts": 1})
"""Who waits for what never comes waits less in a test."""


class Stand:
    """A rule between two backends. `direct` reaches moto past the agent, and past what befalls its calls."""

    def __init__(
        self,
        folder: Path,
        made: NewBalancer,
        between: GoBetween,
        client: ElasticLoadBalancingv2Client,
        direct: ElasticLoadBalancingv2Client,
    ) -> None:
        self.made = made
        self.between = between
        self.direct = direct
        self.blue, self.green = Backend("blue"), Backend("green")
        self.notes = Notes()
        self.where = Where(region=REGION, rule=made.rule, groups={BLUE: made.blue, GREEN: made.green})
        self.balancer = Balancer(self.where, client)
        self.folder = folder

    def agent(self, name: str = "router", *, look_seconds: float = 60.0) -> AwsAgent:
        """An agent that looks by itself as seldom as that; each name has a disk of its own."""
        return AwsAgent(
            self.folder / f"{name}.json",
            balancer=self.balancer,
            observer=self.notes,
            look_seconds=look_seconds,
        )

    async def targeted(self, agent: AwsAgent) -> None:
        for slot, backend in ((BLUE, self.blue), (GREEN, self.green)):
            await agent.set_targets(slot, [backend.address], epoch=1)

    def weights(self) -> SlotWeights:
        """What the rule says when it is asked directly."""
        (rule,) = self.direct.describe_rules(RuleArns=[self.made.rule])["Rules"]
        groups = rule["Actions"][-1]["ForwardConfig"]["TargetGroups"]
        by_arn = {each["TargetGroupArn"]: each["Weight"] for each in groups}
        return {BLUE: by_arn[self.made.blue], GREEN: by_arn[self.made.green]}

    def targets(self, group: str) -> set[str]:
        """Who is registered, asked directly."""
        seen = self.direct.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return {f"{each['Target']['Id']}:{each['Target']['Port']}" for each in seen}

    def delay(self, group: str) -> str:
        attributes = self.direct.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
        return {each["Key"]: each["Value"] for each in attributes}[DELAY]

    def wrong_delay(self) -> None:
        """Somebody else's order: the delay that AWS gives a new group."""
        self.direct.modify_target_group_attributes(
            TargetGroupArn=self.made.blue, Attributes=[{"Key": DELAY, "Value": "300"}]
        )

    def tell(self, weights: SlotWeights) -> None:
        """An order past the agent."""
        forward: ActionTypeDef = {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [
                    {"TargetGroupArn": group, "Weight": weights[slot]}
                    for slot, group in self.where.groups.items()
                ]
            },
        }
        self.direct.modify_rule(RuleArn=self.made.rule, Actions=[forward])


@pytest.fixture(scope="module")
def between(aws_server: AwsServer) -> Iterator[GoBetween]:
    with GoBetween(aws_server.url) as between:
        yield between


@pytest.fixture(scope="module")
def direct(aws_server: AwsServer) -> Iterator[ElasticLoadBalancingv2Client]:
    with closing(aws_server.elbv2()) as client:
        yield client


@pytest.fixture(scope="module")
def impatient(aws_server: AwsServer, between: GoBetween) -> Iterator[ElasticLoadBalancingv2Client]:
    with closing(aws_server.elbv2(between.url, IMPATIENT)) as client:
        yield client


@pytest.fixture
async def stand(
    tmp_path: Path,
    aws_server: AwsServer,
    between: GoBetween,
    impatient: ElasticLoadBalancingv2Client,
    direct: ElasticLoadBalancingv2Client,
) -> AsyncIterator[Stand]:
    made = await asyncio.to_thread(aws_server.new_balancer, direct)
    stand = Stand(tmp_path, made, between, impatient, direct)
    await stand.blue.listen()
    await stand.green.listen()
    yield stand
    between.faults.clear()
    await stand.blue.die()
    await stand.green.die()
