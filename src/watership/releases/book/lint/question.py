"""A question is a check that a runbook asks for: where, of what kind, and with which parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from watership.releases.book.lint.place import Step
from watership.releases.book.quantity import Given
from watership.releases.book.runbook import Check, Runbook

SIGNOFFS: Final = "signoffs.complete"
CHECKLIST: Final = "checklist.complete"
DECIDED: Final = "gate.decided"
"""The checks by which phases ask for what people and programs put on record."""

Question = tuple[tuple[Step, ...], str, Mapping[str, Given]]
"""The path of a check, its kind, and its parameters."""


def questions(book: Runbook) -> Iterator[Question]:
    """Every check that the runbook asks for, in its phases, its checklist and its validations."""
    for p, phase in enumerate(book.phases):
        for i, item in enumerate(phase.items):
            if isinstance(item, Check):
                yield ("phases", p, "items", i), item.check, item.parameters
    for s, section in enumerate(book.checklist):
        for i, entry in enumerate(section.items):
            for n, point in enumerate(entry.points):
                if point.check is not None:
                    yield ("checklist", s, "items", i, "points", n), point.check, point.parameters
    for v, validation in enumerate(book.validations):
        for n, point in enumerate(validation.points):
            if point.check is not None:
                yield ("validations", v, "points", n), point.check, point.parameters
