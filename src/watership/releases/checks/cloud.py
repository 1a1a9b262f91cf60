"""The cloud is asked what it lets through and where it leads: security groups, routes, key pairs, metrics of AWS."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from xml.etree.ElementTree import Element

from watership.errors import BadInput
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.aws import Service, every, queried, text, texts
from watership.releases.checks.kind import check
from watership.releases.checks.ports import filtered
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, found, inconclusive

EC2: Final = Service("ec2", "2016-11-15")
CLOUDWATCH: Final = Service("monitoring", "2010-08-01")

EVERYBODY: Final = ("0.0.0.0/0", "::/0")


@check(
    "cloud.security_groups",
    adapted=True,
    good_for="24h",
    fix="Revoke the rule: aws ec2 revoke-security-group-ingress",
)
async def security_groups(
    scene: Scene, *, of: str, groups: str, public: str = "443", allows: str = "", tried: str = ""
) -> Finding:
    """Each of the security `groups` (names, commas between) is there, and lets the whole world in at no other port than
    those of `public`.

    `allows`: NAME=PORT, commas between, are the only ports that these groups open, and they do. `tried`: a system at
    whose ports the rules are tried: its fact `open` is open, and its `addresses` say nothing at all (see ports.closed).
    """
    wanted = _named(groups)
    tree = await _described(scene, of, "DescribeSecurityGroups", "group-name", wanted)
    there = every(tree, "securityGroupInfo", "item")
    wrong = [f"there is no group {name}" for name in wanted if name not in texts(there, "groupName")]
    ports = {int(port) for port in listed(public)}
    wrong += [
        f"{text(group, 'groupName')} lets everybody in at {_spoken_ports(rule)}"
        for group in there
        for rule in every(group, "ipPermissions", "item")
        if _for_everybody(rule) and not _within(rule, ports)
    ]
    wrong += _otherwise(there, allows)
    shut, doubts = await filtered(scene, tried) if tried else ([], [])
    if doubts and not wrong and not shut:
        return inconclusive(f"{'; '.join(doubts)}.")
    words = f"{groups}: the world comes in at {public} alone{f'; {tried} was tried' if tried else ''}."
    return found(not wrong and not shut, "; ".join([*wrong, *shut]) or words, groups=len(there))


def _otherwise(groups: list[Element], allows: str) -> list[str]:
    """Where groups open other ports than NAME=PORT says."""
    wanted: dict[str, set[int]] = {}
    for each in listed(allows):
        name, _, port = each.partition("=")
        if not port.strip().isdigit():
            raise BadInput(f"'{each}' says no port.", fix='Write: allows: "entry=443, app=3000"')
        wanted.setdefault(name.strip(), set()).add(int(port))
    wrong = []
    for group in groups:
        name, rules = text(group, "groupName"), every(group, "ipPermissions", "item")
        if name not in wanted:
            continue
        wrong += [
            f"{name} opens {_spoken_ports(rule)}, and {', '.join(map(str, sorted(wanted[name])))} is wanted"
            for rule in rules
            if not _within(rule, wanted[name])
        ]
        wrong += [
            f"{name} lets nobody in at {one}"
            for one in sorted(wanted[name])
            if not any(_opens(rule, one) for rule in rules)
        ]
    return wrong


def _opens(rule: Element, port: int) -> bool:
    first, last = text(rule, "fromPort"), text(rule, "toPort")
    somebody = any(
        every(rule, kind, "item") for kind in ("ipRanges", "ipv6Ranges", "groups", "prefixListIds")
    )
    return somebody and (not first or not last or int(first) <= port <= int(last))


@check("cloud.routes", adapted=True, good_for="24h", fix="aws ec2 replace-route")
async def routes(scene: Scene, *, of: str, tables: str) -> Finding:
    """Each of the route `tables` (by its tag Name, commas between) is there, is used by a subnet, and leads nowhere
    into a black hole."""
    wanted = _named(tables)
    tree = await _described(scene, of, "DescribeRouteTables", "tag:Name", wanted)
    there = {_name(table): table for table in every(tree, "routeTableSet", "item")}
    wrong = [f"there is no table {name}" for name in wanted if name not in there]
    for name, table in there.items():
        ways = every(table, "routeSet", "item")
        wrong += [
            f"{name} sends {_destination(way)} into a black hole"
            for way in ways
            if text(way, "state") != "active"
        ]
        if not ways:
            wrong.append(f"{name} has no route")
        if not every(table, "associationSet", "item"):
            wrong.append(f"no subnet goes by {name}")
    return found(not wrong, "; ".join(wrong) or f"{tables}: every route is active.", tables=len(there))


@check("cloud.key_pairs", adapted=True, good_for="24h", fix="aws ec2 import-key-pair")
async def key_pairs(scene: Scene, *, of: str, names: str, younger_than: float) -> Finding:
    """Each of the key pairs `names` is registered, and was made within `younger_than`."""
    wanted = _named(names)
    tree = await _described(scene, of, "DescribeKeyPairs", "key-name", wanted)
    there = {text(pair, "keyName"): text(pair, "createTime") for pair in every(tree, "keySet", "item")}
    wrong = [f"there is no key pair {name}" for name in wanted if name not in there]
    for name, made in there.items():
        if not made:
            wrong.append(f"of {name} it is not known when it was made")
        elif scene.now() - datetime.fromisoformat(made) > timedelta(seconds=younger_than):
            wrong.append(f"{name} was made at {made[:10]}, before {spoken(younger_than)}")
    return found(
        not wrong, "; ".join(wrong) or f"{names}: registered, and made within {spoken(younger_than)}."
    )


@check(
    "cloud.metrics",
    adapted=True,
    good_for="24h",
    fix="Enable the metrics of the load balancer and its targets.",
)
async def metrics(scene: Scene, *, of: str, namespace: str, at_least: int = 1) -> Finding:
    """CloudWatch has had values for `at_least` metrics of `namespace` within the last three hours."""
    given = {"Namespace": namespace, "RecentlyActive": "PT3H"}
    tree = await queried(scene, of, CLOUDWATCH, "ListMetrics", given)
    there = every(tree, "ListMetricsResult", "Metrics", "member")
    words = f"{namespace}: {len(there)} metrics had values within 3 h; {at_least} at least are wanted."
    return found(len(there) >= at_least, words, metrics=len(there))


def _named(text: str) -> tuple[str, ...]:
    """Names with commas between. Raises BadInput when there is none: nothing would be looked at."""
    found = listed(text)
    if not found:
        raise BadInput("Nothing is named that should be looked at.")
    return found


async def _described(scene: Scene, of: str, action: str, field: str, wanted: tuple[str, ...]) -> Element:
    """What EC2 says of the things whose `field` is one of `wanted`, by a filter: what is not there is no error then."""
    given = {"Filter.1.Name": field}
    given |= {f"Filter.1.Value.{number}": name for number, name in enumerate(wanted, 1)}
    return await queried(scene, of, EC2, action, given)


def _for_everybody(rule: Element) -> bool:
    ranges = texts(every(rule, "ipRanges", "item"), "cidrIp") + texts(
        every(rule, "ipv6Ranges", "item"), "cidrIpv6"
    )
    return any(each in EVERYBODY for each in ranges)


def _within(rule: Element, public: set[int]) -> bool:
    """Whether a rule opens nothing but public ports. Without ports (all protocols, ICMP's -1) it opens everything."""
    first, last = text(rule, "fromPort"), text(rule, "toPort")
    if not first or not last or text(rule, "ipProtocol") == "-1":
        return False
    return int(last) - int(first) < len(public) and set(range(int(first), int(last) + 1)) <= public


def _spoken_ports(rule: Element) -> str:
    first, last = text(rule, "fromPort"), text(rule, "toPort")
    return "every port" if not first else first if first == last else f"{first} to {last}"


def _name(tagged: Element) -> str:
    return next(
        (text(tag, "value") for tag in every(tagged, "tagSet", "item") if text(tag, "key") == "Name"), ""
    )


def _destination(way: Element) -> str:
    return text(way, "destinationCidrBlock") or text(way, "destinationIpv6CidrBlock") or "a prefix list"
