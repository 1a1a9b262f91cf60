"""Feeding: something brings each fuse what it watches, and no feed tells what no fuse watches."""

from __future__ import annotations

from collections.abc import Iterator

from watership.releases.book.lint.place import Places
from watership.releases.book.lint.remark import Remark, remark
from watership.releases.book.runbook import Runbook
from watership.releases.judging.feed import expressions, fed
from watership.releases.judging.sources import ALWAYS, BY_PEOPLE, OF_PROCESSES, watched


def remarks(book: Runbook, places: Places) -> Iterator[Remark]:
    there = ALWAYS | OF_PROCESSES | BY_PEOPLE | fed(book.feeds)
    for index, fuse in enumerate(book.fuses):
        if (of := watched(fuse)) not in there:
            words = f"'{fuse.name}' can never blow: nothing shows {of} by itself, and no feed tells it"
            yield remark("warning", "unfed-fuse", places.of("fuses", index), words)
    wanted = {watched(fuse) for fuse in book.fuses}
    for index, feed in enumerate(book.feeds):
        if feed.of not in wanted:
            words = f"no fuse watches {feed.of}: nobody asks this feed"
            yield remark("note", "idle-feed", places.of("feeds", index), words)
        texts = expressions(feed)
        if texts and ("$" in texts["query"]) != ("$" in texts["sampled"]):
            words = f"only one of 'query' and 'sampled' of {feed.of} is about a side: $slot or $deployment"
            yield remark("warning", "uneven-feed", places.of("feeds", index), words)
