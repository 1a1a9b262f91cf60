"""The intake as a person reads and sets it: weights, for a production without releases, and runs nobody works on."""

from __future__ import annotations

from collections.abc import Mapping

from watership.adapters.structlog.observer import StructlogObserver
from watership.config import Config
from watership.durable.ids import DeploymentId
from watership.errors import Conflict
from watership.fleet.intake import IntakeState
from watership.fleet.stranded import Stranded, stranded
from watership.wiring.kernel import open_kernel


async def read_weights(config: Config) -> IntakeState:
    """Raises Unavailable when the store does not answer."""
    async with open_kernel(config, _quiet(config), shares=False) as kernel:
        return await kernel.store.read()


async def put_weights(config: Config, weights: Mapping[str, int]) -> IntakeState:
    """Under the epoch that stands, so that a release which has the intake is neither fenced nor overtaken unseen.

    Raises BadInput for shares that do not sum to 100, Conflict while a release's switch is armed.
    """
    async with open_kernel(config, _quiet(config), shares=False) as kernel:
        state = await kernel.store.read()
        if state.until is not None:
            raise Conflict(
                "A release is shifting new work between deployments.",
                fix="Look at it: watership release status",
            )
        chosen = {DeploymentId(name): weight for name, weight in weights.items()}
        return await kernel.store.set_weights(chosen, epoch=state.epoch)


async def find_stranded(config: Config) -> list[Stranded]:
    """The deployments whose open runs no living worker serves. Raises Unavailable when the store does not answer."""
    async with open_kernel(config, _quiet(config), shares=False) as kernel:
        store = kernel.store
        return stranded(await store.census(), await store.workers(), await store.all(), kernel.clock.now())


def _quiet(config: Config) -> StructlogObserver:
    return StructlogObserver(form=config.log.format, level="error")
