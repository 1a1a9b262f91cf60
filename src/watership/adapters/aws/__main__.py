"""The agent of a rule of AWS as a process. Its keys are found as every program of AWS finds them."""

from __future__ import annotations

import argparse
import sys

from watership.adapters.aws.agent import AwsAgent
from watership.adapters.aws.balancer import Balancer, Where, elbv2
from watership.adapters.helm.process import main
from watership.adapters.structlog.observer import StructlogObserver
from watership.fleet.deployment import Slot


def front(options: argparse.Namespace) -> AwsAgent:
    where = Where(
        region=options.region,
        rule=options.rule,
        groups={Slot.BLUE: options.blue, Slot.GREEN: options.green},
        endpoint=options.endpoint,
    )
    return AwsAgent(
        options.state,
        balancer=Balancer(where, elbv2(where)),
        observer=StructlogObserver(form="json"),
        control=options.control,
    )


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--region", required=True, help="such as eu-central-1")
    parser.add_argument(
        "--rule", required=True, help="ARN of the rule, or of the listener for its default action"
    )
    parser.add_argument("--blue", required=True, help="ARN of blue's target group")
    parser.add_argument("--green", required=True, help="ARN of green's target group")
    parser.add_argument("--endpoint", default="", help="address of an API other than AWS's own")


if __name__ == "__main__":
    sys.exit(main("watership.adapters.aws", str(__doc__), front, more))
