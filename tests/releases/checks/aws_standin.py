"""A stand-in for AWS: it lets in who signs with the right key, and answers in the XML of the real APIs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from watership.releases.checks.signature import Key, signed
from watership.testing.standin import Answer, Asked, StandIn

KEY_ID: Final = "AKIDEXAMPLE"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION: Final = "eu-central-1"
PAGE: Final = 2
SKEW: Final = timedelta(minutes=5)
"""Objects of a page of a listing; the real one has 1,000."""


@dataclass(frozen=True)
class Rule:
    """What a security group lets in."""

    first: int | None
    last: int | None
    cidr: str
    protocol: str = "tcp"


@dataclass
class Aws:
    """What there is. `groups` by name; `tables` by name: destination and state of each route; `keys`: when made."""

    groups: dict[str, Sequence[Rule]] = field(default_factory=dict)
    tables: dict[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    keys: dict[str, datetime] = field(default_factory=dict)
    metrics: dict[str, Sequence[str]] = field(default_factory=dict)
    objects: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    token: str = ""
    """Of a key for a time."""

    def standin(self) -> StandIn:
        return StandIn({"POST /": self._queried, "GET /backups": self._listed})

    def _queried(self, asked: Asked) -> Answer:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        action = form["Action"]
        if not self._may(asked, "monitoring" if action == "ListMetrics" else "ec2"):
            words = "AWS was not able to validate the provided access credentials"
            return _xml(
                "Response",
                f"<Errors><Error><Code>AuthFailure</Code><Message>{words}</Message></Error></Errors>",
                401,
            )
        wanted = [value for name, value in form.items() if name.startswith("Filter.1.Value.")]
        match action:
            case "DescribeSecurityGroups":
                items = [_group(name, rules) for name, rules in self.groups.items() if name in wanted]
                return _ec2(action, "securityGroupInfo", items)
            case "DescribeRouteTables":
                items = [_table(name, routes) for name, routes in self.tables.items() if name in wanted]
                return _ec2(action, "routeTableSet", items)
            case "DescribeKeyPairs":
                items = [
                    f"<keyPairId>key-1</keyPairId><keyName>{name}</keyName><createTime>{made:%Y-%m-%dT%H:%M:%S.000Z}</createTime>"
                    for name, made in self.keys.items()
                    if name in wanted
                ]
                return _ec2(action, "keySet", items)
            case "ListMetrics":
                members = "".join(
                    f"<member><Namespace>{form['Namespace']}</Namespace><MetricName>{name}</MetricName><Dimensions/></member>"
                    for name in self.metrics.get(form["Namespace"], ())
                )
                return _xml(
                    "ListMetricsResponse",
                    f"<ListMetricsResult><Metrics>{members}</Metrics></ListMetricsResult>",
                )
            case other:
                return _xml(
                    "Response",
                    f"<Errors><Error><Code>InvalidAction</Code><Message>{other}</Message></Error></Errors>",
                    400,
                )

    def _may(self, asked: Asked, service: str) -> bool:
        return asked.headers.get("x-amz-security-token", "") == self.token and _is_signed(asked, service)

    def _listed(self, asked: Asked) -> Answer:
        if not self._may(asked, "s3"):
            return _xml("Error", "<Code>SignatureDoesNotMatch</Code>", 403)
        query = parse_qs(urlsplit(asked.path).query, keep_blank_values=True)
        prefix = query["prefix"][0]
        start = int(query.get("continuation-token", ["0"])[0])
        names = sorted(name for name in self.objects if name.startswith(prefix))
        shown = "".join(_object(name, *self.objects[name]) for name in names[start : start + PAGE])
        more = start + PAGE < len(names)
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        head = f"<Name>backups</Name><Prefix>{prefix}</Prefix><IsTruncated>{str(more).lower()}</IsTruncated>"
        return _xml("ListBucketResult", head + token + shown)


def dated(asked: Asked) -> datetime | None:
    """When a request was signed, by its own word; None where that is further than AWS bears from the machine's time."""
    at = datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return at if abs(datetime.now(UTC) - at) <= SKEW else None


def _is_signed(asked: Asked, service: str) -> bool:
    """Whether the request carries the signature that we compute, as the real service does, from what came."""
    found = re.search(r"SignedHeaders=([^,]*)", asked.headers.get("authorization", ""))
    if found is None or asked.headers.get("x-amz-content-sha256", _sha(asked.body)) != _sha(asked.body):
        return False
    names = [
        name for name in found[1].split(";") if name not in ("host", "x-amz-date", "x-amz-content-sha256")
    ]
    at = dated(asked)
    if at is None:
        return False
    again = signed(
        Key(id=KEY_ID, secret=SECRET, region=REGION, service=service),
        asked.method,
        f"http://{asked.headers['host']}{asked.path}",
        at=at,
        headers={name: asked.headers[name] for name in names},
        body=asked.body,
    )
    return again["authorization"] == asked.headers["authorization"]


def _sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _ec2(action: str, name: str, items: Sequence[str]) -> Answer:
    inner = "".join(f"<item>{item}</item>" for item in items)
    return _xml(f"{action}Response", f"<requestId>59dbff89</requestId><{name}>{inner}</{name}>")


def _xml(name: str, inner: str, status: int = 200) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">{inner}</{name}>'
    return Answer(text.encode(), status, {"content-type": "text/xml;charset=UTF-8"})


def _group(name: str, rules: Sequence[Rule]) -> str:
    return (
        f"<groupId>sg-{name}</groupId><groupName>{name}</groupName><ipPermissions>"
        + "".join(f"<item>{_rule(rule)}</item>" for rule in rules)
        + "</ipPermissions><ipPermissionsEgress/>"
    )


def _rule(rule: Rule) -> str:
    ports = "" if rule.first is None else f"<fromPort>{rule.first}</fromPort><toPort>{rule.last}</toPort>"
    six = ":" in rule.cidr
    range_ = (
        f"<item><{'cidrIpv6' if six else 'cidrIp'}>{rule.cidr}</{'cidrIpv6' if six else 'cidrIp'}></item>"
    )
    return (
        f"<ipProtocol>{rule.protocol}</ipProtocol>{ports}<groups/>"
        f"<ipRanges>{'' if six else range_}</ipRanges><ipv6Ranges>{range_ if six else ''}</ipv6Ranges>"
    )


def _table(name: str, routes: Sequence[tuple[str, str]]) -> str:
    ways = "".join(
        f"<item><destinationCidrBlock>{to}</destinationCidrBlock><state>{state}</state></item>"
        for to, state in routes
    )
    return (
        f"<routeTableId>rtb-{name}</routeTableId><routeSet>{ways}</routeSet>"
        "<associationSet><item><subnetId>subnet-1</subnetId></item></associationSet>"
        f"<tagSet><item><key>Name</key><value>{name}</value></item></tagSet>"
    )


def _object(name: str, at: datetime, size: int) -> str:
    return (
        f"<Contents><Key>{escape(name)}</Key><LastModified>{at:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
        f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
