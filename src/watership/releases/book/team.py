"""The team: seats with what they answer for, who sits on them, who is called when, and who may decide what."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from watership.errors import BadInput
from watership.releases.book.quantity import Duration
from watership.releases.book.system import Reference

RoleId = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", max_length=60)]
Words = Annotated[str, Meta(min_length=1, max_length=500)]
Power = Literal["go_no_go", "waive", "roll_back_on_criteria", "roll_back_by_decision"]


class Role(Struct, frozen=True, kw_only=True):
    """A seat in the team: what it answers for, and its duties before, during and after the deployment."""

    id: RoleId
    title: str
    duty: str
    may: tuple[Power, ...] = ()
    responsibilities: tuple[Words, ...] = ()
    before: tuple[Words, ...] = ()
    during: tuple[Words, ...] = ()
    after: tuple[Words, ...] = ()


class Authority(Struct, frozen=True, kw_only=True):
    """Who besides the team's roles may order a rollback."""

    id: RoleId
    title: str
    may: Annotated[tuple[Power, ...], Meta(min_length=1)]


class Contact(Struct, frozen=True, kw_only=True):
    """A seat that is called in need, and who sits on it. Telephone numbers are references to secrets."""

    seat: RoleId
    title: Words
    authority: str = ""
    """What the seat decides, where it decides something."""
    person: str = ""
    """Empty: nobody is named yet."""
    phone: Reference = ""
    email: str = ""
    slack: str = ""

    @property
    def reachable(self) -> bool:
        """Whether somebody is named, and can be reached in two ways."""
        return bool(self.person) and sum(map(bool, (self.phone, self.email, self.slack))) >= 2


class OnCall(Struct, frozen=True, kw_only=True):
    """Who is called first, next, and who is told: seats of the contacts."""

    primary: RoleId
    secondary: RoleId
    manager: RoleId
    test_call_within: Duration = 7 * 86400.0
    """How old a test call may be."""


class Level(Struct, frozen=True, kw_only=True):
    """Who is asked after how long, and what they may do."""

    level: Annotated[int, Meta(ge=1, le=9)]
    title: Words
    seat: RoleId
    after: Duration
    powers: tuple[Words, ...]


class Escalation(Struct, frozen=True, kw_only=True):
    """Levels in order, and what makes somebody go up one."""

    levels: Annotated[tuple[Level, ...], Meta(min_length=1)]
    triggers: tuple[Words, ...]

    def __post_init__(self) -> None:
        after = [each.after for each in self.levels]
        if after != sorted(after):
            raise BadInput("The levels of the escalation do not stand in the order of their times.")


class Team(Struct, frozen=True, kw_only=True):
    """The file `team.yaml`."""

    schema: Literal["watership/team/v1"]
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]
    authorities: tuple[Authority, ...] = ()
    contacts: tuple[Contact, ...] = ()
    on_call: OnCall | None = None
    escalation: Escalation | None = None
