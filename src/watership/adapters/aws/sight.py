"""A sight is what AWS shows of a rule and its two target groups; what is lacking to the wish follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from watership.adapters.helm.helm import check_weights
from watership.errors import BadInput, Conflict
from watership.fleet.deployment import Slot
from watership.releases.ports import SlotWeights

DELAY_SECONDS: Final = 30
"""What a target that is let go has for its requests in flight; the runbook's."""

TAG: Final = "watership:helm"
"""The tag of the rule that says who may act on it."""

BEHIND: Final = timedelta(seconds=5)
"""How far a tag may lag behind a dead-man's switch that is put off all the time: an agent elsewhere, should there be
one, then reverts so much earlier, and each second costs one call to AWS less."""


class Seen(Struct, frozen=True):
    """A target of a group: host:port, and what the balancer says of it."""

    address: str
    health: str

    @property
    def there(self) -> bool:
        """Registered, and not on its way out."""
        return not self.health.endswith("draining")


class Mark(Struct, frozen=True, kw_only=True):
    """What the rule's tag says, for an agent elsewhere too: who may act, and what happens if he falls silent."""

    epoch: int = 0
    until: datetime | None = None
    last_safe: SlotWeights | None = None

    def text(self) -> str:
        """As a tag may hold it: AWS takes letters, numbers, spaces and `+ - = . _ : / @`."""
        if self.until is None or self.last_safe is None:
            return str(self.epoch)
        safe = " ".join(f"{slot}={weight}" for slot, weight in self.last_safe.items())
        return f"{self.epoch} until {self.until.astimezone(UTC).isoformat(timespec='milliseconds')} {safe}"


def told(shown: Mark, wanted: Mark) -> bool:
    """Whether a tag says what is wanted, but for the little by which its switch may lag behind."""
    if (shown.epoch, shown.last_safe) != (wanted.epoch, wanted.last_safe):
        return False
    if shown.until is None or wanted.until is None:
        return shown.until is wanted.until
    return wanted.until - BEHIND <= shown.until <= wanted.until


def mark(text: str) -> Mark:
    """The mark of a tag; that of a rule without one is epoch 0. Raises Conflict for what nobody of ours wrote."""
    if not text:
        return Mark()
    try:
        number, *switch = text.split()
        if not switch:
            return Mark(epoch=int(number))
        word, until, *safe = switch
        shares = {Slot(slot): int(weight) for slot, _, weight in (each.partition("=") for each in safe)}
        moment = datetime.fromisoformat(until)
        if word != "until" or moment.tzinfo is None:
            raise ValueError(text)
        return Mark(epoch=int(number), until=moment, last_safe=check_weights(shares))
    except (ValueError, BadInput):
        raise Conflict(
            f"The rule's tag says {text!r}, which no agent of ours wrote: who may move its traffic is not known.",
            fix="Look who did; then remove the tag watership:helm from the rule.",
        ) from None


class Sight(Struct, frozen=True, kw_only=True):
    """What AWS shows at one moment. `rule`: the weights of the target groups that it forwards to, by ARN."""

    rule: dict[str, int]
    sticky: bool
    mark: Mark
    groups: dict[Slot, str]
    """The ARN of each slot's target group."""
    targets: dict[Slot, tuple[Seen, ...]]
    delays: dict[Slot, int]
    """Seconds of deregistration delay."""

    def addresses(self, slot: Slot) -> list[str]:
        """Who is registered, and is not let go."""
        return [seen.address for seen in self.targets.get(slot, ()) if seen.there]

    def healthy(self, slot: Slot) -> list[str]:
        return [seen.address for seen in self.targets.get(slot, ()) if seen.health == "healthy"]

    @property
    def strangers(self) -> list[str]:
        """Target groups that the rule sends to, and that are neither slot's."""
        return [arn for arn, weight in self.rule.items() if weight and arn not in self.groups.values()]

    @property
    def weights(self) -> SlotWeights:
        """What each slot gets, in whole per cent of all; what goes elsewhere is lacking in their sum."""
        whole = sum(self.rule.values())
        return {
            slot: round(100 * self.rule.get(self.groups[slot], 0) / whole) if whole else 0 for slot in Slot
        }


class Delay(Struct, frozen=True):
    """Let a slot's targets have so long, once they are let go."""

    slot: Slot
    seconds: int


class Register(Struct, frozen=True):
    slot: Slot
    addresses: tuple[str, ...]


class Tell(Struct, frozen=True):
    """Have the rule's tag say this."""

    mark: Mark


class Weigh(Struct, frozen=True):
    """Both weights, in the one call that puts both in force."""

    weights: SlotWeights


class Deregister(Struct, frozen=True):
    slot: Slot
    addresses: tuple[str, ...]


Order = Delay | Register | Tell | Weigh | Deregister


def orders(
    sight: Sight, *, weights: SlotWeights, targets: Mapping[Slot, Sequence[str]], mark: Mark
) -> Iterator[Order]:
    """What AWS is to be told so that it shows what is wanted: who may act first, who goes last."""
    if not told(sight.mark, mark):
        yield Tell(mark)
    for slot in Slot:
        if sight.delays[slot] != DELAY_SECONDS:
            yield Delay(slot, DELAY_SECONDS)
    there = {slot: sight.addresses(slot) for slot in Slot}
    for slot in Slot:
        if new := tuple(each for each in targets.get(slot, ()) if each not in there[slot]):
            yield Register(slot, new)
    # Both groups stand in the rule, whatever they weigh: AWS looks at the health of none that no rule names.
    if sight.sticky or sight.rule != {sight.groups[slot]: weights.get(slot, 0) for slot in Slot}:
        yield Weigh(weights)
    for slot in Slot:
        if gone := tuple(each for each in there[slot] if each not in targets.get(slot, ())):
            yield Deregister(slot, gone)


def checked(addresses: Sequence[str]) -> list[str]:
    """The addresses, if a target group can take them: IP:port, or i-…:port. Raises BadInput."""
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            if not host.startswith("i-"):
                ip_address(host.strip("[]"))
            number = int(port)
        except ValueError:
            number = 0
        if not 0 < number < 65_536:
            raise BadInput(
                f"{address!r} is neither IP:port nor i-…:port, and a target group takes nothing else.",
                fix="Let the hosts report the addresses of their instances as numbers.",
            )
    return list(dict.fromkeys(addresses))
