"""Tests that were run, by the report of the very run: what it executed, not what it would have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watership.releases.book.quantity import listed
from watership.releases.checks.documents import marks
from watership.releases.checks.junit import Case, Results, State, parsed, plain
from watership.releases.checks.kind import check
from watership.releases.checks.reports import WEEK, of_another, report, too_old
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, passed

SHOWN: Final = 5
"""Cases that are named in evidence; more would not be read."""

RUN: Final = "Run the suite on this build, and let it write its JUnit report with a property `build`."


@check("tests.pass", good_for="24h", fix=RUN)
async def passing(scene: Scene, *, path: str, at_least: int = 1, younger_than: float = WEEK) -> Finding:
    """Of the JUnit report at `path` at least `at_least` cases were executed, and none of them failed.

    The report is about the build that is released (property `build`, `digest` or `version`), and not too old.
    """
    document, results, wrong = await _read(scene, path, younger_than)
    executed, broken = results.executed(), results.failures()
    if len(executed) < at_least:
        wrong.append(f"{len(executed)} cases were executed, {at_least} at least are wanted")
    if broken:
        wrong.append(f"{len(broken)} failed: {_names(broken)}")
    skipped = len(results.cases) - len(executed)
    words = f"{len(executed)} cases were executed, none failed, {skipped} were skipped"
    return _found(path, document, wrong, words, executed=len(executed), skipped=skipped)


@check("tests.named", good_for="24h", fix=RUN)
async def named(
    scene: Scene, *, path: str, cases: str, at_least: int = 1, younger_than: float = WEEK
) -> Finding:
    """Of each of `cases` (words with commas between) at least `at_least` cases of the JUnit report bear the words in
    their name, were executed and passed; none that bears them was skipped."""
    document, results, wrong = await _read(scene, path, younger_than)
    counts = []
    for word in listed(cases):
        meant = [case for case in results.cases if plain(word) in case.name]
        wrong += [f"'{word}': {words}" for words in _unlike(meant, at_least)]
        counts.append(f"{len(meant)} of '{word}'")
    return _found(path, document, wrong, f"executed and passed: {', '.join(counts)}")


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
async def alike(scene: Scene, *, path: str, by: str, values: str, younger_than: float = WEEK) -> Finding:
    """The very same cases were executed and passed for each of `values` of the property `by`: what stands in for a
    system behaves as the system does."""
    document, results, wrong = await _read(scene, path, younger_than)
    sets = {}
    for value in listed(values):
        meant = _having(results, by, value)
        wrong += [f"{by} {value}: {words}" for words in _unlike(meant, 1)]
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
    return document, results, too_old(scene, results.at, younger_than) + of_another(scene, results.builds)


def _having(results: Results, by: str, value: str) -> list[Case]:
    return [each for each in results.cases if each.properties.get(by, "").casefold() == value.casefold()]


def _unlike(meant: Sequence[Case], at_least: int) -> list[str]:
    """What is wrong with cases of which all are to have run and passed."""
    wrong = [f"{len(meant)} cases, {at_least} at least are wanted"] if len(meant) < at_least else []
    for state, words in ((State.FAILED, "failed"), (State.SKIPPED, "skipped")):
        if having := [case for case in meant if case.state is state]:
            wrong.append(f"{len(having)} {words}: {_names(having)}")
    return wrong


def _names(cases: Sequence[Case]) -> str:
    more = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
    return ", ".join(case.name for case in cases[:SHOWN]) + more


def _found(path: str, document: Document, wrong: list[str], words: str, **facts: int) -> Finding:
    if wrong:
        return failed(f"{path}: {'; '.join(wrong)}.")
    return passed(f"{path}: {words}.", **marks(document), **facts)
