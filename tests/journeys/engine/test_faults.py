"""The schedule of faults is a function of its seed, and leaves no kind out."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from tests.journeys.engine.faults import LEASES, LINKS, SERVERS, Fault, kinds, strikes


@pytest.mark.parametrize("servers", [False, True])
def test_every_round_has_every_kind_once(servers: bool) -> None:
    of = kinds(servers)
    schedule = strikes(Random(1), of, 3.0)
    for _ in range(3):
        struck = [(strike.fault, strike.server) for strike in islice(schedule, len(of))]
        assert sorted(struck, key=str) == sorted(of, key=str)


def test_with_servers_every_link_to_each_of_them_fails_in_every_way() -> None:
    of = kinds(True)
    assert {(fault, server) for fault in LINKS for server in SERVERS} <= set(of)
    assert {fault for fault, _ in of} == set(Fault)


def test_a_seed_gives_the_same_schedule_again_and_another_seed_another_one() -> None:
    first, again, other = (list(islice(strikes(Random(seed), kinds(True), 3.0), 100)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_worker_is_frozen_for_longer_than_its_lease() -> None:
    of = kinds(False)
    frozen = [each for each in islice(strikes(Random(1), of, 3.0), 12) if each.fault is Fault.WORKER_FROZEN]
    assert frozen and all(each.seconds == LEASES * 3.0 > 3.0 for each in frozen)
