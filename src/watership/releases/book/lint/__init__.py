"""A lint reads a runbook as a careful colleague would, and says of each line what will not work as it looks."""

from __future__ import annotations

from collections.abc import Mapping

from watership.releases.book.lint import asked, entrance, feeding, people, reach, sight, threshold, words
from watership.releases.book.lint.place import Places
from watership.releases.book.lint.remark import Remark
from watership.releases.book.shelf import Source
from watership.releases.checks.kind import CheckKind

WEIGHTS = ("error", "warning", "note")


def linted(
    source: Source, kinds: Mapping[str, CheckKind], per_second: float | None = None
) -> tuple[Remark, ...]:
    """What is to be said of a runbook, file by file and line by line.

    `kinds`: the checks that are known. `per_second`: the requests to expect; without it nobody says of a soak
    whether it is long enough.
    """
    book, places = source.runbook, Places(source)
    found = [
        *asked.remarks(book, places, kinds),
        *threshold.remarks(book, places),
        *feeding.remarks(book, places),
        *sight.remarks(book, places, per_second),
        *reach.remarks(book, places),
        *entrance.remarks(book, places),
        *people.remarks(book, places),
        *words.remarks(book),
    ]
    order = list(source.files)
    return tuple(
        sorted(found, key=lambda each: (order.index(each.file), each.line, WEIGHTS.index(each.weight)))
    )


__all__ = ["Remark", "linted"]
