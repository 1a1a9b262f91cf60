"""A release on AWS, as its API tells it: weights, targets, delays and records after each act, and as it goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from types_boto3_elbv2 import ElasticLoadBalancingv2Client
from types_boto3_route53 import Route53Client

from tests.journeys.elsewhere import Elsewhere, with_entrance
from tests.notes import Notes
from watership.adapters.aws.agent import AwsAgent
from watership.adapters.aws.balancer import DELAY, Balancer, Where
from watership.adapters.helm.router import HelmRouter
from watership.fleet.deployment import Slot
from watership.releases.book.system import System
from watership.testing.servers.aws import KEYS, REGION, AwsServer, NewBalancer

NAME = "app.example.test."


@pytest.fixture(scope="module")
def elbv2(aws_server: AwsServer) -> Iterator[ElasticLoadBalancingv2Client]:
    with closing(aws_server.elbv2()) as client:
        yield client


@pytest.fixture(scope="module")
def route53(aws_server: AwsServer) -> Iterator[Route53Client]:
    with closing(aws_server.route53()) as client:
        yield client


class Seen:
    """What AWS itself says, in one line."""

    def __init__(
        self, elbv2: ElasticLoadBalancingv2Client, route53: Route53Client, made: NewBalancer, zone: str
    ) -> None:
        self._elbv2, self._route53, self._made, self._zone = elbv2, route53, made, zone

    def __call__(self) -> tuple[str, str, str, str]:
        (rule,) = self._elbv2.describe_rules(RuleArns=[self._made.rule])["Rules"]
        groups = rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
        by_arn = {each["TargetGroupArn"]: each["Weight"] for each in groups}
        weights = f"blue {by_arn[self._made.blue]} green {by_arn[self._made.green]}"
        return weights, self._targets(), self._delays(), self.records()

    def _targets(self) -> str:
        found = []
        for group in (self._made.blue, self._made.green):
            seen = self._elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
            found.append(" ".join(each["Target"]["Id"] for each in seen) or "nobody")
        return " | ".join(found)

    def _delays(self) -> str:
        return " ".join(
            each["Value"]
            for group in (self._made.blue, self._made.green)
            for each in self._elbv2.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
            if each["Key"] == DELAY
        )

    def records(self) -> str:
        listed = self._route53.list_resource_record_sets(HostedZoneId=self._zone)["ResourceRecordSets"]
        found = [
            f"{each['SetIdentifier']} {each['Weight']} for {each['TTL']} s"
            for each in listed
            if each["Name"] == NAME
        ]
        return ", ".join(sorted(found))


def zone_with(client: Route53Client) -> str:
    """A zone in which the name leads to the old balancer for three seconds."""
    made = client.create_hosted_zone(Name="example.test", CallerReference="journey")["HostedZone"]["Id"]
    records: list[Any] = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {
                "Name": NAME,
                "Type": "A",
                "TTL": 3,
                "SetIdentifier": balancer,
                "Weight": weight,
                "ResourceRecords": [{"Value": address}],
            },
        }
        for balancer, weight, address in (("old", 100, "192.0.2.1"), ("new", 0, "192.0.2.2"))
    ]
    client.change_resource_record_sets(HostedZoneId=made, ChangeBatch={"Changes": records})
    return made.rpartition("/")[2]


BEFORE = ("blue 0 green 100", "nobody | 127.0.0.2", "30 30")
STANDS = ("blue 0 green 100", "127.0.0.3 | 127.0.0.2", "30 30")
HALF = ("blue 50 green 50", "127.0.0.3 | 127.0.0.2", "30 30")
ALL = ("blue 100 green 0", "127.0.0.3 | 127.0.0.2", "30 30")
LOWERED = "new 0 for 1 s, old 100 for 1 s"
LED = "new 100 for 1 s, old 0 for 1 s"
KEPT = "new 100 for 3 s, old 0 for 3 s"

UNTIL_HALF = [
    ("entrance.lower passed", (*BEFORE, LOWERED)),
    ("entrance.lead passed", (*BEFORE, LED)),
    ("gate.digests passed", (*BEFORE, LED)),
    ("gate.signed passed", (*BEFORE, LED)),
    ("deployment.deploy passed", (*STANDS, LED)),
    ("deployment.running passed", (*STANDS, LED)),
    ("deployment.smoke passed", (*STANDS, LED)),
    ("migration.backup passed", (*STANDS, LED)),
    ("migration.expand passed", (*STANDS, LED)),
    ("migration.schema passed", (*STANDS, LED)),
    ("cutover.half passed", (*HALF, LED)),
]
PROMOTED = [
    ("cutover.soak passed", (*HALF, LED)),
    ("cutover.full passed", (*ALL, LED)),
    ("cutover.drain passed", (*ALL, LED)),
    ("cutover.after passed", (*ALL, LED)),
    ("after.errors passed", (*ALL, LED)),
    ("after.raise passed", (*ALL, KEPT)),
    ("promote passed", (*ALL, KEPT)),
    ("watch passed", (*ALL, KEPT)),
]
TAKEN_BACK = [
    ("cutover.soak failed", (*HALF, LED)),
    ("take_back passed", (*STANDS, LED)),
    ("retire passed", (*BEFORE, LED)),
]


@pytest.mark.parametrize(
    ("bad", "ending", "rest"),
    [(0.0, "promoted", PROMOTED), (0.3, "rolled_back", TAKEN_BACK)],
    ids=["good", "bad"],
)
async def test_after_each_act_aws_says_what_was_planned_and_a_rollback_leaves_the_names_alone(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    aws_server: AwsServer,
    elbv2: ElasticLoadBalancingv2Client,
    route53: Route53Client,
    bad: float,
    ending: str,
    rest: list[tuple[str, object]],
    nightly: bool,
) -> None:
    if not (bad or nightly):
        pytest.skip("at night; by day the one that is taken back, which goes the same way as far as it goes")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    made = await asyncio.to_thread(aws_server.new_balancer, elbv2)
    zone = await asyncio.to_thread(zone_with, route53)
    where = Where(region=REGION, rule=made.rule, groups={Slot.BLUE: made.blue, Slot.GREEN: made.green})
    control = tmp_path / "router.sock"
    notes = Notes()
    async with AwsAgent(
        tmp_path / "router.json",
        balancer=Balancer(where, elbv2),
        observer=notes,
        control=control,
        drain_seconds=0.2,  # nobody comes here whose requests could be in flight
    ):
        ground = Elsewhere(
            HelmRouter(control),
            folder=tmp_path,
            book=with_entrance("new=100, old=0"),
            look=Seen(elbv2, route53, made, zone),
            system=System(url=f"route53://{zone}", facts={"names": NAME, "endpoint": aws_server.url}),
            bad=bad,
        )
        outcome = await ground.released()
    assert (outcome.outcome, ground.audit.seen) == (ending, [*UNTIL_HALF, *rest]), outcome.reason
    assert "router does not obey" not in notes.events
