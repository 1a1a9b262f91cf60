"""A private stand-in for AWS: moto's server, which keeps what the API is told and passes no traffic on."""

from __future__ import annotations

import importlib.util
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import fromstring

import msgspec

from watership.errors import Unavailable
from watership.testing.servers.ports import LOOPBACK, answer, free_port
from watership.testing.servers.process import Server

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client
    from types_boto3_route53 import Route53Client

REGION: Final = "eu-central-1"
KEYS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
"""It takes any; a client without keys does not even ask. These are for processes of a test."""


ANSWER_SECONDS: Final = 10.0
"""It lives in one process with one thread at work, on a machine that may be busy."""


class NewBalancer(msgspec.Struct, frozen=True, kw_only=True):
    """ARNs of what was made for one test: a listener with one rule, and the target groups of both slots."""

    listener: str
    rule: str
    blue: str
    green: str


class AwsServer(Server):
    """moto on a port of loopback. What it keeps is gone when it stops."""

    name = "aws"

    def __init__(self, folder: Path | None = None, *, conf: Mapping[str, str] | None = None) -> None:
        for package in ("moto", "flask", "flask_cors"):
            if importlib.util.find_spec(package) is None:
                raise Unavailable(f"{package} is not installed.", fix="pip install moto flask flask-cors")
        super().__init__(folder, conf=conf)
        self.port = free_port()
        self._made = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Nothing: it has no configuration."""

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(self.port)]

    def answers(self) -> bool:
        """Whether it serves its own interface."""
        said = answer(self.port, b"GET /moto-api/data.json HTTP/1.0\r\n\r\n", 64)
        return b" 200 " in said.partition(b"\r\n")[0]

    def elbv2(self, through: str = "", config: Config | None = None) -> ElasticLoadBalancingv2Client:
        """A client of its load balancers, whose calls go `through` an address before it."""
        return self._session().client("elbv2", endpoint_url=through or self.url, config=config or _once())

    def route53(self, through: str = "") -> Route53Client:
        """A client of its name service."""
        return self._session().client("route53", endpoint_url=through or self.url, config=_once())

    def new_balancer(self, client: ElasticLoadBalancingv2Client | None = None) -> NewBalancer:
        """A load balancer whose rule sends everything to green, as a live system's does."""
        api = client or self.elbv2()
        self._made += 1
        name = f"test-{self._made}"
        network, subnets = self._network()
        balancer = api.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]
        groups = [
            api.create_target_group(
                Name=f"{name}-{slot}",
                Protocol="HTTP",
                Port=80,
                VpcId=network,
                TargetType="ip",
                HealthCheckPath="/readyz",
            )["TargetGroups"][0]["TargetGroupArn"]
            for slot in ("blue", "green")
        ]
        listener = api.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": groups[1]}],
        )["Listeners"][0]["ListenerArn"]
        rule = api.create_rule(
            ListenerArn=listener,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": groups[1]}],
        )["Rules"][0]["RuleArn"]
        return NewBalancer(listener=listener, rule=rule, blue=groups[0], green=groups[1])

    def _session(self) -> Session:
        from boto3.session import Session

        return Session("testing", "testing", region_name=REGION)

    def _network(self) -> tuple[str, list[str]]:
        """The network that an account has from the start, and two parts of it: asked in the API's own form, since a
        client of all that EC2 can do takes a second to make."""
        scope = f"testing/20260101/{REGION}/ec2/aws4_request"
        asked = urllib.request.Request(  # noqa: S310 - the address is this server's
            self.url,
            b"Action=DescribeSubnets&Version=2016-11-15",
            {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"},
        )
        with urllib.request.urlopen(asked) as said:  # noqa: S310 - the same
            tree = fromstring(said.read())  # noqa: S314 - the same
        subnets = [each.text or "" for each in tree.iter() if each.tag.endswith("}subnetId")]
        networks = [each.text or "" for each in tree.iter() if each.tag.endswith("}vpcId")]
        return networks[0], subnets[:2]


def _once() -> Config:
    """No call is made twice: what a test sees is what its own call came to."""
    from botocore.config import Config

    return Config(
        connect_timeout=ANSWER_SECONDS, read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1}
    )
