"""An environment behind a load balancer of AWS: its agent as a process, what doctor sees, and what has to be said."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from watership.config import BadConfig, Config, load
from watership.fleet.deployment import Slot
from watership.testing.servers.aws import KEYS, REGION, AwsServer, NewBalancer
from watership.wiring.environment import LocalEnvironment
from watership.wiring.examination import examine


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, since there will be sockets in it."""
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        yield Path(folder)


@pytest.fixture
def made(aws_server: AwsServer) -> NewBalancer:
    return aws_server.new_balancer()


def configured(folder: Path, aws: AwsServer, made: NewBalancer, *, more: str = "") -> Config:
    (folder / "watership.toml").write_text(
        f'[environment]\nproxy = "aws"\n{more}\n'
        f'[aws]\nregion = "{REGION}"\nrule = "{made.rule}"\nblue = "{made.blue}"\ngreen = "{made.green}"\n'
        f'endpoint = "{aws.url}"\n'
    )
    return load(folder, {})


async def test_its_agent_is_a_process_that_takes_over_what_the_rule_does(
    folder: Path, aws_server: AwsServer, made: NewBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    local = LocalEnvironment(configured(folder, aws_server, made))
    address = await local.up("127.0.0.1:0")
    try:
        assert address.endswith(".elb.amazonaws.com:80")
        assert (await local.router.read()).weights == {Slot.BLUE: 0, Slot.GREEN: 100}
    finally:
        await local.down()


async def test_doctor_says_what_the_rule_does_and_what_was_never_tried(
    folder: Path, aws_server: AwsServer, made: NewBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    config = configured(folder, aws_server, made)
    rule, untried, counted = [each for each in await examine(config) if each.what in ("AWS", "Metrics")]
    assert (rule.state, untried.state, counted.state) == ("warning", "warning", "problem")
    assert "blue 0 %, green 100 %" in rule.detail
    assert "let go after blue 300 s" in rule.detail
    assert untried.detail.startswith("not tried on real AWS")
    assert "no gate can judge" in counted.detail

    client = aws_server.elbv2()
    await asyncio.to_thread(client.delete_rule, RuleArn=made.rule)
    client.close()
    gone = next(each for each in await examine(config) if each.what == "AWS")
    assert gone.state == "problem"


def test_an_environment_behind_aws_names_its_rule_and_both_groups(folder: Path) -> None:
    (folder / "watership.toml").write_text(
        '[environment]\nproxy = "aws"\n[aws]\nregion = "eu-central-1"\nblue = "b"\n'
    )
    with pytest.raises(BadConfig, match=r"these say nothing: aws\.rule, aws\.green"):
        load(folder, {})
    more = {"WATERSHIP_AWS_RULE": "r", "WATERSHIP_AWS_GREEN": "b"}
    with pytest.raises(BadConfig, match="one target group"):
        load(folder, more)
