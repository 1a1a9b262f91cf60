"""Messages by hand: looked at before they are sent, tried, put out, and delivered here or by whoever delivers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from watership.config import Config
from watership.durable.clock import SystemClock
from watership.errors import BadInput, NotFound
from watership.releases.auditing.audit import Fact
from watership.releases.notices import lint
from watership.releases.notices.by_hand import (
    SENDERS,
    TYPED,
    Wish,
    filled,
    require_true,
    trial,
    wished,
    worded,
)
from watership.releases.notices.comms import Comms
from watership.releases.notices.deliverer import Deliverer, attempted
from watership.releases.notices.notice import Message, Notice
from watership.releases.notices.outbox import Delivery
from watership.releases.notices.situation import Situation
from watership.releases.plan import Plan
from watership.releases.warrant import Caller
from watership.wiring.controller import open_desk
from watership.wiring.desk import Desk
from watership.wiring.incidents import incidents_of
from watership.wiring.messages import SHIPPED, channels, comms_of, looking, outbox, shipped

LOOK_SECONDS: Final = 0.2
"""How often we look whether another process has delivered."""


class Preview(Struct, frozen=True, kw_only=True):
    """What would be sent. `invented`: what it is about is an example, for nobody said it and nothing is wrong."""

    message: Message
    invented: bool


class Trial(Struct, frozen=True, kw_only=True):
    """What came of trying a channel: delivered, refused, or unreachable."""

    channel: str
    state: str
    evidence: str


def example(wish: Wish, file: Path | None) -> Preview:
    """What a wish would look like with an example's facts."""
    return _preview(wish, lint.example(), _own(None, file))


async def preview(desk: Desk, wish: Wish, *, release: str | None, file: Path | None) -> Preview:
    """What would be sent now. Raises Conflict for what has not happened."""
    plan = desk.folder(release).draft().plan
    situation = await _situation(desk, plan)
    require_true(wish.kind, situation)
    return _preview(wish, situation, _own(plan, file))


async def send(
    desk: Desk,
    wish: Wish,
    caller: Caller,
    *,
    release: str | None,
    file: Path | None,
    to: Sequence[str],
    timeout: float,
) -> list[Delivery]:
    """Put a message out in the caller's name and see it delivered. `to`: channels, in place of the comms' own."""
    plan = desk.folder(release).draft().plan
    caller.require(desk.environment.audit, "send messages", *SENDERS, release=plan.release)
    comms, situation = comms_of(plan, file), await _situation(desk, plan)
    require_true(wish.kind, situation)
    if wish.kind in TYPED and wish.words is None:
        raise BadInput(f"What is the {wish.kind}?", fix='Say it: --message "…"')
    notice = _wished(wish, situation, comms)
    chosen = tuple(comms.channel(each).id for each in to) or notice.to
    if not chosen:
        raise BadInput(
            f"Nothing of the kind {wish.kind} is sent by these comms.", fix="Say where: --to CHANNEL"
        )
    message = worded(notice, situation, comms, _text(notice, comms), by=caller.person)
    _put(desk, message, chosen)
    return await _delivered(desk, comms, frozenset({message.id}), timeout)


async def deliver(
    desk: Desk, caller: Caller, *, file: Path | None, timeout: float
) -> tuple[list[Delivery], Comms]:
    """Everything that waits in the outbox, tried once more, and the comms by which it was."""
    caller.require(desk.environment.audit, "send messages", *SENDERS)
    comms = comms_of(None if file else desk.folder(None).draft().plan, file)
    with outbox(desk.places) as box:
        ids = frozenset(each.message.id for each in box.deliveries() if each.state == "pending")
    return await _delivered(desk, comms, ids, timeout), comms


async def log(desk: Desk) -> list[Delivery]:
    """Every message that was ever put out, channel by channel."""
    with outbox(desk.places) as box:
        return list(box.deliveries())


async def try_out(config: Config, comms: Comms, chosen: Sequence[str], person: str) -> list[Trial]:
    """A test message through each channel (all unless chosen); in the audit, where there is an environment."""
    clock = SystemClock()
    names = [comms.channel(each).id for each in chosen] or [each.id for each in comms.channels]
    made = channels(comms, clock.now)

    async def one(name: str) -> Trial:
        state, evidence, _ = await attempted(made[name], trial(name, person, clock.now()))
        return Trial(channel=name, state="unreachable" if state == "pending" else state, evidence=evidence)

    tried = list(await asyncio.gather(*(one(name) for name in names)))
    async with AsyncExitStack() as stack:
        try:
            desk = await stack.enter_async_context(open_desk(config))
        except NotFound:
            return tried
        for each in tried:
            desk.environment.audit.append(person, "notice.tested", asdict(each))
    return tried


async def _situation(desk: Desk, plan: Plan) -> Situation:
    return await looking(desk.environment, desk.store, incidents_of(desk.places), plan)()


def _own(plan: Plan | None, file: Path | None) -> Comms | None:
    """The comms of the file or the plan; None where there are none, for what needs only words."""
    try:
        return comms_of(plan, file)
    except NotFound:
        return None


def _preview(wish: Wish, situation: Situation, comms: Comms | None) -> Preview:
    notice, invented = _wished(wish, situation, comms), False
    if wish.words is None:
        notice, invented = filled(notice, situation)
    return Preview(message=worded(notice, situation, comms, _text(notice, comms)), invented=invented)


def _wished(wish: Wish, situation: Situation, comms: Comms | None) -> Notice:
    return wished(wish, situation, comms, SystemClock().now(), template=SHIPPED[wish.kind])


def _text(notice: Notice, comms: Comms | None) -> str:
    """The template's text: that of the comms, else the shipped one."""
    return (comms.texts.get(notice.template) if comms else None) or shipped(notice.template)


def _put(desk: Desk, message: Message, chosen: tuple[str, ...]) -> None:
    with outbox(desk.places) as box:
        box.put(message, chosen, desk.environment.clock.now())
    facts: dict[str, Fact] = {
        "release": message.release,
        "notice": message.id,
        "kind": message.kind,
        "subject": message.subject,
        "channels": [*chosen],
    }
    desk.environment.audit.append(message.by, "notice.put", facts)


async def _delivered(desk: Desk, comms: Comms, ids: frozenset[str], timeout: float) -> list[Delivery]:
    """By us, unless another process delivers; then it is given a while."""
    environment = desk.environment
    with outbox(desk.places) as box:

        def wanted() -> list[Delivery]:
            return [each for each in box.deliveries() if each.message.id in ids]

        if box.hold():
            made = channels(comms, environment.clock.now)
            deliverer = Deliverer(outbox=box, channels=made, audit=environment.audit, clock=environment.clock)
            await deliverer.attempt(ids)
            return wanted()
        end = environment.clock.monotonic() + timeout
        while environment.clock.monotonic() < end and any(
            each.state == "pending" and not each.attempts for each in wanted()
        ):
            await environment.clock.sleep(LOOK_SECONDS)
        return wanted()
