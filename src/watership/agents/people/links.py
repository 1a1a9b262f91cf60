"""A link lets one person give one answer, until it expires: a signed token that is good for nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, timedelta
from typing import Final

import msgspec

from watership.agents.messages import Answered, Messages
from watership.agents.people.answering import NotYours, the_wait
from watership.agents.people.question import Question, question_of, seen_of
from watership.durable.clock import Clock
from watership.durable.ids import Key, RunId
from watership.durable.run import Run, Waiting
from watership.errors import BadInput
from watership.fleet.identity import ADMIN, Identity, Kind, Tokens, Unauthenticated, identity_of

LINK: Final = Kind("watership-link+jwt", "watership-link")

LONGEST_MINUTES: Final = 7 * 24 * 60
"""A link lies in a mailbox, and whoever has it is that person."""


class BadLink(BadInput):
    """A link that proves nothing."""

    code = "bad_link"


class LinkExpired(BadLink):
    """A link that was good once."""

    code = "link_expired"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Who may answer what, at which place of which run, and who says so."""

    identity: Identity
    run_id: RunId
    key: Key
    seen: str
    by: str

    @property
    def via(self) -> str:
        return f"a link from {self.by}"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a link's person is shown: the question while it is asked, or else who answered it, if anybody did."""

    link: Link
    run: Run
    waiting: Waiting | None
    question: Question | None
    answered_by: str | None


class Links:
    """Makes links and follows them. Without `tokens` there is nothing to sign them with."""

    def __init__(self, messages: Messages, tokens: Tokens | None, clock: Clock) -> None:
        self._messages = messages
        self._tokens = tokens
        self._clock = clock

    async def issue(
        self,
        run_id: RunId,
        caller: Identity,
        *,
        person: str,
        roles: Collection[str] = (),
        minutes: int,
        wait: str | None = None,
    ) -> tuple[str, Link]:
        """A link to what the run asks now. For oneself by whoever may answer; for others, with roles, by an admin.

        It never proves more than its maker could: the roles of one's own are one's own, and it ends with one's token.
        """
        if self._tokens is None:
            raise BadInput("There is no secret to sign a link with.", fix="Set WATERSHIP_SECRET.")
        if not 1 <= minutes <= LONGEST_MINUTES:
            raise BadInput(f"A link lives for 1 to {LONGEST_MINUTES:,} minutes; got {minutes:,}.")
        run = await self._messages.get(run_id, caller)
        waiting = the_wait(run, "signal", wait)
        question = question_of(waiting)
        if question is None:
            raise BadInput(f"{waiting.key} of run {run.id} asks no person anything.")
        identity = self._whose(caller, person, roles, timedelta(minutes=minutes))
        if objection := question.may.objection(identity, run.principal):
            raise NotYours(
                f"{objection}.", fix="Make the link for somebody who may answer, with their --role."
            )
        link = Link(
            identity=identity,
            run_id=run.id,
            key=waiting.key,
            seen=seen_of(run.id, waiting),
            by=caller.person,
        )
        return self._tokens.sign(self._claims(link), LINK), link

    def read(self, token: str) -> Link:
        """The link that a token is. Raises BadLink, or LinkExpired."""
        if self._tokens is None:
            raise BadLink("This service has no secret, and made no links.")
        try:
            claims = self._tokens.open(token, LINK)
            identity = identity_of(claims)
        except Unauthenticated as error:
            ask = "Ask whoever sent it for a new one."
            if error.reason == "it has expired":
                raise LinkExpired("This link has expired.", fix=ask) from None
            raise BadLink(f"This link is not one of ours: {error.reason}.", fix=ask) from None
        return Link(
            identity=identity,
            run_id=RunId(_text(claims, "run")),
            key=Key(_text(claims, "wait")),
            seen=_text(claims, "seen"),
            by=_text(claims, "by"),
        )

    async def show(self, token: str) -> Shown:
        """What the link is about. Changes nothing, however often it is followed."""
        link = self.read(token)
        run = await self._messages.get(link.run_id, link.identity)
        waiting = next((one for one in run.waits if seen_of(run.id, one) == link.seen), None)
        return Shown(
            link=link,
            run=run,
            waiting=waiting,
            question=None if waiting is None else question_of(waiting),
            answered_by=await self._messages.answered_by(run.id, link.identity, link.seen),
        )

    async def answer(self, token: str, value: msgspec.Raw) -> Answered:
        """The answer of the link's person to what it was made for. Once: another one is told whose stands."""
        link = self.read(token)
        return await self._messages.answer(
            link.run_id, link.identity, wait=link.key, value=value, seen=link.seen, via=link.via
        )

    def _whose(self, caller: Identity, person: str, roles: Collection[str], lifetime: timedelta) -> Identity:
        ends = self._clock.now() + lifetime
        if person == caller.person and not roles:
            return Identity(
                person=person,
                tenant=caller.tenant,
                roles=caller.roles,
                expires_at=min(ends, caller.expires_at),
            )
        caller.require(ADMIN)
        return Identity(person=person, tenant=caller.tenant, roles=frozenset(roles), expires_at=ends)

    def _claims(self, link: Link) -> Mapping[str, object]:
        now = int(self._clock.now().timestamp())
        return {
            "sub": link.identity.person,
            "tenant": link.identity.tenant,
            "roles": sorted(link.identity.roles),
            "iat": now,
            "nbf": now,
            "exp": max(now + 1, int(link.identity.expires_at.astimezone(UTC).timestamp())),
            "run": link.run_id,
            "wait": link.key,
            "seen": link.seen,
            "by": link.by,
        }


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise BadLink(f"This link is not one of ours: it does not say its {name}.")
    return value
