"""The broker's topology as the command line needs it: planned for an application, applied, compared, described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watership.adapters.rabbitmq.asyncapi import document
from watership.adapters.rabbitmq.calls import connected
from watership.adapters.rabbitmq.declaration import Found, apply, verify
from watership.adapters.rabbitmq.management import bindings
from watership.adapters.rabbitmq.topology import Declaration, plan, render
from watership.agents.app import App
from watership.config import BrokerSettings
from watership.durable.ids import DeploymentId
from watership.durable.run import DEFAULT_POOL
from watership.errors import BadInput

__all__ = ["Declaration", "apply_to", "compare_with", "described", "planned", "render"]

NAME = "watership topology"


def planned(app: App | None, deployments: Sequence[str], pools: Sequence[str]) -> list[Declaration]:
    """What these deployments need for these pools and for those of `app`."""
    named = {DEFAULT_POOL, *pools}
    if app is not None:
        named |= {card.pool for card in app.directory.cards()}
    return plan([DeploymentId(each) for each in deployments], named)


async def apply_to(broker: BrokerSettings, declarations: Sequence[Declaration]) -> None:
    """Make what is missing."""
    _require(broker)
    async with connected(broker.url, name=NAME, ca_file=broker.ca_file) as connection:
        await apply(connection, declarations)


async def compare_with(broker: BrokerSettings, declarations: Sequence[Declaration]) -> list[Found]:
    """How each declaration stands; bindings only where the management API is named."""
    _require(broker)
    seen = await bindings(broker.management, broker.url) if broker.management else None
    async with connected(broker.url, name=NAME, ca_file=broker.ca_file) as connection:
        return await verify(connection, declarations, bindings=seen)


def described(app: App) -> dict[str, Any]:
    """The AsyncAPI document of an application."""
    return document(app.directory.cards(), title=app.name, version=app.version)


def _require(broker: BrokerSettings) -> None:
    if not broker.url:
        raise BadInput("There is no broker: broker.url is empty.", fix="Set WATERSHIP_BROKER_URL.")
