"""Logs are kept by Elasticsearch: it is well, knows what a line is, lets go of the old ones, and finds the new ones."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct, field

from watership.errors import Unavailable
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.mark import mark
from watership.releases.checks.prometheus import in_seconds
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, excerpt, failed, found

LIFECYCLE: Final = "index.lifecycle.name"


class _Health(Struct):
    status: str
    timed_out: bool
    number_of_nodes: int


class _Mappings(Struct):
    properties: dict[str, dict[str, Any]] = {}


class _Body(Struct):
    settings: dict[str, Any] = {}
    mappings: _Mappings = field(default_factory=_Mappings)


class _Template(Struct):
    index_patterns: list[str]
    template: _Body = field(default_factory=_Body)


class _Named(Struct):
    name: str
    index_template: _Template


class _Templates(Struct):
    index_templates: list[_Named]


class _Phase(Struct):
    min_age: str = "0ms"


class _Phases(Struct):
    phases: dict[str, _Phase]


class _Users(Struct):
    indices: list[str] = field(default_factory=list)
    data_streams: list[str] = field(default_factory=list)


class _Policy(Struct):
    policy: _Phases
    in_use_by: _Users = field(default_factory=_Users)


class _Total(Struct):
    value: int


class _Hits(Struct):
    total: _Total


class _Search(Struct):
    hits: _Hits


@check(
    "logs.aggregated",
    adapted=True,
    good_for="4h",
    fix="GET /_cluster/allocation/explain says why it is not green.",
)
async def aggregated(scene: Scene, *, of: str, nodes: int) -> Finding:
    """The cluster is green, within its time, with `nodes` nodes at least."""
    told = shaped(of, await scene.json(of, "/_cluster/health"), _Health)
    wrong = [] if told.status == "green" else [f"the cluster is {told.status}"]
    wrong += ["it did not answer within its time"] if told.timed_out else []
    if told.number_of_nodes < nodes:
        wrong.append(f"it has {told.number_of_nodes} nodes, {nodes} are wanted")
    return judged(
        wrong, f"The cluster is green, with {told.number_of_nodes} nodes.", nodes=told.number_of_nodes
    )


@check("logs.indexed", adapted=True, good_for="24h", fix="PUT _index_template/NAME")
async def indexed(scene: Scene, *, of: str, template: str, pattern: str, fields: str) -> Finding:
    """The index template is there, is for `pattern`, gives each of `fields` its type (`@timestamp=date`, commas
    between), and names a policy for what grows old."""
    answer = await scene.get(of, f"/_index_template/{quote(template, safe='')}")
    if answer.status == 404:
        return failed(f"{of} has no index template '{template}'.")
    told = shaped(of, await scene.json(of, f"/_index_template/{quote(template, safe='')}"), _Templates)
    there = next((each.index_template for each in told.index_templates if each.name == template), None)
    if there is None:
        return failed(f"{of} has no index template '{template}'.")
    wrong = [] if pattern in there.index_patterns else [f"it is for {', '.join(there.index_patterns)}"]
    for each in listed(fields):
        name, _, kind = each.partition("=")
        is_now = there.template.mappings.properties.get(name, {}).get("type", "not there")
        wrong += [] if is_now == kind else [f"{name} is {is_now}, not {kind}"]
    if not _setting(there.template.settings, LIFECYCLE):
        wrong.append("it names no policy")
    return judged([f"{template}: {each}" for each in wrong], f"{template} is for {pattern}, with {fields}.")


@check(
    "logs.retained",
    adapted=True,
    good_for="24h",
    fix="PUT _ilm/policy/NAME, and name it in the index template.",
)
async def retained(scene: Scene, *, of: str, policy: str, at_least: float, at_most: float) -> Finding:
    """The lifecycle policy deletes what is older than some time from `at_least` to `at_most`, and it is in use."""
    path = f"/_ilm/policy/{quote(policy, safe='')}"
    if (await scene.get(of, path)).status == 404:
        return failed(f"{of} has no policy '{policy}'.")
    told = shaped(of, await scene.json(of, path), dict[str, _Policy])
    there = told.get(policy)
    if there is None or (last := there.policy.phases.get("delete")) is None:
        return failed(f"The policy '{policy}' deletes nothing.")
    age, wrong = in_seconds(last.min_age), []
    if not at_least <= age <= at_most:
        wrong.append(
            f"'{policy}' deletes after {last.min_age}, not after {spoken(at_least)} to {spoken(at_most)}"
        )
    if not there.in_use_by.indices and not there.in_use_by.data_streams:
        wrong.append(f"nothing is under the policy '{policy}'")
    return judged(wrong, f"What is under '{policy}' is deleted after {last.min_age}.", seconds=age)


@check(
    "logs.searchable",
    adapted=True,
    good_for="4h",
    fix="Look at the refresh interval, and at rejected writes.",
)
async def searchable(scene: Scene, *, of: str, stream: str, within: float) -> Finding:
    """A line that is written to `stream` is found by a search `within` that time."""
    name, began = mark(scene), scene.clock.monotonic()
    line = {
        "@timestamp": scene.sent_at().isoformat(),
        "level": "info",
        "message": f"A test before the release of {scene.plan.next.build.version}.",
        "probe": name,
    }
    answer = await scene.ask("POST", of, f"/{quote(stream, safe='')}/_doc", body=line)
    if answer.status != 201:
        raise Unavailable(f"{of} answered {answer.status} to a line: {excerpt(answer.body)}")

    async def there() -> bool:
        path = f"/{quote(stream, safe='')}/_search?size=1&q={quote(f'probe:{name}', safe='')}"
        return shaped(of, await scene.json(of, path), _Search).hits.total.value > 0

    seen = await scene.until(there, min(within, scene.timeout / 2))
    took = scene.clock.monotonic() - began
    words = (
        f"The line {name} was found after {took:.2g} s."
        if seen
        else f"The line {name} was written, and is not found."
    )
    return found(seen and took <= within, f"{words} {spoken(within)} is the limit.", seconds=took)


def _setting(settings: object, path: str) -> object:
    """A setting, whether it is written `{"index": {"lifecycle": …}}` or flat."""
    if isinstance(settings, dict):
        for name, value in settings.items():
            if name == path:
                return value
            if path.startswith(f"{name}."):
                return _setting(value, path.removeprefix(f"{name}."))
    return None
