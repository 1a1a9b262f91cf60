"""A baseline: figures with reasons for those that are not known, compared without guessing."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.checklist.orchestrator import Prometheus
from tests.checklist.papers import Papers, ago, as_json, baseline
from tests.checklist.world import World
from tests.releases.checks.looks import look
from watership.errors import BadInput, NotFound
from watership.releases.book.document import parse
from watership.releases.book.shelf import beside, names
from watership.releases.book.system import System
from watership.releases.checks import CHECKS, CheckKind, Scene
from watership.releases.checks.baselines import percentile
from watership.releases.measurement import Finding, inconclusive
from watership.releases.ports import TrafficTick
from watership.releases.service.baseline import (
    Asked,
    Baseline,
    Change,
    Figures,
    Sources,
    Worse,
    compared,
    encoded,
    require_figures,
)
from watership.releases.service.capture import captured
from watership.releases.verdict import Verdict
from watership.testing.servers.ports import LOOPBACK, free_port
from watership.testing.standin import Answer, StandIn

PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE


def change(name: str, before: float | None, now: float | None, limits: Mapping[str, Worse]) -> Change:
    """What becomes of one figure."""
    then, there = Figures(**{name: before}), Figures(**{name: now})
    (found,) = [each for each in compared(then, there, limits) if each.name == name]
    return found.change


@pytest.mark.parametrize(
    ("name", "before", "now", "expected"),
    [
        ("p95", 0.1, 0.13, Change.KEPT),
        ("p95", 0.1, 0.131, Change.WORSE),
        ("p95", 0.1, 0.01, Change.KEPT),
        ("p95", None, 0.1, Change.UNKNOWN),
        ("p95", 0.1, None, Change.UNKNOWN),
        ("cache_hit_rate", 0.9, 0.8, Change.KEPT),
        ("cache_hit_rate", 0.9, 0.7, Change.WORSE),
        ("cache_hit_rate", 0.9, 0.99, Change.KEPT),
        ("error_rate", 0.0, 0.005, Change.KEPT),
        ("error_rate", 0.0, 0.02, Change.WORSE),
        ("wal_position", 5.0, 500.0, Change.RECORDED),
        ("network", 5.0, 500.0, Change.RECORDED),
    ],
)
def test_a_figure_is_worse_only_beyond_its_limit_and_in_its_own_direction(
    name: str, before: float | None, now: float | None, expected: Change
) -> None:
    limits = {
        each: Worse(by=0.2, besides=0.01) for each in ("p95", "cache_hit_rate", "error_rate", "wal_position")
    }
    assert change(name, before, now, limits) is expected


def test_sources_name_figures_that_there_are() -> None:
    asked = Asked(check="machine.figure", parameters={"figure": "cpu"})
    for wrong in (
        Sources(schema="watership/baseline/v1", figures={"cpus": asked}),
        Sources(schema="watership/baseline/v1", figures={}),
        Sources(schema="watership/baseline/v1", figures={"cpu": asked}, limits={"memory": Worse()}),
    ):
        with pytest.raises(BadInput):
            require_figures(wrong)


@pytest.mark.parametrize("name", names())
def test_every_shipped_runbook_says_where_its_figures_come_from(name: str) -> None:
    sources = parse(beside(name, "baseline.yaml"), Sources, source="baseline.yaml")
    require_figures(sources)
    for asked in sources.figures.values():
        CHECKS[asked.check].bound(asked.parameters)


def test_what_stands_beside_no_runbook_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "runbook.yaml").write_text("")
    (tmp_path / "baseline.yaml").write_text("here")
    assert beside(str(tmp_path), "baseline.yaml") == b"here"
    assert beside(str(tmp_path / "runbook.yaml"), "baseline.yaml") == b"here"
    with pytest.raises(NotFound):
        beside("no-such-runbook", "baseline.yaml")


def test_a_capture_keeps_what_it_got_and_the_reason_for_what_it_did_not(tmp_path: Path) -> None:
    with StandIn() as standin:
        prometheus = Prometheus(standin, "")
        prometheus.values["up"] = 0.25
        world = World(root=tmp_path, systems={"it": System(url=prometheus.url)})
        world.systems["off"] = System(url=f"http://{LOOPBACK}:{free_port()}")

        def asked(of: str, query: str) -> Asked:
            return Asked(check="prometheus.figure", parameters={"of": of, "query": query})

        figures = {"cpu": asked("it", "up"), "memory": asked("it", "none"), "p95": asked("off", "up")}
        sources = Sources(schema="watership/baseline/v1", figures=figures)
        got = asyncio.run(
            captured(world.scene(), sources, world.plan.live, environment="production", by="mo")
        )
    assert (got.digest, got.by, got.figures) == ("sha256:2.0.5", "mo", Figures(cpu=0.25))
    assert sorted(got.unknown) == ["memory", "p95"]
    assert "Prometheus has no value" in got.unknown["memory"] and "got no answer" in got.unknown["p95"]
    assert msgspec.json.decode(encoded(got), type=Baseline) == got


async def guessed(scene: Scene) -> Finding:
    """Has a number, and does not stand by it."""
    return inconclusive("It may be seven.", value=7.0)


def test_a_number_without_a_verdict_is_no_figure(tmp_path: Path) -> None:
    sources = Sources(schema="watership/baseline/v1", figures={"cpu": Asked(check="figure.guessed")})
    kinds = {"figure.guessed": CheckKind(name="figure.guessed", run=guessed, about="", parameters={})}
    world = World(root=tmp_path)
    scene = dataclasses.replace(world.scene(), kinds=kinds)
    got = asyncio.run(captured(scene, sources, world.plan.live, environment="production", by="mo"))
    assert (got.figures, got.unknown) == (Figures(), {"cpu": "It may be seven."})


def test_a_baseline_is_of_live_and_young_or_it_is_none(tmp_path: Path) -> None:
    papers, has = Papers(World(root=tmp_path)), {"figures": "p95, cpu"}
    assert look(papers.world, "baseline.has", **has)[0] is INCONCLUSIVE
    papers.put("evidence/baseline.json", baseline(), as_json)
    assert look(papers.world, "baseline.has", **has)[0] is PASSED
    spoilt: tuple[tuple[dict[str, Any], str], ...] = (
        ({"digest": "sha256:1.9.9"}, "it is about 2.0.5 (sha256:1.9.9), live is 2.0.5"),
        ({"captured_at": ago(days=2)}, "1d is the limit"),
        ({"figures": {"p95": 0.1}, "unknown": {"cpu": "no answer"}}, "cpu is not known: no answer"),
    )
    for changes, words in spoilt:
        with papers.changed("evidence/baseline.json", partial(_update, changes)):
            verdict, told = look(papers.world, "baseline.has", **has)
            assert verdict is FAILED and words in told
    assert look(papers.world, "baseline.has", figures="p99")[0] is INCONCLUSIVE


def _update(changes: dict[str, Any], told: dict[str, Any]) -> None:
    told.update(changes)


def test_next_is_held_against_the_baseline_of_live(tmp_path: Path) -> None:
    with StandIn({"GET /a": Answer("a"), "GET /b": Answer(status=429)}) as standin:
        papers = Papers(World(root=tmp_path, systems={"next": System(url=standin.url)}))
        kept = {"of": "next", "asked": "/a", "worse_by": 0.2, "samples": 5}
        assert look(papers.world, "baseline.latency", **kept)[0] is INCONCLUSIVE
        papers.put("evidence/baseline.json", {**baseline(), "figures": {"p95": 5.0}}, as_json)
        verdict, words = look(papers.world, "baseline.latency", **kept)
        assert (
            verdict is PASSED
            and words.startswith("p95 was 5000 ms and is ")
            and "6000 ms is the limit" in words
        )
        assert look(papers.world, "baseline.latency", **{**kept, "asked": "/b"})[0] is INCONCLUSIVE
        for figures, found in (({"p95": 0.00001}, FAILED), ({}, INCONCLUSIVE)):
            with papers.changed("evidence/baseline.json", partial(_update, {"figures": figures})):
                assert look(papers.world, "baseline.latency", **kept)[0] is found
        papers.world.systems["next"] = System(url=f"http://{LOOPBACK}:{free_port()}")
        assert look(papers.world, "baseline.latency", **kept)[0] is INCONCLUSIVE


def test_a_percentile_is_the_bound_of_its_bucket_and_none_above_all() -> None:
    def tick(**latencies: int) -> TrafficTick:
        named = {name.replace("le_", "").replace("_", "."): count for name, count in latencies.items()}
        return TrafficTick(second=1, requests=sum(latencies.values()), errors=0, latencies=named)

    ticks = [tick(**{"0.1": 90, "0.25": 5}), tick(**{"0.25": 4, "+Inf": 1})]
    assert percentile(ticks, 0.5) == 0.1
    assert percentile(ticks, 0.95) == 0.25
    assert percentile(ticks, 1.0) is None
    assert percentile([tick()], 0.5) is None


def test_the_machine_tells_its_own_figures_to_whoever_puts_them_on_record(tmp_path: Path) -> None:
    world = World(root=tmp_path)
    asked = {
        name: Asked(check="machine.figure", parameters={"figure": name})
        for name in ("cpu", "memory", "disk_io", "network")
    }
    wrong = {
        "p50": Asked(check="machine.figure", parameters={"figure": "luck"}),
        "p95": Asked(check="traffic.figure", parameters={"figure": "p95"}),
    }
    sources = Sources(schema="watership/baseline/v1", figures={**asked, **wrong})
    got = asyncio.run(captured(world.scene(), sources, world.plan.live, environment="production", by="mo"))
    assert all(got.figures.get(name) is not None for name in asked)
    assert sorted(got.unknown) == ["p50", "p95"] and "no figure 'luck'" in got.unknown["p50"]


@pytest.mark.parametrize("kind", ["machine.figure", "traffic.figure"])
def test_what_only_tells_a_figure_is_no_point(tmp_path: Path, kind: str) -> None:
    verdict, words = look(World(root=tmp_path), kind, figure="cpu")
    assert verdict is INCONCLUSIVE and "it is for baselines, and judges nothing" in words
