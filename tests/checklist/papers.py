"""The papers of a pipeline, as data: what its tools write, in their own formats, and how a test spoils them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import quoteattr

from tests.checklist.world import LIVE as LIVE_SIDE
from tests.checklist.world import NEXT, Fault, World

BUILD, LIVE = NEXT.build.digest, LIVE_SIDE.build.digest

Render = Callable[[Any], str]


@dataclass
class Papers:
    """Documents of a world by path. A change is undone at the end of its context; changes may be nested."""

    world: World
    data: dict[str, Any] = field(default_factory=dict)
    renders: dict[str, Render] = field(default_factory=dict)

    def put(self, path: str, value: Any, render: Render) -> None:
        self.data[path], self.renders[path] = self._about(value), render
        self._write(path)

    def _about(self, value: Any) -> Any:
        """The same, of the builds that the world is about."""
        named = {BUILD: self.world.next.digest, LIVE: self.world.live.digest}
        match value:
            case {"build": str(build)}:
                return value | {"build": named.get(build, build)}
            case {"digest": str(digest)}:
                return value | {"digest": named.get(digest, digest)}
        return value

    def fault(self, path: str, change: Callable[[Any], object]) -> Fault:
        return lambda: self.changed(path, change)

    @contextmanager
    def changed(self, path: str, change: Callable[[Any], object]) -> Iterator[None]:
        before = copy.deepcopy(self.data[path])
        change(self.data[path])
        self._write(path)
        try:
            yield
        finally:
            self.data[path] = before
            self._write(path)

    def _write(self, path: str) -> None:
        self.world.write(path, self.renders[path](self.data[path]))


def ago(**time: float) -> str:
    """A moment before now, as ISO 8601 has it."""
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def results(**suites: dict[str, str]) -> dict[str, Any]:
    """Suites of cases with their state: "passed", "failed", "error" or "skipped"."""
    return {
        "at": ago(hours=2),
        "build": BUILD,
        "suites": [{"name": name, "properties": {}, "cases": cases} for name, cases in suites.items()],
    }


def junit(told: dict[str, Any]) -> str:
    """As pytest writes it; `properties` of a suite come along."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<testsuites>"]
    for suite in told["suites"]:
        build = {"build": told["build"]} if told["build"] else {}
        properties = {**build, **suite["properties"]}
        stamp = f" timestamp={quoteattr(told['at'])}" if told["at"] else ""
        lines.append(f"<testsuite name={quoteattr(suite['name'])}{stamp}><properties>")
        lines += [f"<property name={quoteattr(k)} value={quoteattr(v)}/>" for k, v in properties.items()]
        lines.append("</properties>")
        for name, state in suite["cases"].items():
            inner = {"failed": '<failure message="no"/>', "error": "<error/>", "skipped": "<skipped/>"}.get(
                state, ""
            )
            lines.append(f"<testcase classname='tests' name={quoteattr(name)} time='0.1'>{inner}</testcase>")
        lines.append("</testsuite>")
    return "\n".join([*lines, "</testsuites>"])


def cobertura(told: dict[str, Any]) -> str:
    """Files with (covered, valid) lines."""
    classes = []
    for name, (covered, valid) in told["files"].items():
        lines = "".join(f'<line number="{n}" hits="{int(n <= covered)}"/>' for n in range(1, valid + 1))
        classes.append(f"<class filename={quoteattr(name)}><lines>{lines}</lines></class>")
    stamp = int(datetime.fromisoformat(told["at"]).timestamp() * 1000)
    doctype = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'
    inner = f"<packages><package><classes>{''.join(classes)}</classes></package></packages>"
    return f'<?xml version="1.0"?>{doctype}<coverage timestamp="{stamp}">{inner}</coverage>'


def k6(users: int, seconds: float) -> dict[str, Any]:
    """What k6 hands to handleSummary, with the two fields that our script adds."""
    times = {"avg": 41.2, "min": 2.1, "med": 33.0, "max": 912.4, "p(90)": 88.1, "p(95)": 121.5}
    rate = {"rate": 0.0004, "passes": 240, "fails": 599_760}
    return {
        "root_group": {"name": "", "checks": []},
        "options": {"summaryTrendStats": ["avg", "min", "med", "max", "p(90)", "p(95)"]},
        "state": {"isStdOutTTY": False, "testRunDurationMs": seconds * 1000},
        "metrics": {
            "vus": {"type": "gauge", "contains": "default", "values": {"value": 1, "min": 1, "max": users}},
            "http_reqs": {
                "type": "counter",
                "contains": "default",
                "values": {"count": 600_000, "rate": 1000.0},
            },
            "http_req_duration": {"type": "trend", "contains": "time", "values": dict(times)},
            "db_query_duration": {"type": "trend", "contains": "time", "values": {**times, "p(95)": 12.0}},
            "http_req_failed": {"type": "rate", "contains": "default", "values": rate},
            "checks": {
                "type": "rate",
                "contains": "default",
                "values": {"rate": 0.9996, "passes": 599_760, "fails": 240},
                "thresholds": {"rate>0.99": {"ok": True}},
            },
        },
        "build": BUILD,
        "ended_at": ago(hours=20),
    }


def zap(target: str) -> dict[str, Any]:
    """ZAP's traditional JSON report with one alert of a low risk."""
    alert = {
        "pluginid": "10021",
        "alertRef": "10021",
        "alert": "X-Content-Type-Options Header Missing",
        "name": "X-Content-Type-Options Header Missing",
        "riskcode": "1",
        "confidence": "2",
        "riskdesc": "Low (Medium)",
        "instances": [{"uri": f"{target}/docs", "method": "GET", "param": "x-content-type-options"}],
        "count": "1",
    }
    site = {"@name": target, "@host": "127.0.0.1", "@port": "80", "@ssl": "false", "alerts": [alert]}
    return {
        "@version": "2.16.1",
        "@generated": "Fri, 4 Feb 2022 13:04:51",
        "created": ago(hours=20),
        "site": [site],
    }


def rehearsal(forward_sha256: str, backward_sha256: str, name: str = "add_topic") -> dict[str, Any]:
    """A migration from schema 5 to 6, rehearsed on a copy."""
    old, new = {"schema": 5, "shape": "a"}, {"schema": 6, "shape": "b"}
    script = {"name": name, "forward_sha256": forward_sha256, "backward_sha256": backward_sha256}
    return {
        "schema": "watership/rehearsal/v1",
        "scripts": [script],
        "copy": {"of": "production", "taken_at": ago(days=1), "rows": 1_200_000},
        "began": ago(hours=21),
        "ended": ago(hours=20),
        "before": {"seconds": 0, **old},
        "forward": {"seconds": 31.5, **new},
        "backward": {"seconds": 4.5, **old},
        "again": {"seconds": 30.9, **new},
        "integrity": [],
        "locks": [{"migration": name, "table": "facts", "mode": "AccessExclusiveLock", "seconds": 0.012}],
        "indexes": [{"name": "facts_topic", "table": "facts", "seconds": 28.1}],
        "reads": {"before": 0.011, "during": 0.013, "after": 0.011, "samples": 5000},
    }


def baseline() -> dict[str, Any]:
    """What `watership baseline capture` writes."""
    return {
        "schema": "watership/baseline/v1",
        "environment": "production",
        "version": "2.0.5",
        "digest": LIVE,
        "deployment": "d-2.0.5",
        "captured_at": ago(minutes=30),
        "by": "Mo Monitoring",
        "figures": {
            "requests_per_second": 412.0,
            "error_rate": 0.0002,
            "p50": 0.031,
            "p95": 2.0,
            "connections": 31.0,
            "cache_hit_rate": 0.93,
            "queue_depth": 12.0,
            "wal_position": 1.8e11,
            "cpu": 0.41,
            "memory": 0.55,
            "disk_io": 1.2e6,
            "network": 9.1e6,
        },
        "unknown": {},
    }


def drill(kind: str, seconds: float, **steps: float) -> dict[str, Any]:
    """The record of a drill that passed; steps with their seconds, `_` in a name stands for a space."""
    return {
        "schema": "watership/drill/v1",
        "kind": kind,
        "environment": "staging",
        "began": ago(days=3),
        "seconds": seconds,
        "outcome": "passed",
        "steps": [
            {"name": name.replace("_", " "), "seconds": took, "passed": True} for name, took in steps.items()
        ],
        "build": BUILD,
        "version": "2.1.0",
        "by": "Oz Operations",
    }


def as_json(told: Any) -> str:
    return json.dumps(told)
