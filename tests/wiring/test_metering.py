"""Who counts and measures for a release is what the settings say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from watership.adapters.helm.router import HelmRouter
from watership.adapters.prometheus.traffic import PrometheusMetrics
from watership.adapters.rehearsal.clock import LeapingClock
from watership.adapters.rehearsal.metrics import RehearsedMetrics
from watership.config import BadConfig, Config, load
from watership.durable.clock import SystemClock
from watership.releases.incidents.incident import Opened, Opening, Severity, Trigger
from watership.wiring.environment import Places
from watership.wiring.incidents import incidents_of
from watership.wiring.metering import breaches, feeds_of, metrics_of, usage_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def settings(folder: Path, text: str) -> Config:
    (folder / "watership.toml").write_text(text)
    return load(folder, {})


def test_the_router_counts_unless_a_prometheus_is_to(tmp_path: Path) -> None:
    router, clock = HelmRouter(tmp_path / "r.sock"), SystemClock()
    usual = settings(tmp_path, '[environment]\nprometheus = "http://127.0.0.1:9090"\n')
    scraped = settings(
        tmp_path,
        '[environment]\nprometheus = "http://127.0.0.1:9090"\nmetrics = "prometheus"\n[metrics]\nevery = 30\n',
    )

    assert metrics_of(usual, router, clock) == (router, 1) and feeds_of(usual) is not None
    metrics, every = metrics_of(scraped, router, clock)
    assert isinstance(metrics, PrometheusMetrics) and every == 30
    rehearsed, _ = metrics_of(scraped, router, LeapingClock(tmp_path / "calendar.json"))
    assert isinstance(rehearsed, RehearsedMetrics), "who counts knows nothing of leaps"
    assert feeds_of(Config()) is None


def test_what_processes_use_is_looked_at_where_they_run_here(tmp_path: Path) -> None:
    assert usage_of(Config()) is not None
    assert (
        usage_of(settings(tmp_path, '[hosts]\nkind = "compose"\nmachines = "blue = a, green = b"\n')) is None
    )


def test_a_prometheus_that_is_to_count_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"environment\.prometheus names none"):
        settings(tmp_path, '[environment]\nmetrics = "prometheus"\n')


async def test_a_security_incident_is_a_breach_for_its_release_or_for_all(tmp_path: Path) -> None:
    places = Places.of(settings(tmp_path, ""))
    places.folder.mkdir(parents=True)
    incidents = incidents_of(places)
    breached = breaches(incidents)

    async def open_one(release: str, *triggers: Trigger) -> None:
        opening = Opening(
            rule="by hand",
            release=release,
            title="Odd",
            symptom="Odd",
            severity=Severity.CRITICAL,
            at=NOON,
            triggers=triggers,
        )
        name = f"i{len(await incidents.all())}"
        await incidents.add(lambda _: Opened(incident=name, at=NOON, who="Ina", opening=opening))

    assert not await breached("r1")
    await open_one("r1", "data_loss")
    assert not await breached("r1")
    await open_one("r1", "security")
    assert [await breached(each) for each in ("r1", "r2")] == [True, False]
    await open_one("", "security")
    assert await breached("r2")
