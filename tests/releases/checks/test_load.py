"""Reports of what the application was put through: load, attacks, and a rehearsal of its migrations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.checklist.papers import Papers, ago, as_json, k6, rehearsal
from tests.checklist.world import World
from tests.releases.checks.looks import look
from tests.releases.plans import a_plan
from watership.releases.book.system import System
from watership.releases.readiness.rehearsal import Rehearsal, Script, differing
from watership.releases.verdict import Verdict

PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE

Change = Callable[[Any], object]

FINISHED = ("load.finished", {"report": "k.json", "users": 1000, "lasting": 600.0})
P95 = ("load.figure", {"report": "k.json", "metric": "http_req_duration", "value": "p(95)", "below": 200.0})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(root=tmp_path, systems={"next": System(url="http://next.example:3000")})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda told: told["metrics"]["vus"]["values"].update(max=999), "999 users at most"),
        (lambda told: told["state"].update(testRunDurationMs=599_000), "it lasted 9m 59s"),
        (lambda told: told["metrics"]["checks"].pop("thresholds"), "its script sets no thresholds"),
        (
            lambda told: told["metrics"]["checks"]["thresholds"]["rate>0.99"].update(ok=False),
            "checks rate>0.99 was not kept",
        ),
        (lambda told: told.update(build="sha256:2.0.9"), "it is about sha256:2.0.9"),
        (lambda told: told.pop("build"), "it does not say which build"),
        (lambda told: told.update(ended_at=ago(days=9)), "7d is the limit"),
    ],
)
def test_a_load_test_counts_if_the_users_came_stayed_and_were_served(
    world: World, change: Change, words: str
) -> None:
    papers = Papers(world)
    papers.put("k.json", k6(1000, 600.0), as_json)
    check, parameters = FINISHED
    assert look(world, check, **parameters)[0] is PASSED
    with papers.changed("k.json", change):
        verdict, told = look(world, check, **parameters)
        assert verdict is FAILED and words in told


def test_a_figure_that_k6_did_not_take_is_not_known(world: World) -> None:
    papers = Papers(world)
    check, parameters = P95
    assert look(world, check, **parameters)[0] is INCONCLUSIVE
    papers.put("k.json", k6(1000, 600.0), as_json)
    assert look(world, check, **parameters) == (
        PASSED,
        "k.json: p(95) of http_req_duration is 121.5 ms; below 200 ms is wanted.",
    )
    assert look(world, check, **{**parameters, "below": 121.5})[0] is FAILED
    assert look(world, check, **{**parameters, "below": 999.0, "at_least": 122.0})[0] is FAILED
    assert look(world, check, **{**parameters, "value": "p(99)"})[0] is INCONCLUSIVE
    unbounded = {name: value for name, value in parameters.items() if name != "below"}
    verdict, words = look(world, check, **unbounded)
    assert verdict is INCONCLUSIVE and "has no bound: say below or at_least" in words
    with papers.changed("k.json", lambda told: told["metrics"]["http_reqs"]["values"].update(count=0)):
        verdict, words = look(world, FINISHED[0], **FINISHED[1])
        assert verdict is FAILED and "it made no request" in words
    with papers.changed("k.json", lambda told: told["metrics"].pop("vus")):
        assert look(world, FINISHED[0], **FINISHED[1])[0] is INCONCLUSIVE
    world.write("k.json", '{"metrics": {"http_req_duration": {"p(95)": 121.5}}}')
    assert look(world, check, **parameters)[0] is INCONCLUSIVE


REHEARSALS: list[tuple[str, dict[str, float], Change, str]] = [
    (
        "forward",
        {},
        lambda told: told["forward"].update(error="deadlock detected"),
        "forward failed: deadlock",
    ),
    ("forward", {}, lambda told: told["forward"].update(schema=5), "led to the schema 5, not 6"),
    (
        "forward",
        {},
        lambda told: told["copy"].update(taken_at=ago(days=8)),
        "the copy: it was written 8d",
    ),
    ("forward", {}, lambda told: told.update(forward=None), "it did not go forward"),
    ("backward", {}, lambda told: told["backward"].update(shape="c"), "does not lead to the shape"),
    ("backward", {}, lambda told: told["again"].update(shape="c"), "does not lead where forward did"),
    ("integrity", {}, lambda told: told["integrity"].append("3 orphans"), "3 orphans"),
    ("impact", {"slower_by": 0.5}, lambda told: told["reads"].update(after=0.02), "rose by 81.8 %"),
    ("indexes", {"within": 300.0}, lambda told: told["indexes"][0].update(seconds=300.0), "took 5m"),
    ("locks", {"within": 2.0}, lambda told: told["locks"][0].update(seconds=2.0), "held AccessExclusiveLock"),
]


@pytest.mark.parametrize(
    ("point", "parameters", "change", "words"), REHEARSALS, ids=[each[3] for each in REHEARSALS]
)
def test_a_rehearsal_is_judged_point_by_point(
    world: World, point: str, parameters: dict[str, float], change: Change, words: str
) -> None:
    (planned,) = a_plan().migrations
    papers = Papers(world)
    papers.put("m.json", rehearsal(planned.forward_sha256, planned.backward_sha256), as_json)
    assert look(world, f"rehearsal.{point}", path="m.json", **parameters)[0] is PASSED
    with papers.changed("m.json", change):
        verdict, told = look(world, f"rehearsal.{point}", path="m.json", **parameters)
        assert verdict is FAILED and words in told


@pytest.mark.parametrize(
    ("point", "field", "parameters"),
    [
        ("integrity", "integrity", {}),
        ("impact", "reads", {"slower_by": 0.5}),
        ("indexes", "indexes", {"within": 300.0}),
        ("locks", "locks", {"within": 2.0}),
    ],
)
def test_what_a_rehearsal_did_not_look_at_is_not_known(
    world: World, point: str, field: str, parameters: dict[str, float]
) -> None:
    (planned,) = a_plan().migrations
    assert look(world, f"rehearsal.{point}", path="m.json", **parameters)[0] is INCONCLUSIVE
    told = rehearsal(planned.forward_sha256, planned.backward_sha256)
    del told[field]
    Papers(world).put("m.json", told, as_json)
    assert look(world, f"rehearsal.{point}", path="m.json", **parameters)[0] is INCONCLUSIVE


def test_a_script_that_was_changed_by_one_byte_was_not_rehearsed() -> None:
    tried = Script(name="add_topic", forward_sha256="a", backward_sha256="b")
    assert differing([tried], [tried]) == []
    assert differing([tried], [replace(tried, backward_sha256="c")]) == ["add_topic was changed since"]
    assert differing([tried], [replace(tried, name="other")]) == [
        "other was not rehearsed",
        "add_topic is not planned",
    ]


def test_the_rehearsal_in_the_documentation_is_one() -> None:
    text = (Path(__file__).parents[3] / "docs" / "evidence.md").read_text()
    tried = msgspec.json.decode(text.partition("```json\n")[2].partition("```")[0], type=Rehearsal)
    assert [each.name for each in tried.scripts] == ["add_topic"] and tried.reads is not None
