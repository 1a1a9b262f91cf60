"""Who sits where, what each weighs, and in which order HAProxy is told."""

from __future__ import annotations

from fractions import Fraction

import pytest

from watership.adapters.haproxy.seats import (
    BACKEND,
    SEATS,
    Seat,
    checked,
    names,
    orders,
    seated,
    shares,
)
from watership.errors import BadInput
from watership.fleet.deployment import Slot
from watership.releases.ports import SlotWeights

BLUE, GREEN = Slot.BLUE, Slot.GREEN


def shown(taken: dict[str, tuple[str, int]], *, ill: frozenset[str] = frozenset()) -> list[Seat]:
    """All seats, of which some are taken: name → (address, weight)."""
    seats = []
    for name in (name for slot in Slot for name in names(slot)):
        address, weight = taken.get(name, ("127.0.0.1:1", 0))
        seats.append(
            Seat(
                name=name,
                address=address,
                weight=weight,
                parked=name not in taken,
                healthy=name in taken and name not in ill,
            )
        )
    return seats


def test_an_instance_keeps_its_seat_and_a_new_one_takes_a_free_one() -> None:
    seats = shown({"blue2": ("10.0.0.1:80", 256)})
    chairs = seated({BLUE: ("10.0.0.1:80", "10.0.0.2:80")}, {BLUE: 100, GREEN: 0}, seats)
    assert {c.name: c.address for c in chairs if c.address} == {
        "blue1": "10.0.0.2:80",
        "blue2": "10.0.0.1:80",
    }


def test_weights_are_raised_before_they_are_lowered() -> None:
    seats = shown({"blue1": ("10.0.0.1:80", 256), "green1": ("10.0.0.2:80", 0)})
    chairs = seated({BLUE: ("10.0.0.1:80",), GREEN: ("10.0.0.2:80",)}, {BLUE: 0, GREEN: 100}, seats)
    assert orders(chairs, seats) == [
        f"set server {BACKEND}/green1 weight 256",
        f"set server {BACKEND}/blue1 weight 0",
    ]


def test_a_new_instance_gets_nothing_before_it_was_looked_at() -> None:
    seats = shown({})
    told = orders(seated({BLUE: ("10.0.0.1:80",)}, {BLUE: 100, GREEN: 0}, seats), seats)
    assert [order.removeprefix(f"set server {BACKEND}/blue1 ") for order in told] == [
        "weight 0",
        "addr 10.0.0.1 port 80",
        "state ready",
        "health down",
        "weight 256",
    ]


def test_what_is_as_it_should_be_is_told_nothing() -> None:
    seats = shown({"blue1": ("10.0.0.1:80", 256), "green1": ("10.0.0.2:80", 0)})
    targets = {BLUE: ("10.0.0.1:80",), GREEN: ("10.0.0.2:80",)}
    assert orders(seated(targets, {BLUE: 100, GREEN: 0}, seats), seats) == []


def test_who_leaves_is_parked_after_the_others_have_risen() -> None:
    seats = shown({"blue1": ("10.0.0.1:80", 128), "blue2": ("10.0.0.2:80", 128)})
    told = orders(seated({BLUE: ("10.0.0.2:80",)}, {BLUE: 100, GREEN: 0}, seats), seats)
    assert told == [
        f"set server {BACKEND}/blue2 weight 256",
        f"set server {BACKEND}/blue1 weight 0",
        f"set server {BACKEND}/blue1 state maint",
    ]


@pytest.mark.parametrize("blue", [1, 2, 5, 50, 95, 99])
@pytest.mark.parametrize(("blues", "greens"), [(1, 1), (2, 3), (3, 2), (1, SEATS), (SEATS, 1)])
def test_slots_get_their_shares_however_many_instances_they_have(blue: int, blues: int, greens: int) -> None:
    taken = {f"blue{n}": (f"10.0.0.{n}:80", 1) for n in range(1, blues + 1)}
    taken |= {f"green{n}": (f"10.0.1.{n}:80", 1) for n in range(1, greens + 1)}
    targets = {BLUE: tuple(f"10.0.0.{n}:80" for n in range(1, blues + 1))}
    targets |= {GREEN: tuple(f"10.0.1.{n}:80" for n in range(1, greens + 1))}
    seats = shown(taken)
    weights: SlotWeights = {BLUE: blue, GREEN: 100 - blue}
    heavy = dict.fromkeys(Slot, 0)
    for chair in seated(targets, weights, seats):
        heavy[Slot(chair.name.rstrip("0123456789"))] += chair.weight
    share = Fraction(100 * heavy[BLUE], sum(heavy.values()))
    assert abs(share - blue) <= Fraction(1, 4)
    assert 0 < share < 100


def test_the_healthy_ones_carry_the_slots_share() -> None:
    taken = {"blue1": ("10.0.0.1:80", 1), "blue2": ("10.0.0.2:80", 1), "green1": ("10.0.0.3:80", 1)}
    seats = shown(taken, ill=frozenset({"blue2"}))
    targets = {BLUE: ("10.0.0.1:80", "10.0.0.2:80"), GREEN: ("10.0.0.3:80",)}
    weigh = {chair.name: chair.weight for chair in seated(targets, {BLUE: 50, GREEN: 50}, seats)}
    assert weigh["blue1"] == weigh["green1"] == 256


def test_shares_are_read_from_what_is_shown() -> None:
    seats = shown({"blue1": ("10.0.0.1:80", 30), "green1": ("10.0.0.2:80", 10)})
    assert shares(seats) == {BLUE: 75, GREEN: 25}
    assert shares(shown({})) == {BLUE: 0, GREEN: 0}


@pytest.mark.parametrize(
    "addresses", [["example.org:80"], ["10.0.0.1"], ["10.0.0.1:0"], ["10.0.0.1:80; shut"]]
)
def test_what_the_runtime_socket_could_not_take_or_misunderstand_is_refused(addresses: list[str]) -> None:
    with pytest.raises(BadInput, match="IP:port"):
        checked(addresses)


def test_more_instances_than_seats_are_refused() -> None:
    with pytest.raises(BadInput, match=str(SEATS)):
        checked([f"10.0.0.{n}:80" for n in range(1, SEATS + 2)])
