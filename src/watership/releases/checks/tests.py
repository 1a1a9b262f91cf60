"""Tests that were run, by the report of the very run: what it executed, not what it would have."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from watership.errors import BadInput
from watership.releases.book.quantity import listed, percent
from watership.releases.checks.documents import marks
from watership.releases.checks.junit import Case, Results, State, parsed, plain
from watership.releases.checks.kind import check
from watership.releases.checks.reports import WEEK, of_another, report, too_old
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, passed

SHOWN: Final = 5
"""Cases that are named in evidence; more would not be read."""

FEW: Final = 0.05
"""Part of a suite that may be skipped unless it is said otherwise: what another platform has, not what is broken."""

RUN: Final = "Run the suite on this build, and let it write its JUnit report with a property `build`."


@check("tests.pass", good_for="24h", fix=RUN)
async def passing(
    scene: Scene,
    *,
    path: str,
    at_least: int = 1,
    skipped: float = FEW,
    on: str = "",
    younger_than: float = WEEK,
) -> Finding:
    """Of the JUnit report at `path` at least `at_least` cases were executed, none of them failed, and no more than the
    part `skipped` of all were left out.

    The report is about the build that is released (property `build`, `digest` or `version`), and not too old. With `on`
    (live or next) it was run against that very deployment (property `deployment`).
    """
    document, results, wrong = await _read(scene, path, younger_than)
    executed, broken = results.executed(), results.failures()
    left = len(results.cases) - len(executed)
    if len(executed) < at_least:
        wrong.append(f"{len(executed)} cases were executed, {at_least} at least are wanted")
    if broken:
        wrong.append(f"{len(broken)} failed: {_names(broken)}")
    if left > skipped * len(results.cases):
        wrong.append(f"{left} of {len(results.cases)} were skipped; {percent(skipped)} at most may be")
    if on and (elsewhere := _elsewhere(results, scene.side(on).deployment)):
        wrong.append(elsewhere)
    words = f"{len(executed)} cases were executed, none failed, {left} were skipped"
    return _found(path, document, wrong, words, executed=len(executed), skipped=left)


def _elsewhere(results: Results, deployment: str) -> str:
    """Which deployment was tested instead; empty when it was that one."""
    told = sorted({case.properties.get("deployment", "no deployment") for case in results.cases})
    return "" if told == [deployment] else f"{', '.join(told) or 'nothing'} was tested, not {deployment}"


@check("tests.named", good_for="24h", fix=RUN)
async def named(
    scene: Scene,
    *,
    path: str,
    cases: str,
    at_least: int = 1,
    skipped: bool = False,
    younger_than: float = WEEK,
) -> Finding:
    """Each of `cases` (commas between) names suites, classes or tests of the JUnit report by whole segments of their
    names that follow one another (`tests.api.test_jobs`; `*` within a segment stands for anything).

    Of each at least `at_least` were executed and passed, none failed, and none was skipped, unless `skipped` allows it.
    The report is about the build that is released, and not too old.
    """
    wanted = listed(cases)
    if not wanted or any(not set(pattern) - set("*?. ") for pattern in wanted):
        raise BadInput(f"'{cases}' names no tests.", fix='Write: cases: "tests.api.test_jobs, test_sql_*"')
    document, results, wrong = await _read(scene, path, younger_than)
    counts = []
    for pattern in wanted:
        meant = [case for case in results.cases if case.within(pattern)]
        wrong += [f"'{pattern}': {words}" for words in _unlike(meant, at_least, skipped=skipped)]
        counts.append(f"{len(meant)} of '{pattern}'")
    return _found(path, document, wrong, f"executed and passed: {', '.join(counts)}")


@check(
    "tests.data", good_for="24h", fix="Run the suite on these very files, and let it write their digest down."
)
async def data(
    scene: Scene, *, path: str, files: str, at_least: int = 1, younger_than: float = WEEK
) -> Finding:
    """The data that tests are made with are those of `files` (patterns with commas between), as they are now: of the
    cases with the property `test_data` all passed, `at_least` at least, and its value is the digest of those files.

    The digest is what `sha256sum FILE… | sha256sum` prints, the files by name.
    """
    document, results, wrong = await _read(scene, path, younger_than)
    names = sorted({name for each in listed(files) for name in await scene.look.documents.names(each)})
    there = [await scene.look.documents.read(name) for name in names]
    lines = "".join(f"{each.sha256}  {each.path}\n" for each in there if each is not None)
    if not lines:
        return failed(f"No file is {files}.")
    digest = sha256(lines.encode()).hexdigest()
    meant = [case for case in results.cases if "test_data" in case.properties]
    wrong += _unlike(meant, at_least)
    others = sorted({told for case in meant if (told := case.properties["test_data"].strip()) != digest})
    wrong += [f"data with the digest {each[:12]} were looked at, these have {digest[:12]}" for each in others]
    return _found(
        path, document, wrong, f"{len(meant)} cases looked at {len(names)} files of {files}, and passed"
    )


@check("tests.matrix", good_for="24h", fix=RUN)
async def matrix(
    scene: Scene, *, path: str, by: str, values: str, at_least: int = 1, younger_than: float = WEEK
) -> Finding:
    """For each of `values` the JUnit report has executed cases whose property `by` has it, and all of them passed."""
    document, results, wrong = await _read(scene, path, younger_than)
    counts = []
    for value in listed(values):
        meant = _having(results, by, value)
        wrong += [f"{by} {value}: {words}" for words in _unlike(meant, at_least)]
        counts.append(f"{len(meant)} with {value}")
    return _found(path, document, wrong, f"executed and passed by {by}: {', '.join(counts)}")


@check("tests.alike", good_for="24h", fix=RUN)
async def alike(
    scene: Scene, *, path: str, by: str, values: str, at_least: int = 1, younger_than: float = WEEK
) -> Finding:
    """The very same cases, `at_least` of them, were executed and passed for each of `values` (two or more) of the
    property `by`: what stands in for a system behaves as the system does."""
    if len(set(listed(values))) < 2:
        raise BadInput(f"'{values}' alone is like itself.", fix='Write: values: "stub, real"')
    document, results, wrong = await _read(scene, path, younger_than)
    sets = {}
    for value in listed(values):
        meant = _having(results, by, value)
        wrong += [f"{by} {value}: {words}" for words in _unlike(meant, at_least)]
        sets[value] = {plain(case.name.replace(plain(value), "")) for case in meant}
    everything = set().union(*sets.values())
    for value, names in sets.items():
        if lacking := sorted(everything - names):
            wrong.append(f"{by} {value} lacks {len(lacking)}: {', '.join(lacking[:SHOWN])}")
    return _found(path, document, wrong, f"the same {len(everything)} cases passed by {by} with {values}")


async def _read(scene: Scene, path: str, younger_than: float) -> tuple[Document, Results, list[str]]:
    """A report, and what is wrong with it as a whole."""
    document = await report(scene, path)
    results = parsed(document.content, path)
    first, last = results.times()
    wrong = too_old(scene, first, younger_than) or too_old(scene, last, younger_than)
    return document, results, wrong + of_another(scene, results.builds())


def _having(results: Results, by: str, value: str) -> list[Case]:
    return [each for each in results.cases if each.properties.get(by, "").casefold() == value.casefold()]


def _unlike(meant: Sequence[Case], at_least: int, *, skipped: bool = False) -> list[str]:
    """What is wrong with cases of which all are to have run and passed; `skipped` ones may be let off."""
    good = sum(case.state is State.PASSED for case in meant)
    wrong = [f"{good} passed, {max(at_least, 1)} at least are wanted"] if good < max(at_least, 1) else []
    bad = (State.FAILED,) if skipped else (State.FAILED, State.SKIPPED)
    having = {state: [case for case in meant if case.state is state] for state in bad}
    return wrong + [
        f"{len(cases)} {state.value}: {_names(cases)}" for state, cases in having.items() if cases
    ]


def _names(cases: Sequence[Case]) -> str:
    more = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
    return ", ".join(case.name for case in cases[:SHOWN]) + more


def _found(path: str, document: Document, wrong: list[str], words: str, **facts: int) -> Finding:
    if wrong:
        return failed(f"{path}: {'; '.join(wrong)}.")
    return passed(f"{path}: {words}.", **marks(document), **facts)
