"""A mark is the text beside a name that says by which epoch it was changed last, and how many changes there were."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from watership.errors import Unavailable

FORM: Final = re.compile(r'"epoch=(\d{1,15}) change=(\d{1,15})"')


class Mark(Struct, frozen=True):
    """`change` makes each mark another one, so that whoever read the one before is told apart."""

    epoch: int = 0
    change: int = 0

    def text(self) -> str:
        """As a TXT record holds it."""
        return f'"epoch={self.epoch} change={self.change}"'

    def after(self, epoch: int) -> Mark:
        """That of the next change."""
        return Mark(epoch, self.change + 1)


def beside(name: str) -> str:
    """Where the mark of a name stands."""
    return f"_watership.{name}"


def mark_of(texts: Sequence[str]) -> Mark:
    """The mark that TXT records tell; the first of all before anybody of ours changed anything.

    Raises Unavailable for other words.
    """
    if not texts:
        return Mark()
    found = FORM.fullmatch(texts[0])
    if len(texts) > 1 or found is None:
        raise Unavailable(
            f"Beside the name stands {', '.join(texts)}, which is no epoch: who may change it is not known.",
            fix="Look who wrote it; then remove the TXT records of _watership.NAME.",
        )
    return Mark(int(found[1]), int(found[2]))
