"""Metering is who counts and measures for a release: the router, the host, and a Prometheus where there is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, assert_never

from watership.adapters.http.probe import HttpProbe
from watership.adapters.processes.usage import ProcessUsage
from watership.adapters.prometheus.feeds import PrometheusFeeds
from watership.adapters.prometheus.traffic import PrometheusMetrics, Selectors
from watership.adapters.rehearsal.clock import LeapingClock
from watership.adapters.rehearsal.metrics import RehearsedMetrics
from watership.config import Config
from watership.durable.clock import Clock, SystemClock
from watership.releases.incidents.incident import Incidents
from watership.releases.judging.feed import Source
from watership.releases.ports import Metrics
from watership.releases.service.dashboard import Usage

SCRAPED_BYTES: Final = 16 * 1024 * 1024
"""Of an answer with every scrape of some minutes in it."""


def metrics_of(config: Config, router: Metrics, clock: Clock) -> tuple[Metrics, int]:
    """Who counts the requests of each slot, in the times of `clock`, and the seconds that one tick covers."""
    settings = config.metrics
    match config.environment.metrics:
        case "router":
            return router, 1
        case "prometheus":
            selectors = Selectors(
                targets=settings.targets,
                requests=settings.requests,
                failed=settings.failed,
                values=settings.values,
                latencies=settings.latencies,
            )
            probe, url = HttpProbe(most=SCRAPED_BYTES), config.environment.prometheus
            # What Prometheus keeps is dated by the machine's clock, also while a rehearsal's calendar leaps.
            counted = PrometheusMetrics(probe, url, selectors, every=settings.every, clock=SystemClock())
            leapt = RehearsedMetrics(counted, clock) if isinstance(clock, LeapingClock) else counted
            return leapt, settings.every
        case _:
            assert_never(config.environment.metrics)


def feeds_of(config: Config) -> Source | None:
    """Who answers a runbook's feeds."""
    url = config.environment.prometheus
    return PrometheusFeeds(HttpProbe(), url, SystemClock()) if url else None


def usage_of(config: Config) -> Usage | None:
    """What the instances' processes use, where the host agent of this machine keeps them."""
    return ProcessUsage() if config.hosts.kind == "processes" else None


def breaches(incidents: Incidents) -> Callable[[str], Awaitable[bool]]:
    """Whether a security incident is going on that concerns a release, or no release but the service."""

    async def going_on(release: str) -> bool:
        return any(
            each.active and "security" in each.triggers and each.opening.release in ("", release)
            for each in await incidents.all()
        )

    return going_on
