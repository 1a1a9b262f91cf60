"""Unnamed: a check asks a system that is not named where the checks find theirs, or whose secret is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from watership.releases.book.lint.place import Places
from watership.releases.book.lint.question import questions
from watership.releases.book.lint.remark import Remark, remark
from watership.releases.book.shelf import Source
from watership.releases.book.system import System
from watership.releases.checks.kind import CheckKind
from watership.releases.readiness.unseen import asks, lacks


def remarks(
    source: Source,
    systems: Mapping[str, System],
    wanting: Mapping[str, str],
    kinds: Mapping[str, CheckKind],
) -> Iterator[Remark]:
    """Items of phases first, for each of them ends a release; then points. `wanting`: why a secret is missing."""
    places = Places(source)
    for path, kind, given in questions(source.runbook):
        for name, words in lacks(asks(kind, given, kinds), systems, wanting).items():
            ends = ", which ends the release when it comes to it" if path[0] == "phases" else ""
            rule = "unread-secret" if name in wanting else "unnamed-system"
            yield remark(
                "warning",
                rule,
                places.of(*path, "check"),
                f"{kind} asks what is not known here: {words}{ends}",
            )
