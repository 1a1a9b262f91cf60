"""A stage is a soak with the share of traffic that it judges: between two shifts of the dial."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from watership.releases.book.lint.place import Step
from watership.releases.book.quantity import percent, spoken
from watership.releases.book.runbook import Runbook, Shift, Soak


class Stage(Struct, frozen=True, kw_only=True):
    """`share`: what next gets meanwhile."""

    path: tuple[Step, ...]
    soak: Soak
    share: float

    @property
    def seconds(self) -> float:
        return self.soak.length

    @property
    def words(self) -> str:
        return f"the soak '{self.soak.id}' ({spoken(self.seconds)} at {percent(self.share)})"


def stages(book: Runbook) -> Iterator[Stage]:
    """The soaks of all phases, in order."""
    share = 0.0
    for p, phase in enumerate(book.phases):
        for i, item in enumerate(phase.items):
            if isinstance(item, Shift):
                share = item.weight
            elif isinstance(item, Soak):
                yield Stage(path=("phases", p, "items", i), soak=item, share=share)
