"""Asked: every check that a runbook asks for exists, and takes the parameters that it is given."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from watership.errors import BadInput
from watership.releases.book.imported.skeleton import ATTEST
from watership.releases.book.lint.place import Places, Step
from watership.releases.book.lint.question import CHECKLIST, questions
from watership.releases.book.lint.remark import Remark, remark
from watership.releases.book.quantity import Given, offset
from watership.releases.book.runbook import Runbook
from watership.releases.checks.kind import CheckKind


def remarks(book: Runbook, places: Places, kinds: Mapping[str, CheckKind]) -> Iterator[Remark]:
    for path, name, given in questions(book):
        if name not in kinds:
            close = difflib.get_close_matches(name, list(kinds), n=1)
            hint = (
                f"did you mean '{close[0]}'?" if close else "watership check list names those that are known"
            )
            words = f"no check is of the kind '{name}'; {hint}"
            yield remark("error", "unknown-check", places.of(*path, "check"), words)
            continue
        yield from _parameters(path, kinds[name], given, places)
    yield from _unreasoned(book, places)


def _unreasoned(book: Runbook, places: Places) -> Iterator[Remark]:
    """Points of an import that nobody has looked at since."""
    for s, section in enumerate(book.checklist):
        left = [point for item in section.items for point in item.points if point.attest == ATTEST]
        if left:
            words = (
                f"{len(left)} points of section {section.section} still have the import's words for a reason"
            )
            yield remark("note", "unreasoned", places.of("checklist", s, "items"), words)


def _parameters(
    path: tuple[Step, ...], kind: CheckKind, given: Mapping[str, Given], places: Places
) -> Iterator[Remark]:
    """What is wrong with each parameter by itself, and then what is lacking."""
    for name, value in given.items():
        try:
            known = kind.parameters.get(name)
            # A strange name is refused in the check's own words, which name the nearest.
            kind.bound({name: value}) if known is None else known.taken(value)
        except BadInput as error:
            yield remark("error", "bad-parameter", places.of(*path, "parameters", name), str(error))
    for name in kind.empty(given):
        words = f"'{name}' names nothing: the check would pass whatever there is"
        yield remark("error", "bad-parameter", places.of(*path, "parameters", name), words)
    by = given.get("by")
    if kind.name == CHECKLIST and isinstance(by, str):
        try:
            offset(by)
        except ValueError as error:
            yield remark("error", "bad-parameter", places.of(*path, "parameters", "by"), str(error))
    lacking = [each.name for each in kind.parameters.values() if each.required and each.name not in given]
    if unbounded := kind.unbounded(given):
        yield remark("error", "unbounded", places.of(*path, "check"), unbounded)
    if lacking:
        words = f"the check {kind.name} needs '{', '.join(lacking)}'"
        yield remark("error", "missing-parameter", places.of(*path, "check"), words)
