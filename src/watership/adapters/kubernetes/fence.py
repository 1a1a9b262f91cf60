"""A fence is the epoch that an environment's ConfigMap keeps: a deposed controller changes nothing after it."""

from __future__ import annotations

from typing import Final

from watership.adapters.kubernetes.cluster import Changed, Cluster
from watership.adapters.kubernetes.manifest import MANAGER
from watership.adapters.ssh.command import slug
from watership.errors import Fenced, Unavailable

TRIES: Final = 10
"""Each time that somebody else was quicker it is read again; ten in a row are a fight, not a coincidence."""


class Fence:
    """The highest epoch that acted in an environment, compared and set at the cluster."""

    def __init__(self, environment: str) -> None:
        self._name = f"{MANAGER}-{slug(environment)}-epoch"

    async def claim(self, cluster: Cluster, epoch: int) -> None:
        """Let no lower epoch act from now on. Raises Fenced where a higher one did."""
        for _ in range(TRIES):
            note = await cluster.note(self._name)
            held = self._epoch(note.data if note is not None else {"epoch": "0"})
            self._compare(epoch, held)
            if note is not None and held == epoch:
                return
            try:
                await cluster.put_note(self._name, {"epoch": str(epoch)}, over=note)
            except Changed:
                continue
            return
        raise Unavailable(f"The ConfigMap {self._name} changed {TRIES} times while it was set.")

    async def require(self, cluster: Cluster, epoch: int) -> None:
        """Raises Fenced where a higher epoch acted meanwhile."""
        note = await cluster.note(self._name)
        self._compare(epoch, self._epoch(note.data if note is not None else None))

    def _epoch(self, data: dict[str, str] | None) -> int:
        held = (data or {}).get("epoch", "")
        if not held.isdigit():
            raise Unavailable(
                f"The ConfigMap {self._name} holds no epoch.", fix=f"kubectl describe configmap {self._name}"
            )
        return int(held)

    def _compare(self, epoch: int, held: int) -> None:
        if epoch < held:
            raise Fenced(f"ConfigMap {self._name}", held=epoch, current=held)
