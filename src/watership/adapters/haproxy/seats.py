"""Seats are the servers that HAProxy's configuration holds ready; which instance sits where, and with what weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Final

import msgspec

from watership.errors import BadInput
from watership.fleet.deployment import Slot
from watership.releases.ports import SlotWeights

BACKEND: Final = "watership"

HOLD: Final = "watership_hold"
"""The backend of two servers that nobody is sent to: `all` is "up" while a pause holds every request, `writes` while it
holds those that write. HAProxy itself remembers, and tells, which it is."""

SEATS: Final = 16
"""Instances that a slot may have: HAProxy's servers are named when it starts, and given addresses later."""

HEAVIEST: Final = 256
"""The largest weight that HAProxy knows."""


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A server as HAProxy shows it. `parked`: out of service by hand, and free if no instance is to sit there."""

    name: str
    address: str
    weight: int
    parked: bool
    healthy: bool
    active: int = 0

    @property
    def slot(self) -> Slot:
        return Slot(self.name.rstrip("0123456789"))


class Chair(msgspec.Struct, frozen=True, kw_only=True):
    """What a seat should be: `address` None is parked."""

    name: str
    address: str | None
    weight: int = 0


def names(slot: Slot) -> list[str]:
    return [f"{slot}{number}" for number in range(1, SEATS + 1)]


def checked(addresses: Sequence[str]) -> list[str]:
    """The addresses, if HAProxy can take them: IP:port, no more than there are seats. Raises BadInput."""
    distinct = list(dict.fromkeys(addresses))
    if len(distinct) > SEATS:
        raise BadInput(f"A slot has {SEATS} seats in HAProxy; {len(distinct)} instances do not fit.")
    for address in distinct:
        host, _, port = address.rpartition(":")
        try:
            ip_address(host.strip("[]"))
            number = int(port)
        except ValueError:
            number = 0
        if not 0 < number < 65_536:
            raise BadInput(
                f"{address!r} is not IP:port, and HAProxy's runtime API takes nothing else.",
                fix="Let the hosts report the addresses of their instances as numbers.",
            )
    return distinct


def seated(targets: Mapping[Slot, Sequence[str]], weights: SlotWeights, seats: Sequence[Seat]) -> list[Chair]:
    """Where each instance is to sit and what it weighs: who sits keeps the seat, a new one takes a free one."""
    chairs: list[Chair] = []
    sitting = {slot: _sitting(targets.get(slot, ()), [s for s in seats if s.slot is slot]) for slot in Slot}
    heavy = _weights(weights, sitting, {seat.name: seat for seat in seats})
    for slot in Slot:
        by_name = {name: address for address, name in sitting[slot].items()}
        chairs += [
            Chair(name=name, address=by_name.get(name), weight=heavy.get(name, 0)) for name in names(slot)
        ]
    return chairs


def orders(chairs: Sequence[Chair], seats: Sequence[Seat]) -> list[str]:
    """What HAProxy is to be told so that its seats become the chairs: raise before lower, and sit down before both."""
    shown = {seat.name: seat for seat in seats}
    sit: list[str] = []
    rise: list[str] = []
    sink: list[str] = []
    leave: list[str] = []
    for chair in chairs:
        seat, server = shown[chair.name], f"{BACKEND}/{chair.name}"
        if chair.address is None:
            if not seat.parked:
                leave.append(f"set server {server} state maint")
            if seat.weight:
                sink.append(f"set server {server} weight 0")
            continue
        weight = seat.weight
        if seat.parked or seat.address != chair.address:
            host, _, port = chair.address.rpartition(":")
            sit += [
                f"set server {server} weight 0",
                f"set server {server} addr {host.strip('[]')} port {port}",
                f"set server {server} state ready",
                # Ready is taken for healthy until the first look; the first look decides.
                f"set server {server} health down",
            ]
            weight = 0
        if chair.weight != weight:
            (rise if chair.weight > weight else sink).append(f"set server {server} weight {chair.weight}")
    return sit + rise + sink + leave


def shares(seats: Sequence[Seat]) -> SlotWeights:
    """What HAProxy gives each slot, in whole per cent; all zero if it gives nobody anything."""
    heavy = {
        slot: sum(seat.weight for seat in seats if seat.slot is slot and seat.healthy and not seat.parked)
        for slot in Slot
    }
    whole = sum(heavy.values())
    first, second = Slot
    share = round(100 * heavy[first] / whole) if whole else 0
    return {first: share, second: 100 - share if whole else 0}


def _sitting(addresses: Sequence[str], seats: Sequence[Seat]) -> dict[str, str]:
    """The seat of each address."""
    found = {
        seat.address: seat.name for seat in reversed(seats) if not seat.parked and seat.address in addresses
    }
    # Of the free ones first those that nobody holds and where nothing is in flight any more.
    free = sorted(
        (seat for seat in seats if seat.name not in found.values()),
        key=lambda seat: (not seat.parked, seat.active),
    )
    for address in addresses:
        if address not in found:
            found[address] = free.pop(0).name
    return found


def _weights(
    shares: SlotWeights, sitting: Mapping[Slot, Mapping[str, str]], seats: Mapping[str, Seat]
) -> dict[str, int]:
    """What each seat weighs, so that the slots get their shares with as many seats as are healthy in each.

    A seat weighs share / number of seats, times what makes the heaviest 256. What a slot gets in all is rounded, not
    what each seat gets, so that a small share over many seats stays small: some of them then get nothing.
    """
    healthy = {slot: [name for name in sitting[slot].values() if seats[name].healthy] for slot in Slot}
    bearing = {slot: healthy[slot] or list(sitting[slot].values()) for slot in Slot}
    each = {slot: shares.get(slot, 0) / max(1, len(bearing[slot])) for slot in Slot}
    unit = HEAVIEST / max(each.values())
    weights: dict[str, int] = {}
    for slot in Slot:
        if not each[slot]:
            continue
        whole = max(1, round(each[slot] * unit * len(bearing[slot])))
        base, extra = divmod(whole, max(1, len(bearing[slot])))
        # Whoever is ill gets what the others get: it counts from when it is well, and is weighed again then.
        weights |= dict.fromkeys(sitting[slot].values(), max(1, base))
        weights |= {name: base + (place < extra) for place, name in enumerate(sorted(bearing[slot]))}
    return weights
