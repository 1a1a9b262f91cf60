"""Grafana has the dashboards that were written, and each of their panels has something to show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct, field

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import listed
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, failed, found, inconclusive
from watership.releases.verdict import Verdict, worst

Json = dict[str, object]

VARIABLE: Final = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]")

INTERVALS: Final = {"__interval": "1m", "__rate_interval": "5m", "__range": "1h"}
"""What Grafana puts into expressions by itself; by hand where it is asked behind its pages."""

EVERYTHING: Final = "$__all"


class Panel(Struct):
    """A panel, or a row that holds some."""

    title: str = ""
    datasource: Json | str | None = None
    targets: list[Json] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)


class _Current(Struct):
    value: object = None


class _Variable(Struct):
    name: str
    current: _Current = field(default_factory=_Current)


class _Templating(Struct):
    variables: list[_Variable] = field(default_factory=list, name="list")


class Dashboard(Struct):
    uid: str = ""
    title: str = ""
    panels: list[Panel] = field(default_factory=list)
    templating: _Templating = field(default_factory=_Templating)

    def shown(self) -> Iterator[Panel]:
        """The panels, those within rows too."""
        for panel in self.panels:
            yield from panel.panels or [panel]


class _Held(Struct):
    dashboard: Dashboard


class _Frame(Struct):
    data: dict[str, list[list[object]]] = {}


class _Result(Struct):
    error: str = ""
    frames: list[_Frame] = field(default_factory=list)


class _Results(Struct):
    results: dict[str, _Result]


@check("grafana.imported", adapted=True, good_for="24h", fix="Import the file: Dashboards, New, Import.")
async def imported(scene: Scene, *, of: str, files: str) -> Finding:
    """Each dashboard of the project (`files`, a glob) is in Grafana, by its uid, with the same panels and queries."""
    names = await scene.look.documents.names(files)
    if not names:
        return failed(f"No dashboard is written: {files}.")
    wrong = []
    for name in names:
        document = await scene.look.documents.read(name)
        assert document is not None
        try:
            written = msgspec.json.decode(document.content, type=Dashboard)
        except msgspec.DecodeError as error:
            raise BadInput(f"{name} is no dashboard: {error}.") from error
        there = await _dashboard(scene, of, written.uid)
        if there is None:
            wrong.append(f"{name} ({written.uid}) is not in {of}")
        elif _asked(there) != _asked(written):
            wrong.append(f"{written.uid} has other panels in {of} than in {name}")
    return judged(wrong, f"{len(names)} dashboards are in {of} as they are written.", dashboards=len(names))


@check(
    "grafana.shows", adapted=True, good_for="24h", fix="Open the dashboard: what is empty lacks its series."
)
async def shows(scene: Scene, *, of: str, uid: str, panels: str = "") -> Finding:
    """The dashboard `uid` (or each of several, commas between) is there, has a panel of each title in `panels`, and
    Grafana gets data for every query of every panel, asked as its own pages ask."""
    looked = [await _shown(scene, of, each, panels) for each in listed(uid)]
    bad = [each for each in looked if each.verdict is not Verdict.PASSED]
    if bad:
        return Finding(
            verdict=worst(each.verdict for each in bad), evidence=" ".join(each.evidence for each in bad)
        )
    return found(bool(looked), " ".join(each.evidence for each in looked), dashboards=len(looked))


async def _shown(scene: Scene, of: str, uid: str, panels: str) -> Finding:
    """One dashboard."""
    there = await _dashboard(scene, of, uid)
    if there is None:
        return failed(f"{of} has no dashboard '{uid}'.")
    shown = [panel for panel in there.shown() if panel.targets]
    if not shown:
        return failed(f"'{there.title}' has no panel with a query.")
    wrong = [
        f"it has no panel '{title}'" for title in listed(panels) if title not in {p.title for p in shown}
    ]
    queries = dict(_queries(there, shown))
    body = {"from": "now-1h", "to": "now", "queries": [query for _, query in queries.values()]}
    answer = await scene.ask("POST", of, "/api/ds/query", body=body)
    # 207 and 400 tell of each query how it went.
    if answer.status not in (200, 207, 400):
        raise Unavailable(f"{of} answered {answer.status} to the queries of '{uid}'.")
    try:
        told = shaped(of, msgspec.json.decode(answer.body), _Results).results
    except msgspec.DecodeError as error:
        raise Unavailable(f"{of} answered the queries of '{uid}' with what is no JSON.") from error
    for ref, (title, _) in queries.items():
        if ref not in told:
            return inconclusive(f"{of} says nothing about a query of '{title}'.")
        if told[ref].error:
            wrong.append(f"'{title}': {told[ref].error}")
        elif not any(_filled(frame) for frame in told[ref].frames):
            wrong.append(f"'{title}' has no data")
    return judged(wrong, f"'{there.title}': {len(queries)} queries have data.", queries=len(queries))


async def _dashboard(scene: Scene, of: str, uid: str) -> Dashboard | None:
    answer = await scene.get(of, f"/api/dashboards/uid/{uid}")
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Unavailable(f"{of} answered {answer.status} to the question for the dashboard '{uid}'.")
    try:
        return msgspec.json.decode(answer.body, type=_Held).dashboard
    except msgspec.DecodeError as error:
        raise Unavailable(f"{of} answered what is no dashboard: {error}.") from error


def _asked(dashboard: Dashboard) -> list[tuple[str, list[str]]]:
    """What a dashboard shows, and what it asks for that."""
    return [
        (panel.title, [str(target.get("expr", target)) for target in panel.targets])
        for panel in dashboard.shown()
    ]


def _queries(dashboard: Dashboard, shown: list[Panel]) -> Iterator[tuple[str, tuple[str, Json]]]:
    """Each query with its panel's title, by a reference that is its own."""
    values = INTERVALS | {each.name: _chosen(each.current.value) for each in dashboard.templating.variables}
    for number, panel in enumerate(shown):
        for letter, target in enumerate(panel.targets):
            ref = f"q{number}_{letter}"
            source = target.get("datasource") or panel.datasource
            query = target | {"refId": ref, "datasource": source, "intervalMs": 60_000, "maxDataPoints": 60}
            if isinstance(expression := target.get("expr"), str):
                query["expr"] = _expanded(expression, values)
            yield ref, (panel.title, query)


def _chosen(value: object) -> str:
    """A variable's value as it stands in an expression."""
    values = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    return ".*" if EVERYTHING in values else "|".join(values)


def _expanded(expression: str, values: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda match: values.get(match[1] or match[2] or match[3], match[0]), expression)


def _filled(frame: _Frame) -> bool:
    """Whether a frame has a value: its first column is time, and what follows may be null."""
    return any(value is not None for column in frame.data.get("values", [])[1:] for value in column)
