"""Reports of tests and of coverage: what was executed counts, by this build, and not long ago."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.checklist.papers import Papers, ago, cobertura, junit, results
from tests.checklist.world import World
from tests.releases.checks.looks import look
from watership.releases.verdict import Verdict

PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE

CASES = {"test_of_postgres": "passed", "test_of_redis": "skipped"}
NAMED = {"path": "r.xml", "cases": "test_of_postgres"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(root=tmp_path)


def reported(world: World, told: dict[str, Any]) -> None:
    Papers(world).put("r.xml", told, junit)


def test_what_was_skipped_was_not_tested(world: World) -> None:
    reported(world, results(unit=CASES))
    assert look(world, "tests.pass", path="r.xml", skipped=0.5) == (
        PASSED,
        "r.xml: 1 cases were executed, none failed, 1 were skipped.",
    )
    assert look(world, "tests.pass", path="r.xml", skipped=0.5, at_least=2)[0] is FAILED
    assert look(world, "tests.pass", path="r.xml") == (
        FAILED,
        "r.xml: 1 of 2 were skipped; 5 % at most may be.",
    )
    assert look(world, "tests.named", **NAMED)[0] is PASSED
    both = {"path": "r.xml", "cases": "test_of_postgres, test_of_redis"}
    wrong = "1 passed, 2 at least are wanted"
    assert look(world, "tests.named", **both) == (
        FAILED,
        "r.xml: 'test_of_redis': 0 passed, 1 at least are wanted; "
        "'test_of_redis': 1 skipped: unit tests test of redis.",
    )
    assert look(world, "tests.named", path="r.xml", cases="unit")[0] is FAILED
    assert look(world, "tests.named", path="r.xml", cases="unit", skipped=True)[0] is PASSED
    verdict, words = look(world, "tests.named", path="r.xml", cases="unit", skipped=True, at_least=2)
    assert verdict is FAILED and wrong in words, "what was skipped is not counted either"


NAMES = {
    "tests": True,
    "unit": True,
    "unit.tests.test_of_postgres": True,
    "test_of_*": True,
    "tests/test_of_postgres": True,
    "postgres": False,
    "test_of_postgre": False,
    "unit.test_of_postgres": False,
    "Unit": False,
    "unit.tests.test_of_postgres.more": False,
}


@pytest.mark.parametrize("name", NAMES)
def test_whole_segments_of_a_name_say_which_tests_are_meant(world: World, name: str) -> None:
    reported(world, results(unit={"test_of_postgres[14.1]": "passed"}))
    verdict, words = look(world, "tests.named", path="r.xml", cases=name)
    assert (verdict is PASSED) is NAMES[name], words
    if not NAMES[name]:
        assert words == f"r.xml: '{name}': 0 passed, 1 at least are wanted."


@pytest.mark.parametrize("cases", ["*", "*.*", "unit, *", " , "])
def test_a_name_that_every_test_bears_names_none(world: World, cases: str) -> None:
    reported(world, results(unit=CASES))
    assert look(world, "tests.named", path="r.xml", cases=cases)[0] is INCONCLUSIVE


def test_none_is_too_few_whatever_is_asked_for(world: World) -> None:
    reported(world, results(unit=CASES))
    assert look(world, "tests.named", path="r.xml", cases="test_of_rabbits", at_least=0)[0] is FAILED


@pytest.mark.parametrize("state", ["failed", "error"])
def test_one_failure_is_not_a_hundred_per_cent(world: World, state: str) -> None:
    reported(world, results(unit={**CASES, "test_of_rabbits": state}))
    verdict, words = look(world, "tests.pass", path="r.xml", skipped=0.5)
    assert verdict is FAILED and "unit tests test of rabbits" in words
    assert look(world, "tests.named", **NAMED)[0] is PASSED


ANOTHER: dict[str, tuple[dict[str, str], str]] = {
    "another build": ({"build": "sha256:2.0.9"}, "it is about sha256:2.0.9, not about 2.1.0"),
    "no build": ({"build": ""}, "it does not say which build it is about"),
    "too old": ({"at": ago(days=8)}, "7d is the limit"),
    "of tomorrow": ({"at": ago(days=-1)}, "which has not come yet"),
    "no date": ({"at": ""}, "it does not say when it was written"),
}


@pytest.mark.parametrize("why", ANOTHER)
def test_a_report_of_another_build_or_of_another_time_proves_nothing(world: World, why: str) -> None:
    changes, words = ANOTHER[why]
    reported(world, {**results(unit=CASES), **changes})
    for check, parameters in (("tests.pass", {"path": "r.xml"}), ("tests.named", NAMED)):
        verdict, told = look(world, check, **parameters)
        assert verdict is FAILED and words in told


def test_a_version_names_the_build_as_well_as_its_digest(world: World) -> None:
    reported(world, {**results(unit=CASES), "build": "2.1.0"})
    assert look(world, "tests.named", **NAMED)[0] is PASSED


WELL = f'timestamp="{ago(hours=1)}"><properties><property name="build" value="2.1.0"/></properties'


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        (f'timestamp="{ago(days=8)}"', "does not say which build"),
        (WELL.replace(ago(hours=1)[:10], ago(days=8)[:10]), "7d is the limit"),
        (WELL.replace("timestamp", "at"), "does not say when"),
        (WELL.replace("2.1.0", "2.0.9"), "it is about 2.0.9"),
        (WELL, ""),
    ],
    # Two processes collect the tests: a time in a name would be another in each.
    ids=["no build", "too old", "no date", "another build", "well"],
)
def test_each_suite_of_a_report_is_of_this_build_and_of_this_week(
    world: World, suite: str, words: str
) -> None:
    """Reports are put together: a fresh suite does not speak for its neighbour."""
    case = "<testcase classname='a' name='test_of_postgres'/>"
    world.write(
        "r.xml",
        f"<testsuites><testsuite name='new' {WELL}>{case}</testsuite>"
        f"<testsuite name='old' {suite}>{case}</testsuite></testsuites>",
    )
    verdict, told = look(world, "tests.named", **NAMED)
    assert (verdict is PASSED) is not bool(words) and words in told, told


def test_a_suite_is_run_against_the_deployment_that_it_says(world: World) -> None:
    told = results(unit={"test_a": "passed"})
    on = {"path": "r.xml", "on": "next"}
    reported(world, told)
    assert look(world, "tests.pass", **on) == (FAILED, "r.xml: no deployment was tested, not d-2.1.0.")
    told["suites"][0]["properties"]["deployment"] = "d-2.0.5"
    reported(world, told)
    assert look(world, "tests.pass", **on) == (FAILED, "r.xml: d-2.0.5 was tested, not d-2.1.0.")
    told["suites"][0]["properties"]["deployment"] = "d-2.1.0"
    reported(world, told)
    assert look(world, "tests.pass", **on)[0] is PASSED


def test_data_are_verified_while_they_are_those_that_tests_looked_at(world: World) -> None:
    lines = []
    for name in ("a.json", "b.json"):
        file = world.write(f"tests/data/{name}", "{}")
        lines.append(f"{sha256(file.read_bytes()).hexdigest()}  tests/data/{name}\n")
    told = results(data={"test_a": "passed", "test_b": "passed"})
    told["suites"][0]["properties"]["test_data"] = sha256("".join(lines).encode()).hexdigest()
    wanted = {"path": "r.xml", "files": "tests/data/*.json", "at_least": 2}
    reported(world, told)
    assert look(world, "tests.data", **wanted) == (
        PASSED,
        "r.xml: 2 cases looked at 2 files of tests/data/*.json, and passed.",
    )
    assert look(world, "tests.data", **{**wanted, "files": "tests/more/*"}) == (
        FAILED,
        "No file is tests/more/*.",
    )
    world.write("tests/data/b.json", "[]")
    verdict, words = look(world, "tests.data", **wanted)
    assert verdict is FAILED and "were looked at, these have" in words
    world.write("tests/data/b.json", "{}")
    told["suites"][0]["cases"]["test_b"] = "skipped"
    reported(world, told)
    assert look(world, "tests.data", **wanted)[0] is FAILED
    (world.root / "r.xml").unlink()
    assert look(world, "tests.data", **wanted)[0] is INCONCLUSIVE


@pytest.mark.parametrize(
    "content", ["", "<testsuites", "<html/>", '<!DOCTYPE a [<!ENTITY b "c">]><testsuite>&b;</testsuite>']
)
def test_what_is_no_report_says_nothing(world: World, content: str) -> None:
    assert look(world, "tests.pass", path="r.xml")[0] is INCONCLUSIVE
    world.write("r.xml", content)
    assert look(world, "tests.pass", path="r.xml")[0] is INCONCLUSIVE


def test_suites_within_suites_hand_their_properties_down(world: World) -> None:
    world.write(
        "r.xml",
        f"""<testsuites><testsuite name="outer"><properties><property name="version">2.1.0</property>
        <property name="browser" value="Safari"/></properties><testsuite name="inner" timestamp="{ago(hours=1)}">
        <testcase classname="a.B" name="it-works"/></testsuite></testsuite></testsuites>""",
    )
    assert look(world, "tests.named", path="r.xml", cases="inner.a.B.it-works")[0] is PASSED
    assert look(world, "tests.matrix", path="r.xml", by="browser", values="safari")[0] is PASSED
    verdict, words = look(world, "tests.matrix", path="r.xml", by="browser", values="safari, firefox")
    assert (verdict, words) == (FAILED, "r.xml: browser firefox: 0 passed, 1 at least are wanted.")


def test_a_stub_has_to_stand_the_very_cases_that_the_real_one_stands(world: World) -> None:
    told = results(
        stub={"test_a": "passed", "test_b": "passed"}, real={"test_a": "passed", "test_b": "passed"}
    )
    for suite in told["suites"]:
        suite["properties"]["against"] = suite["name"]
    alike = {"path": "r.xml", "by": "against", "values": "stub, real"}
    reported(world, told)
    assert look(world, "tests.alike", **alike, at_least=2)[0] is PASSED
    assert look(world, "tests.alike", **alike, at_least=3)[0] is FAILED
    assert look(world, "tests.alike", **{**alike, "values": "stub, stub"})[0] is INCONCLUSIVE
    del told["suites"][1]["cases"]["test_b"]
    reported(world, told)
    verdict, words = look(world, "tests.alike", **alike)
    assert verdict is FAILED and "against real lacks 1: tests test b" in words


def test_coverage_is_counted_line_by_line(world: World) -> None:
    papers = Papers(world)
    papers.put(
        "c.xml", {"at": ago(hours=1), "files": {"src/a/x.py": (86, 100), "src/b/y.py": (0, 0)}}, cobertura
    )
    verdict, words = look(world, "coverage.whole", path="c.xml", above=0.85)
    assert verdict is FAILED and "it does not say which build it is about" in words
    world.label("c.xml")
    assert look(world, "coverage.whole", path="c.xml", above=0.85)[0] is PASSED
    assert look(world, "coverage.whole", path="c.xml", above=0.86)[0] is FAILED
    assert look(world, "coverage.files", path="c.xml", files="*/a/*", at_least=0.86)[0] is PASSED
    assert look(world, "coverage.files", path="c.xml", files="*/a/*", at_least=0.87)[0] is FAILED
    verdict, words = look(world, "coverage.files", path="c.xml", files="*/a/*, */b/*", at_least=0.1)
    assert (verdict, words) == (FAILED, "c.xml: */b/* has no line.")
    assert look(world, "coverage.whole", path="other.xml", above=0.85)[0] is INCONCLUSIVE


def test_coverage_is_read_from_json_too_and_has_a_date(world: World) -> None:
    summary = '{"summary": {"covered_lines": 9, "num_statements": 10, "percent_covered": 99.0}}'
    world.write(
        "c.json",
        f'{{"meta": {{"timestamp": "{ago(hours=1)}"}}, "files": {{"src/a.py": {summary}}}, "totals": {{}}}}',
    )
    world.label("c.json")
    assert look(world, "coverage.whole", path="c.json", above=0.85)[0] is PASSED
    old = f'{{"meta": {{"timestamp": "{ago(days=8)}"}}, "files": {{"src/a.py": {summary}}}}}'
    world.write("c.json", old)
    verdict, words = look(world, "coverage.whole", path="c.json", above=0.85)
    assert (verdict, words) == (FAILED, "c.json: it was written 8d ago; 7d is the limit.")
    (world.root / "c.json.label.json").unlink()
    world.write("c.json", f'{{"files": {{"src/a.py": {summary}}}}}')
    verdict, words = look(world, "coverage.whole", path="c.json", above=0.85)
    assert verdict is FAILED and words.startswith("c.json: it does not say when it was written;")
    world.write("c.json", '{"meta": {"timestamp": "2026"}, "files": {}}')
    assert look(world, "coverage.whole", path="c.json", above=0.85)[0] is FAILED
