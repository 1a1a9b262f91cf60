"""The dial is a router, never a name: a name chooses the balancer before traffic moves, and is no way back."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from watership.releases.book.runbook import Repoint, Runbook, Shift, Ttl


class Astray(Struct, frozen=True, kw_only=True):
    """An item of a phase by which a release would depend on what resolvers keep. `rule` is the lint's."""

    path: tuple[str | int, ...]
    rule: str
    words: str
    unusable: bool


def astray(book: Runbook) -> Iterator[Astray]:
    """What of the runbook would have DNS do what DNS cannot."""
    items = [
        (("phases", p, "items", i), item)
        for p, phase in enumerate(book.phases)
        for i, item in enumerate(phase.items)
    ]
    shifts = [number for number, (_, item) in enumerate(items) if isinstance(item, Shift)]
    timed: set[str] = set()
    for number, (path, item) in enumerate(items):
        if isinstance(item, Ttl):
            timed.add(item.of)
        if not isinstance(item, Repoint):
            continue
        if not shifts:
            words = (
                f"'{item.id}' is the only thing that moves traffic: DNS has no way back that takes seconds. "
                f"Let it lead to a balancer before both slots, and shift there"
            )
            yield Astray(path=path, rule="dns-alone", words=words, unusable=True)
        elif number > shifts[0]:
            words = (
                f"'{item.id}' moves the name after '{items[shifts[0]][1].id}' has moved traffic: a rollback would wait "
                f"for resolvers. Move it before"
            )
            yield Astray(path=path, rule="dns-on-the-way-back", words=words, unusable=True)
        if item.of not in timed:
            words = f"nothing lowers the TTL of '{item.of}' before '{item.id}' moves it: `do: ttl`, one old TTL ahead"
            yield Astray(path=path, rule="ttl-not-lowered", words=words, unusable=False)
