"""Posts are the places of a deployment's instances: on which machine each stands, and at which port it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from watership.errors import BadInput
from watership.fleet.deployment import Slot
from watership.releases.ports import HostSpec, Role

MOST: Final = 64
"""Instances of one role of a deployment: beyond that, what keeps them should be a cluster's own scheduler."""

APART: Final = 100
"""Between the first port of green and that of blue: both slots serve side by side on every machine."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """The place of one instance. `index` counts a deployment's instances of a role over all machines."""

    name: str
    machine: str
    role: Role
    index: int


def placed(spec: HostSpec, machines: Sequence[str]) -> dict[str, tuple[Post, ...]]:
    """Who stands where: one after the other over the machines, each of which is there, also with nobody.

    Raises BadInput for numbers that are none.
    """
    if not machines:
        raise BadInput("No machine is named for the instances.", fix='Set hosts.machines = "web-1, web-2".')
    if not (0 <= spec.serve <= MOST and 0 <= spec.workers <= MOST):
        raise BadInput(f"Between 0 and {MOST} processes of a role can run here.")
    posts: dict[str, list[Post]] = {machine: [] for machine in machines}
    for role, index in _roles(spec):
        machine = machines[index % len(machines)]
        name = f"{spec.deployment}-{role}-{index}"
        posts[machine].append(Post(name=name, machine=machine, role=role, index=index))
    return {machine: tuple(mine) for machine, mine in posts.items()}


def port(first: int, slot: Slot, index: int) -> int:
    """Where an instance that serves answers: it keeps its port when it is started again, since routers know it."""
    return first + index + (APART if slot is Slot.BLUE else 0)


def _roles(spec: HostSpec) -> Iterator[tuple[Role, int]]:
    counts: Mapping[Role, int] = {"serve": spec.serve, "worker": spec.workers}
    for role, count in counts.items():
        for index in range(count):
            yield role, index
