"""An audience says who may answer: roles, people by name, and whether whoever started the run is one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from watership.errors import BadInput
from watership.fleet.identity import NAME_CHARACTERS, WRITER, Identity

PERSON: Final = "@"
"""What a person's name begins with, where it stands beside the names of roles: `@ada`."""

NAMES: Final = 50
"""Names in one audience; more people than that are a role."""

Who = str | Sequence[str]
"""Role names, and people as `@name`; one, or several of which each may."""


class Audience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who may answer. Without names it is whoever may write; `requester`: also whoever started the run."""

    by: tuple[str, ...] = ()
    requester: bool = True

    def objection(self, identity: Identity, requester: str) -> str:
        """Why this identity may not answer; empty where it may. Only what the identity proves counts."""
        if not self.requester and identity.person == requester:
            return f"{identity.person} started the run, and whoever started it may not answer this"
        names = self.by or (WRITER,)
        if any(_is(identity, name) for name in names):
            return ""
        has = ", ".join(sorted(identity.roles)) or "no role"
        return f"{' or '.join(names)} may answer this, and {identity.person} is not ({has})"

    def __str__(self) -> str:
        names = ", ".join(self.by) or "whoever may write"
        return names if self.requester else f"{names}, but not whoever started the run"


ANYBODY: Final = Audience()


def audience(by: Who, requester: bool | None) -> Audience:
    """The audience that is meant. Unless it is said otherwise, a role leaves out whoever started the run."""
    names = (by,) if isinstance(by, str) else tuple(by)
    if len(names) > NAMES:
        raise BadInput(
            f"{len(names)} names may answer; {NAMES} is the limit.", fix="Give those people a role."
        )
    for name in names:
        bare = name.removeprefix(PERSON)
        if not 0 < len(bare) <= NAME_CHARACTERS or not bare.isprintable() or bare != bare.strip():
            raise BadInput(
                f"{name!r} names nobody who may answer.", fix='Name a role, or a person as "@ada".'
            )
    by_role = any(not name.startswith(PERSON) for name in names)
    whether = not by_role if requester is None else requester
    # The one default, which is left out of what people are shown.
    return Audience(by=names, requester=whether) if names or not whether else ANYBODY


def _is(identity: Identity, name: str) -> bool:
    return name == PERSON + identity.person if name.startswith(PERSON) else identity.acts_as(name)
