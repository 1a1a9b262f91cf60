"""Machines are asked by way of their node exporters: what they say of themselves, in Prometheus' own format."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from watership.errors import Unavailable
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
