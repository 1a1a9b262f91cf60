"""Entrance: a name is moved before traffic is, with its TTL lowered, and is on no rollback's path."""

from __future__ import annotations

from collections.abc import Iterator

from watership.releases.book.dial import astray
from watership.releases.book.lint.place import Places
from watership.releases.book.lint.remark import Remark, remark
from watership.releases.book.runbook import Runbook


def remarks(book: Runbook, places: Places) -> Iterator[Remark]:
    for each in astray(book):
        yield remark("error" if each.unusable else "warning", each.rule, places.of(*each.path), each.words)
