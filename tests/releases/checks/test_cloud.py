"""Security groups, routes, key pairs and metrics, as AWS tells them to who signs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.releases.checks.aws_standin import KEY_ID, REGION, SECRET, Aws, Rule
from tests.releases.checks.lookout import run
from tests.releases.checks.scenes import Looker, now
from watership.adapters.rehearsal.clock import LeapingClock
from watership.testing.servers import free_port

DAY = 86400.0


@pytest.fixture
def aws() -> Aws:
    return Aws(
        groups={
            "entry": [Rule(443, 443, "0.0.0.0/0"), Rule(443, 443, "::/0")],
            "app": [Rule(3000, 3000, "10.0.0.0/16")],
        },
        tables={"app": [("10.0.0.0/16", "active"), ("0.0.0.0/0", "active")]},
        keys={"deploy": now() - timedelta(days=100)},
        metrics={"AWS/ApplicationELB": ["RequestCount"]},
    )


@pytest.fixture
def cloud(looker: Looker, aws: Aws) -> Iterator[Looker]:
    looker.write("aws.key", SECRET)
    (looker.root / "aws.key").chmod(0o600)
    with aws.standin() as server:
        looker.named("aws", server.url, secret="file:aws.key", key=KEY_ID, region=REGION)
        looker.named(
            "nobody", f"http://127.0.0.1:{free_port()}", secret="file:aws.key", key=KEY_ID, region=REGION
        )
        yield looker


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(22, 22, "0.0.0.0/0"), "lets everybody in at 22"),
        (Rule(22, 22, "::/0"), "lets everybody in at 22"),
        (Rule(440, 450, "0.0.0.0/0"), "lets everybody in at 440 to 450"),
        (Rule(None, None, "0.0.0.0/0", "-1"), "lets everybody in at every port"),
    ],
)
def test_a_group_that_lets_everybody_in_elsewhere_is_named(
    cloud: Looker, aws: Aws, rule: Rule, words: str
) -> None:
    cloud.passes("cloud.security_groups", of="aws", groups="entry, app")
    aws.groups["app"] = [rule]
    cloud.fails("cloud.security_groups", f"app {words}", of="aws", groups="entry, app")


def test_a_request_is_signed_by_the_machines_clock_when_the_calendar_has_leapt(cloud: Looker) -> None:
    cloud.clock = calendar = LeapingClock(cloud.root / "calendar.json")
    calendar.leap(DAY)
    cloud.passes("cloud.security_groups", of="aws", groups="entry, app")


def test_a_group_opens_its_ports_and_no_others(cloud: Looker, aws: Aws) -> None:
    asked = {"of": "aws", "groups": "entry, app", "allows": "entry=443, app=3000"}
    cloud.passes("cloud.security_groups", **asked)
    aws.groups["app"] = [Rule(3000, 3000, "10.0.0.0/16"), Rule(22, 22, "10.0.0.0/16")]
    cloud.fails("cloud.security_groups", "app opens 22, and 3000 is wanted", **asked)
    aws.groups["app"] = []
    cloud.fails("cloud.security_groups", "app lets nobody in at 3000", **asked)
    cloud.unsure("cloud.security_groups", "says no port", **(asked | {"allows": "app"}))


def test_rules_are_tried_from_outside(cloud: Looker) -> None:
    asked = {"of": "aws", "groups": "entry, app", "tried": "walls"}
    with socket.create_server(("127.0.0.1", 0)) as open_, socket.create_server(("127.0.0.1", 0)) as shut:
        let_in, kept_out = (f"127.0.0.1:{each.getsockname()[1]}" for each in (open_, shut))
        cloud.named("outside", "ssh://outside.example.test", run=run(cloud.root / "rules"))
        facts: dict[str, Any] = {"open": let_in, "addresses": kept_out, "alive": let_in, "from": "outside"}
        cloud.named("walls", "tcp://", **facts)
        port = kept_out.rpartition(":")[2]
        cloud.write("rules", f"{port} drop")
        assert "walls was tried" in cloud.passes("cloud.security_groups", **asked)
        cloud.write("rules", "")
        cloud.fails("cloud.security_groups", f"{kept_out} is open from outside", **asked)
        cloud.named("inside", "ssh://inside.example.test", run=run(cloud.root / "no-rules"))
        cloud.write("no-rules", "")
        cloud.write("rules", f"{port} reject")
        cloud.named("walls", "tcp://", **facts, inside="inside")
        cloud.fails("cloud.security_groups", "who refuses was let in to", **asked)
        cloud.named("walls", "tcp://", **facts)
        cloud.unsure("cloud.security_groups", "only a look from `inside` tells", **asked)
        cloud.named("walls", "tcp://", **(facts | {"from": "here"}))
        cloud.fails("cloud.security_groups", "is open from here", **asked)
    cloud.write("rules", f"{port} drop")
    cloud.named("walls", "tcp://", **facts)
    cloud.fails("cloud.security_groups", f"{let_in} is refused from outside", **asked)


def test_a_group_that_is_not_there_is_named(cloud: Looker) -> None:
    cloud.fails("cloud.security_groups", "no group database", of="aws", groups="entry, database")
    cloud.unsure("cloud.security_groups", "Unavailable", of="nobody", groups="entry")


def test_a_route_into_a_black_hole_is_named(cloud: Looker, aws: Aws) -> None:
    cloud.passes("cloud.routes", of="aws", tables="app")
    cloud.unsure("cloud.routes", "is given an empty", of="aws", tables=" ,")
    cloud.fails("cloud.routes", "no table database", of="aws", tables="app, database")
    aws.tables["app"] = [("0.0.0.0/0", "blackhole")]
    cloud.fails("cloud.routes", "app sends 0.0.0.0/0 into a black hole", of="aws", tables="app")
    cloud.unsure("cloud.routes", "Unavailable", of="nobody", tables="app")


def test_a_key_pair_is_there_and_not_old(cloud: Looker) -> None:
    cloud.passes("cloud.key_pairs", of="aws", names="deploy", younger_than=365 * DAY)
    cloud.fails("cloud.key_pairs", "before 90d", of="aws", names="deploy", younger_than=90 * DAY)
    cloud.fails(
        "cloud.key_pairs", "no key pair other", of="aws", names="deploy, other", younger_than=365 * DAY
    )
    cloud.unsure("cloud.key_pairs", "Unavailable", of="nobody", names="deploy", younger_than=DAY)


def test_a_namespace_without_recent_values_fails(cloud: Looker) -> None:
    cloud.passes("cloud.metrics", of="aws", namespace="AWS/ApplicationELB")
    cloud.fails("cloud.metrics", "0 metrics had values", of="aws", namespace="AWS/RDS")
    cloud.unsure("cloud.metrics", "Unavailable", of="nobody", namespace="AWS/RDS")


def test_a_key_for_a_time_goes_with_its_token(cloud: Looker, aws: Aws) -> None:
    cloud.write("aws.token", "of a role")
    (cloud.root / "aws.token").chmod(0o600)
    aws.token = "of a role"
    cloud.unsure("cloud.routes", "AuthFailure", of="aws", tables="app")
    url = cloud.systems["aws"].url
    cloud.named("aws", url, secret="file:aws.key", key=KEY_ID, region=REGION, token="file:aws.token")
    cloud.passes("cloud.routes", of="aws", tables="app")


def test_a_refused_signature_is_no_verdict_and_shows_the_words_of_the_service(cloud: Looker) -> None:
    cloud.write("aws.key", "another")
    cloud.unsure("cloud.routes", "AuthFailure", of="aws", tables="app")
    cloud.named("unsigned", cloud.systems["aws"].url, key=KEY_ID, region=REGION)
    cloud.unsure("cloud.routes", "no secret to sign with", of="unsigned", tables="app")
