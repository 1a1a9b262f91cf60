"""The whole world: what every section looks at, at once, and at any time of the calendar.

Each section grows a part of its own, in one folder. A file that two parts write holds what both say; a system that two
parts play is answered for by whichever of them can.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from tests.checklist import section_a, section_b, section_c, section_d, section_d_capacity
from tests.checklist.labels import relabelled
from tests.checklist.orchestrator import Prometheus
from tests.checklist.papers import ago, as_json, drill, zap
from tests.checklist.section_d_capacity import machines
from tests.checklist.world import RUNBOOK, World, points
from tests.managed import Servers
from watership.durable.clock import SystemClock
from watership.releases.book.shelf import shipped
from watership.releases.book.system import System
from watership.releases.service.sla import Errors, Latency, Uptime, filled
from watership.releases.service.sla import shipped as shipped_sla
from watership.testing.standin import Answer, Asked, StandIn

POINTS: Final = [pair for letter in "ABCD" for pair in points(letter)]

PLAYED_BY: Final = {"production-database": "a", "rabbitmq": "b", "model-provider-off": "c"}
"""Systems that one part plays alone, whoever else names them, and that are asked without a crossroads."""

SIGNED: Final = ("ec2", "cloudwatch", "cloudwatch-logs", "backups")
"""Systems that are asked by signed requests, which are not to be changed on their way."""


DATED: Final = ("database-preparation/backups",)
"""Points that look at dates which lie in no file, and in no answer that can be changed on its way."""


class Calendar(SystemClock):
    """The machine's clock, and ahead of it by what was leapt."""

    def __init__(self, later: Callable[[], timedelta]) -> None:
        super().__init__()
        self._later = later

    def now(self) -> datetime:
        return super().now() + self._later()


@dataclass
class Part(World):
    """What one section brings. Its files lie in the folder that all share."""

    lay: Callable[[str, bytes], Path] = field(kw_only=True)

    def write(self, path: str, content: str | bytes) -> Path:
        return self.lay(path, content.encode() if isinstance(content, str) else content)


@dataclass
class Whole(World):
    """All the parts in one. Dates in files and in what stand-ins answer go along with the calendar: `leap`."""

    parts: dict[str, Part] = field(default_factory=dict)
    later: timedelta = timedelta(0)
    _laid: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = Calendar(lambda: self.later)

    def part(self, name: str) -> Part:
        def lay(path: str, content: bytes) -> Path:
            self._laid.setdefault(path, {})[name] = content
            return self._put(path)

        made = Part(root=self.root, lay=lay)
        made.next, made.live, made.migrations, made.clock = self.next, self.live, self.migrations, self.clock
        made.deployment, made.switched = self.deployment, self.switched
        self.parts[name] = made
        return made

    def _put(self, path: str) -> Path:
        whole = moved(merged(path, list(self._laid[path].values())), self.later)
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_bytes() != whole:
            file.write_bytes(whole)
            relabelled(file)
        at = datetime.now(UTC).timestamp() + self.later.total_seconds()
        os.utime(file, (at, at))
        return file

    def leap(self, duration: timedelta) -> None:
        """The calendar is later by that, and whoever writes papers and takes backups has gone on meanwhile."""
        self.later += duration
        for path in self._laid:
            self._put(path)
        for point in DATED:
            with self.faults[point]():
                """What it leaves is made anew."""


# --- files -----------------------------------------------------------------------------------------------------

DATES: Final = re.compile(
    rb"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]00:00)"  # ISO 8601, in UTC
    rb"|\b20\d\d[01]\d[0-3]\dT\d{6}Z"  # iCalendar
    rb"|(?<=<coverage timestamp=\")\d{13}"  # coverage.py
)


def moved(content: bytes, later: timedelta) -> bytes:
    """The same with every date in it later."""
    return DATES.sub(lambda found: _moved(found[0].decode(), later).encode(), content) if later else content


def _moved(text: str, later: timedelta) -> str:
    if text.isdigit():
        return str(int(text) + round(later.total_seconds() * 1000))
    if "-" not in text:
        at = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return f"{at + later:%Y%m%dT%H%M%SZ}"
    return (datetime.fromisoformat(text) + later).isoformat()


ATTACK: Final = "evidence/zap.json"

LAST: Final = (ATTACK, ".env.next")
"""Files of which the last one holds: they are about one target, and of one process."""


def merged(path: str, contents: Sequence[bytes]) -> bytes:
    """What several parts write into one file: the sections of Markdown, the fields of JSON."""
    different = list(dict.fromkeys(contents))
    if path in LAST:
        return different[-1]
    if len(different) == 1:
        return different[0]
    if path.endswith(".md"):
        return b"\n".join(different)
    assert path.endswith(".json"), f"{path} is written by two parts, and not alike"
    whole: Any = None
    for each in different:
        whole = _both(whole, json.loads(each))
    return json.dumps(whole).encode()


def _both(one: Any, other: Any) -> Any:
    """Fields of both, and items of both; where they differ, the later word."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {name: _both(one.get(name), value) for name, value in other.items()}
    if isinstance(one, list) and isinstance(other, list):
        return one + [each for each in other if each not in one]
    return other


# --- systems ---------------------------------------------------------------------------------------------------

HOPS: Final = ("connection", "content-length", "transfer-encoding")
"""Headers that are about one hop alone."""


class Crossroads(StandIn):
    """Before systems, each below its name, that one or several play: whoever knows the way answers.

    Of PromQL that is who has a value. The dates in answers are later by `later`.
    """

    def __init__(self, later: Callable[[], timedelta]) -> None:
        super().__init__()
        self.ways: dict[str, Callable[[Asked], Sequence[str]]] = {}
        self._later = later

    def answer(self, asked: Asked) -> Answer:
        name, path = re.fullmatch(r"/([a-z0-9-]+)(.*)", asked.path).groups()  # type: ignore[union-attr]
        ways = self.ways[name](asked)
        found = [handed_on(way + path, asked) for way in ways]
        answers = [got for got in found if known(asked, got)] or found
        told = one_of(answers) if name == "next" and asked.method == "GET" else answers[0]
        return Answer(moved(content(told), self._later()), told.status, told.headers)


def handed_on(url: str, asked: Asked) -> Answer:
    """What is answered there; 404 where nobody is."""
    parts = urlsplit(url)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    headers = {name: value for name, value in asked.headers.items() if name not in HOPS}
    with closing(HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10.0)) as line:
        try:
            line.request(asked.method, path, asked.body or None, headers)
            got = line.getresponse()
            told = {name.lower(): value for name, value in got.getheaders()}
            kept = {name: value for name, value in told.items() if name not in (*HOPS, "date", "server")}
            return Answer(got.read(), got.status, kept)
        except (OSError, HTTPException):
            return Answer(status=404)


def known(asked: Asked, got: Answer) -> bool:
    """Whether that is an answer: not a way that is not there, and not a query without a value."""
    if is_query(asked) and got.status == 200:
        return bool(json.loads(content(got))["data"]["result"])
    return got.status != 404 or bool(got.body)


def is_query(asked: Asked) -> bool:
    return urlsplit(asked.path).path.endswith("/api/v1/query")


def content(answer: Answer) -> bytes:
    assert isinstance(answer.body, bytes)
    return answer.body


def one_of(answers: Sequence[Answer]) -> Answer:
    """What several tell of one thing in JSON, as one; else what the first says."""
    first = answers[0]
    if len(answers) == 1 or {(each.status, each.headers.get("content-type")) for each in answers} != {
        (200, "application/json")
    }:
        return first
    whole: Any = None
    for each in answers:
        whole = _both(whole, json.loads(content(each)))
    return Answer(json.dumps(whole).encode(), 200, first.headers)


# --- all of it -------------------------------------------------------------------------------------------------


def grown_whole(
    whole: Whole, stack: ExitStack, servers: Servers, *, ticket: section_d.Ticket | None = None
) -> None:
    """Every section, in one world. What is started ends with the stack; what is set in the servers is put back.

    `ticket`: the comments of the release's ticket, where a release writes them."""
    part = {name: whole.part(name) for name in ("b", "c", "capacity", "after", "d", "a")}
    section_b.grown(part["b"], stack, postgres=servers.postgres, rabbit=servers.rabbit)
    section_c.grown(part["c"], stack, servers.postgres)
    section_d_capacity.grown(part["capacity"], stack, servers.postgres)
    section_d.grown(part["d"], stack, postgres=servers.postgres, prometheus=servers.prometheus, ticket=ticket)
    section_a.grown(part["a"], stack, servers.pair, servers.postgres, servers.authority)
    validated(part["after"], stack.enter_context(StandIn()))
    drilled(whole.part("drills"))
    whole.plan, whole.records = replace(part["d"].plan, image=part["a"].plan.image), part["d"].records
    whole.smoke, whole.authorities = part["c"].smoke, part["a"].authorities
    for each in part.values():
        whole.faults |= each.faults
    crossed(whole, stack.enter_context(Crossroads(lambda: whole.later)))
    attack, elsewhere = (zap(whole.systems[site].url) for site in ("staging", "next"))
    whole.part("attack").write(ATTACK, as_json({**attack, "site": attack["site"] + elsewhere["site"]}))


def validated(part: Part, standin: StandIn) -> None:
    """What only the validations after the deployment look at."""
    prometheus = Prometheus(standin, "/prometheus")
    figures: dict[str, float | dict[str, float]] = {
        "immediate/cache": 0.91,
        "immediate/memory": machines(0.01, 0.03),
        "short-term/leaks": 120.0,
        "extended/performance": 0.12,
    }
    for validation in shipped(RUNBOOK).runbook.validations:
        for point in validation.points:
            if (name := f"{validation.id}/{point.id}") in figures:
                prometheus.values[str(point.parameters["query"])] = figures[name]
    kept(prometheus)
    none = Answer([])
    standin.routes |= {
        "POST /logs/logs-watership-*/_count": Answer({"count": 4_000, "_shards": {"total": 3, "failed": 0}}),
        "GET /sentry/api/0/projects/acme/app/issues/": none,
        "GET /alertmanager/api/v2/alerts": lambda asked: (
            none if "active=true" in asked.path else Answer(status=404)
        ),
    }
    for name in ("logs", "alertmanager"):
        part.systems[name] = System(url=f"{standin.url}/{name}")
    part.systems["sentry-api"] = System(url=f"{standin.url}/sentry")
    part.systems["prometheus"] = System(url=prometheus.url)


def kept(prometheus: Prometheus) -> None:
    """A day in which the SLA was kept."""
    day = timedelta(days=1).total_seconds()
    for objective in shipped_sla().objectives:
        of_a_day = replace(objective, step=day, over=day)
        match of_a_day:
            case Uptime():
                prometheus.values[filled(of_a_day.up, of_a_day)] = 1.0
            case Errors():
                prometheus.values |= {
                    filled(of_a_day.bad, of_a_day): 12.0,
                    filled(of_a_day.all, of_a_day): 90_000.0,
                }
            case Latency():
                prometheus.values |= {
                    filled(of_a_day.slow, of_a_day): 900.0,
                    filled(of_a_day.all, of_a_day): 80_000.0,
                }
            case _:
                pass


def drilled(part: Part) -> None:
    """The last failover is one in which everything was tried that some point asks for."""
    steps = ("promote", "compare", "to_the_second_site", "back")
    last = drill("failover", 95.0, **dict.fromkeys(steps, 20.0))
    last |= {"environment": "alternate-site", "began": ago(hours=6), "build": part.next.digest}
    last |= {"facts": {"method": "pair"}}
    part.write("evidence/drills/last-failover.json", as_json(last))


def crossed(whole: Whole, crossroads: Crossroads) -> None:
    """Name every system, with a crossroads before those that answer HTTP."""
    for name in dict.fromkeys(name for part in whole.parts.values() for name in part.systems):
        playing = [part for part in whole.parts.values() if name in part.systems]
        alone = [part for part in playing if part is whole.parts.get(PLAYED_BY.get(name, ""))]
        system = together([part.systems[name] for part in alone or playing])
        if not alone and system.url.startswith("http://") and name not in SIGNED:
            crossroads.ways[name] = ways(name, playing)
            system = replace(system, url=f"{crossroads.url}/{name}")
        whole.systems[name] = system


def ways(name: str, playing: Sequence[Part]) -> Callable[[Asked], Sequence[str]]:
    """Where a system is asked: of each part in turn, as it names it at that moment."""

    def found(asked: Asked) -> Sequence[str]:
        known_issues = name == "jira" and b"affectedVersion" in asked.body
        return [part.systems[name].url.rstrip("/") for part in (playing[::-1] if known_issues else playing)]

    return found


def together(systems: Sequence[System]) -> System:
    """One system with what several say of it."""
    first = systems[0]
    for other in systems[1:]:
        first = replace(
            first,
            secret=first.secret or other.secret,
            headers={**other.headers, **first.headers},
            facts={**other.facts, **first.facts},
        )
    return first
