"""Traits say which of three dangers a tool brings: it reads what strangers wrote, it reads what is private, it acts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

import msgspec

from watership.durable import Effect
from watership.errors import BadInput

Kind = Literal["untrusted", "private"]
"""`untrusted`: strangers may have written it, instructions to the model among it. `private`: it must not get out."""

Reads = Kind | Sequence[Kind]
"""What is read; `()` is neither."""

PRIVATE: Final = "private"
BOTH: Final = frozenset(get_args(Kind))


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """Of one tool. Whatever says nothing brings all three: unknown is never harmless."""

    reads: frozenset[str] = BOTH
    acts: bool = True

    def is_third(self, known: frozenset[str]) -> bool:
        """Whether a call would act for a model that knows, by then, both what strangers wrote and what is private."""
        return self.acts and known >= BOTH


UNDECLARED: Final = Traits()

HARMLESS: Final = Traits(reads=frozenset(), acts=False)
"""Of what asks our own people, and of a sub-agent: what that one reads and does is seen where it does so."""


def traits_of(reads: Reads | None, acts: bool | None, effect: Effect | None, whose: str) -> Traits:
    """What was declared; what was not is taken from the effect, as far as that tells.

    `pure` says that nobody notices a second call, so that it acts on nothing. No effect says what a result holds: it
    counts as both. Raises BadInput for a word that there is not.
    """
    return Traits(
        reads=BOTH if reads is None else kinds(reads, whose),
        acts=effect is not Effect.PURE if acts is None else acts,
    )


def kinds(reads: Reads, whose: str) -> frozenset[str]:
    """The kinds that are meant. Raises BadInput."""
    found = frozenset([reads] if isinstance(reads, str) else reads)
    if unknown := found - BOTH:
        raise BadInput(
            f"The {whose} reads {min(unknown)!r}, which is no kind.",
            fix=f"Kinds: {', '.join(sorted(BOTH))}; or () for neither.",
        )
    return found
