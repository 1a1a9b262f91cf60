"""Machines are asked by way of their node exporters: what they say of themselves, in Prometheus' own format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from watership.errors import Unavailable
from watership.releases.book.quantity import percent
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, found
from watership.releases.ports import ProbeAnswer


@check("machine.interfaces", good_for="24h", fix="ip link set DEVICE up")
async def interfaces(scene: Scene, *, of: str, device: str) -> Finding:
    """Every machine of the fact `agents` (HOST:PORT of node exporters) of the system `of` has the network `device`, up
    and with a carrier."""
    wrong = []
    agents = scene.several(of, "agents")
    for agent in agents:
        told = await samples(scene, f"http://{agent}/metrics")
        up = told.get(("node_network_up", device))
        carrier = told.get(("node_network_carrier", device), up)
        if up is None:
            wrong.append(f"{agent} has no {device}")
        elif up != 1 or carrier != 1:
            wrong.append(f"{device} of {agent} is down" if up != 1 else f"{device} of {agent} has no carrier")
    return found(
        not wrong, "; ".join(wrong) or f"{device} is up on {', '.join(agents)}.", machines=len(agents)
    )


@check("machine.ready", good_for="1h", fix="Look at that machine: what still runs there, or has filled it.")
async def ready(
    scene: Scene, *, of: str, at_least: int, load_below: float, memory_free: float, disk_free: float
) -> Finding:
    """Every machine of the fact `agents` of the system `of`, and there are `at_least` of them, idles (its load of the
    last minute by processor is below `load_below`) and has room: these parts of its memory, and of each disk."""
    agents, wrong = scene.several(of, "agents"), []
    for agent in agents:
        told = await figures(scene, f"http://{agent}/metrics")
        wrong += [f"{agent}: {words}" for words in _unready(agent, told, load_below, memory_free, disk_free)]
    if len(agents) < at_least:
        wrong.append(f"{len(agents)} machines are named, {at_least} at least are wanted")
    return found(not wrong, "; ".join(wrong) or f"{', '.join(agents)} idle, with room.", machines=len(agents))


def _unready(agent: str, told: Figures, load: float, memory: float, disk: float) -> Iterator[str]:
    """What a machine lacks. Raises Unavailable for a figure that its exporter does not have."""
    processors = {labels.get("cpu", "") for labels, _ in told.get("node_cpu_seconds_total", ())}
    busy = _one(agent, told, "node_load1") / max(len(processors), 1)
    if busy >= load:
        yield f"its load is {busy:.3g} by processor, {load:g} is the limit"
    free = _one(agent, told, "node_memory_MemAvailable_bytes") / _one(
        agent, told, "node_memory_MemTotal_bytes"
    )
    if free < memory:
        yield f"{percent(free)} of its memory is free, {percent(memory)} is wanted"
    sizes = {
        tuple(sorted(labels.items())): size for labels, size in told.get("node_filesystem_size_bytes", ())
    }
    left = told.get("node_filesystem_avail_bytes", ())
    if not left:
        raise Unavailable(f"{agent} tells of no disk.")
    for labels, bytes_left in left:
        size = sizes.get(tuple(sorted(labels.items())), 0.0)
        if size and bytes_left / size < disk:
            where = labels.get("mountpoint", "a disk")
            yield f"{percent(bytes_left / size)} of {where} is free, {percent(disk)} is wanted"


Figures = dict[str, list[tuple[dict[str, str], float]]]
"""What an exporter tells, by name: labels and value."""


def _one(agent: str, told: Figures, name: str) -> float:
    there = told.get(name)
    if not there:
        raise Unavailable(f"{agent} does not tell {name}.")
    return there[0][1]


async def figures(scene: Scene, url: str) -> Figures:
    """The values of an exporter by name. Raises Unavailable when it tells none."""
    told: Figures = {}
    for family in _families(url, await scene.look.http.request("GET", url)):
        for sample in family.samples:
            told.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return told


async def samples(scene: Scene, url: str) -> dict[tuple[str, str], float]:
    """The values of an exporter by name and device. Raises Unavailable when it tells none."""
    answer = await scene.look.http.request("GET", url)
    return {
        (sample.name, sample.labels.get("device", "")): sample.value
        for family in _families(url, answer)
        for sample in family.samples
    }


def _families(url: str, answer: ProbeAnswer) -> list[Metric]:
    if answer.status != 200:
        raise Unavailable(f"{url} answered {answer.status}.")
    try:
        return list(text_string_to_metric_families(answer.body.decode()))
    except ValueError as error:
        raise Unavailable(f"{url} answered what are no metrics: {error}.") from error
