"""The image of next in a world: what is pushed, what is planned, and what is scanned is one digest."""

from __future__ import annotations

from typing import Final

from tests.releases.checks.registry_standin import BOTH, Registry

REPOSITORY: Final = "company/app"
BASE: Final = "docker.io/library/python:3.12-slim"


def push(registry: Registry, *, only: str = "", size: int = 100_000_000, base: str = "") -> str:
    """An image of next on the base that is there now, under its tag; its digest."""
    current = registry.push("library/python", "3.12-slim")
    return registry.push(
        REPOSITORY,
        "2.1.0",
        architectures=(only,) if only else BOTH,
        size=size,
        base=(BASE, base or current),
    )


IMAGE: Final = push(Registry())
