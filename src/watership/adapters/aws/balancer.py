"""The balancer's side: what the API of AWS (ELBv2) shows of a rule and two target groups, and what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar, assert_never, cast

from msgspec import Struct

from watership.adapters.aws.calls import called, importing, patience
from watership.adapters.aws.sight import (
    TAG,
    Delay,
    Deregister,
    Mark,
    Order,
    Register,
    Seen,
    Sight,
    Tell,
    Weigh,
    mark,
)
from watership.errors import Conflict, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.ports import SlotWeights

if TYPE_CHECKING:
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client
    from types_boto3_elbv2.type_defs import (
        ActionOutputTypeDef,
        ActionTypeDef,
        TagTypeDef,
        TargetDescriptionTypeDef,
    )

T = TypeVar("T")

DELAY: Final = "deregistration_delay.timeout_seconds"


class Where(Struct, frozen=True, kw_only=True):
    """A rule, or a listener for its default action, and each slot's target group, by their ARNs.

    `endpoint`: of an API other than AWS's own; empty: AWS.
    """

    region: str
    rule: str
    groups: dict[Slot, str]
    endpoint: str = ""

    @property
    def is_rule(self) -> bool:
        return ":listener-rule/" in self.rule

    @property
    def listener(self) -> str:
        """The ARN of the listener that has the rule."""
        if not self.is_rule:
            return self.rule
        return self.rule.replace(":listener-rule/", ":listener/").rpartition("/")[0]


def elbv2(where: Where) -> ElasticLoadBalancingv2Client:
    """A client for many threads. Keys and roles are found as every program of AWS finds them."""
    with importing():
        import boto3
    session = boto3.session.Session(region_name=where.region)
    return session.client("elbv2", endpoint_url=where.endpoint or None, config=patience())


class Balancer:
    """Looks and gives orders. All raise Unavailable when AWS does not answer, or refuses."""

    def __init__(self, where: Where, client: ElasticLoadBalancingv2Client) -> None:
        self.where = where
        self._client = client

    async def look(self) -> Sight:
        """What AWS shows now, all of it asked at once. Raises Conflict for a rule that forwards nowhere."""
        try:
            actions, said, seen, delays = await asyncio.gather(
                self._actions(), self._mark(), self._of_each(self._targets), self._of_each(self._delay)
            )
            groups, sticky = _forwarded(_forward(actions, self.where))
        except LookupError as error:
            raise Unavailable(f"AWS answered without what was asked for: {error}.") from error
        return Sight(
            rule=groups, sticky=sticky, mark=said, groups=self.where.groups, targets=seen, delays=delays
        )

    async def order(self, order: Order) -> None:
        """Give an order. Whether it is in force only a look can tell."""
        match order:
            case Weigh(weights=weights):
                await self._weigh(weights)
            case Register(slot=slot, addresses=addresses):
                group = self.where.groups[slot]
                await called(
                    self._client.register_targets, TargetGroupArn=group, Targets=_described(addresses)
                )
            case Deregister(slot=slot, addresses=addresses):
                group = self.where.groups[slot]
                await called(
                    self._client.deregister_targets, TargetGroupArn=group, Targets=_described(addresses)
                )
            case Delay(slot=slot, seconds=seconds):
                await called(
                    self._client.modify_target_group_attributes,
                    TargetGroupArn=self.where.groups[slot],
                    Attributes=[{"Key": DELAY, "Value": str(seconds)}],
                )
            case Tell(mark=wanted):
                tag: TagTypeDef = {"Key": TAG, "Value": wanted.text()}
                await called(self._client.add_tags, ResourceArns=[self.where.rule], Tags=[tag])
            case _:
                assert_never(order)

    async def entrance(self) -> str:
        """Where clients find it: the balancer's own name, with the listener's port."""
        answer = await called(self._client.describe_listeners, ListenerArns=[self.where.listener])
        (listener,) = answer["Listeners"]
        whole = await called(
            self._client.describe_load_balancers, LoadBalancerArns=[listener["LoadBalancerArn"]]
        )
        return f"{whole['LoadBalancers'][0]['DNSName']}:{listener['Port']}"

    async def _weigh(self, weights: SlotWeights) -> None:
        """Another forward action in place of the one that is there; what comes before it, as a login, stays."""
        there = await self._actions()
        forward: ActionTypeDef = {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [
                    {"TargetGroupArn": self.where.groups[slot], "Weight": weights.get(slot, 0)}
                    for slot in Slot
                ],
                # A client that is bound to a group goes on to it, whatever its weight.
                "TargetGroupStickinessConfig": {"Enabled": False},
            },
        }
        if len(there) > 1:
            forward["Order"] = _forward(there, self.where).get("Order", len(there))
        # What it told of an action is what it takes for one.
        others = cast("list[ActionTypeDef]", [each for each in there if each["Type"] != "forward"])
        actions = [*others, forward]
        if self.where.is_rule:
            await called(self._client.modify_rule, RuleArn=self.where.rule, Actions=actions)
        else:
            await called(self._client.modify_listener, ListenerArn=self.where.rule, DefaultActions=actions)

    async def _actions(self) -> Sequence[ActionOutputTypeDef]:
        if self.where.is_rule:
            rules = await called(self._client.describe_rules, RuleArns=[self.where.rule])
            return rules["Rules"][0]["Actions"]
        listeners = await called(self._client.describe_listeners, ListenerArns=[self.where.rule])
        return listeners["Listeners"][0].get("DefaultActions", [])

    async def _mark(self) -> Mark:
        answer = await called(self._client.describe_tags, ResourceArns=[self.where.rule])
        tags = [tag for each in answer["TagDescriptions"] for tag in each.get("Tags", [])]
        return mark(next((tag.get("Value", "") for tag in tags if tag["Key"] == TAG), ""))

    async def _targets(self, group: str) -> tuple[Seen, ...]:
        answer = await called(self._client.describe_target_health, TargetGroupArn=group)
        return tuple(
            Seen(_address(each["Target"]["Id"], each["Target"].get("Port", 0)), each["TargetHealth"]["State"])
            for each in answer["TargetHealthDescriptions"]
        )

    async def _delay(self, group: str) -> int:
        answer = await called(self._client.describe_target_group_attributes, TargetGroupArn=group)
        return int({each["Key"]: each["Value"] for each in answer["Attributes"]}[DELAY])

    async def _of_each(self, look: Callable[[str], Awaitable[T]]) -> dict[Slot, T]:
        """What is seen of the target group of each slot."""
        seen = await asyncio.gather(*(look(self.where.groups[slot]) for slot in Slot))
        return dict(zip(Slot, seen, strict=True))


def _forward(actions: Sequence[ActionOutputTypeDef], where: Where) -> ActionOutputTypeDef:
    forward = next((action for action in actions if action["Type"] == "forward"), None)
    if forward is None:
        kinds = ", ".join(action["Type"] for action in actions) or "nothing"
        raise Conflict(
            f"{where.rule} forwards to no target group: it does {kinds}.",
            fix="Let it forward to the two target groups, or name the rule that does.",
        )
    return forward


def _forwarded(forward: ActionOutputTypeDef) -> tuple[dict[str, int], bool]:
    """The weights of the groups that an action forwards to, and whether it binds clients to one."""
    config = forward.get("ForwardConfig", {})
    groups = {each["TargetGroupArn"]: each.get("Weight", 1) for each in config.get("TargetGroups", [])}
    sticky = config.get("TargetGroupStickinessConfig", {}).get("Enabled", False)
    return groups or {forward["TargetGroupArn"]: 1}, sticky


def _described(addresses: Sequence[str]) -> list[TargetDescriptionTypeDef]:
    parts = [address.rpartition(":") for address in addresses]
    return [{"Id": host.strip("[]"), "Port": int(port)} for host, _, port in parts]


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
