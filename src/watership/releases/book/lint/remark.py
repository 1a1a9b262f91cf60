"""A remark is what a careful reader says of a line of a runbook, and how much it matters."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from watership.releases.book.lint.place import Place

Weight = Literal["error", "warning", "note"]
"""An error makes the runbook unusable; a warning should be settled; a note is good to know."""


class Remark(Struct, frozen=True, kw_only=True):
    """`rule` names the kind of remark, and is stable."""

    weight: Weight
    rule: str
    file: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.weight}: {self.words} [{self.rule}]"


def remark(weight: Weight, rule: str, place: Place, words: str) -> Remark:
    return Remark(weight=weight, rule=rule, file=place.file, line=place.line, words=words)
