"""watership notify: what people are told of a release, seen before it is sent, tried, sent by hand, and looked up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import click

from watership.cli.desk import acting, at_desk, calling
from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import say, show, table
from watership.errors import BadInput, Conflict, NotAllowed, NotFound
from watership.releases.notices.notice import Kind, Priority

if TYPE_CHECKING:
    from watership.releases.auditing.audit import Fact
    from watership.releases.notices.comms import Comms
    from watership.releases.notices.notice import Message, Notice
    from watership.releases.notices.outbox import Delivery
    from watership.releases.notices.situation import Situation
    from watership.releases.plan import Plan
    from watership.releases.warrant import Caller
    from watership.wiring.controller import Desk

KINDS = [kind for kind in get_args(Kind) if kind != "test"]
TYPED = ("issue", "incident")
"""What a person may put into words; everything else is told from facts alone."""
LOOK = "To see the words all the same: watership notify preview KIND --example"
SENDERS = "communication"
"""The role of the runbook whose duty messages are."""

kind_argument = click.argument("kind", type=click.Choice(KINDS))
release_argument = click.argument("release", required=False, metavar="[RELEASE]")
comms_option = click.option(
    "--comms",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Channels and sendings of a file of their own, instead of the plan's.",
)
message_option = click.option("--message", help="What an issue or an incident is, in a line.")
priority_option = click.option(
    "--priority",
    type=click.Choice(get_args(Priority)),
    default="HIGH",
    show_default=True,
    help="Of an issue or an incident.",
)


@click.group()
def notify() -> None:
    """Messages: preview them, try the channels, send one by hand, see what became of each.

    \b
    watership notify preview status
    watership notify test --comms comms.yaml
    watership notify send issue --message "The cache is cold" --priority MEDIUM --to ops --as ada
    watership notify log

    While a release runs its controller sends what is due by itself. By example: docs/messages.md
    """


def _plan(desk: Desk, release: str | None) -> Plan:
    folder = desk.folder(release) if release else desk.latest()
    return folder.draft().plan


async def _situation(desk: Desk, plan: Plan) -> Situation:
    from watership.wiring.incidents import incidents_of
    from watership.wiring.messages import looking

    return await looking(desk.environment, desk.store, incidents_of(desk.places), plan)()


@notify.command()
@kind_argument
@release_argument
@comms_option
@click.option(
    "--example", is_flag=True, help="With an example's facts; no release and no environment is needed."
)
@click.option(
    "--form",
    type=click.Choice(["text", "slack", "html", "markdown"]),
    default="text",
    show_default=True,
    help="How the receiver reads it.",
)
@message_option
@priority_option
def preview(
    kind: str,
    release: str | None,
    file: Path | None,
    example: bool,
    form: str,
    message: str | None,
    priority: str,
) -> None:
    """Show what would be sent of a KIND now, from the facts of RELEASE (the last one unless given). Sends nothing."""
    from watership.releases.notices import lint

    if example:
        made = _composed(cast("Kind", kind), lint.example(), _own(file), message, priority)
        say("an example: these are nobody's facts")
    else:

        async def composed(desk: Desk) -> Message:
            plan = _plan(desk, release)
            situation = await _situation(desk, plan)
            _require_true(kind, situation)
            return _composed(cast("Kind", kind), situation, _own(file, plan), message, priority)

        made = at_desk(composed)
    shown = _forms(made)
    show(
        {"kind": kind, "subject": made.subject, **shown}, f"Subject: {made.subject}\n\n{shown[form]}".rstrip()
    )


def _forms(message: Message) -> dict[str, str]:
    from watership.releases.notices import writing

    return {
        "text": writing.plain(message.text),
        "slack": writing.slack(message.text),
        "html": writing.html(message.text),
        "markdown": message.text,
    }


def _own(file: Path | None, plan: Plan | None = None) -> Comms | None:
    """The comms of the file or the plan; None where there are none, for what needs only words."""
    from watership.wiring.messages import comms_of

    try:
        return comms_of(plan, file)
    except NotFound:
        return None


def _composed(
    kind: Kind, situation: Situation, comms: Comms | None, title: str | None, priority: str
) -> Message:
    """What a notice of this kind would say; of an issue that nobody named an example is shown."""
    from watership.releases.notices.lint import scenes

    notice = _notice(kind, situation, comms, title, priority)
    sample = next(scene for scene in scenes(kind))
    if kind == "issue" and title is None:
        real = next(iter(situation.issues), None)
        notice = _with(notice, issue=real or sample.issue)
        if real is None:
            say("the issue is an example; give your own with --message")
    if kind == "incident" and title is None:
        open_one = next(iter(situation.incidents), None)
        notice = _with(notice, incident=open_one or sample.incident)
        if open_one is None:
            say("the incident is an example; give your own with --message")
    return _worded(notice, situation, comms)


def _with(notice: Notice, **changed: Any) -> Notice:
    from msgspec.structs import replace

    return replace(notice, **changed)


def _notice(
    kind: Kind, situation: Situation, comms: Comms | None, title: str | None, priority: str
) -> Notice:
    """A notice that a person asks for, at this moment."""
    from watership.durable.clock import SystemClock
    from watership.releases.notices.notice import Incident, Issue, Notice
    from watership.wiring.messages import SHIPPED

    if title is not None and kind not in TYPED:
        raise BadInput(
            f"A {kind} message says what is known, and nothing that is typed.",
            fix="Send an issue or an incident with --message.",
        )
    now, urgent = SystemClock().now(), cast("Priority", priority)
    identity = f"by-hand/{kind}/{situation.name}/{now:%Y-%m-%dT%H:%M:%S.%fZ}"
    sendings = comms.of(kind) if comms else ()
    threads = {"rollback": f"rollback/{situation.name}", "issue": identity, "incident": identity}
    return Notice(
        id=identity,
        kind=kind,
        template=sendings[0].template if sendings else SHIPPED[kind],
        to=sendings[0].to if sendings else (),
        at=now,
        thread=threads.get(kind, f"release/{situation.name}"),
        issue=Issue(key=identity, priority=urgent, title=title) if title and kind == "issue" else None,
        incident=(
            Incident(id=identity, priority=urgent, title=title, opened_at=now, opened_by="a person")
            if title and kind == "incident"
            else None
        ),
    )


def _worded(notice: Notice, situation: Situation, comms: Comms | None, by: str = "") -> Message:
    from watership.releases.notices.schedule import next_status
    from watership.releases.notices.template import compose
    from watership.wiring.messages import shipped

    texts: Mapping[str, str] = comms.texts if comms else {}
    text = texts.get(notice.template) or shipped(notice.template)
    following = next_status(comms, situation, notice.at) if comms else None
    return compose(notice, situation, text, notice.at, next_update=following, by=by)


@notify.command()
@click.argument("channel", nargs=-1)
@comms_option
@acting
def test(channel: tuple[str, ...], file: Path | None, name: str | None, token: str | None) -> int:
    """Send a test message through each CHANNEL (all of them unless given), and show each receiver's word.

    A pager's incident is resolved at once, and a status page is only asked whether it would listen.
    Exit 3 if one refuses it for good, 10 if one cannot be reached.
    """
    from watership.wiring.messages import comms_of

    caller = calling(name, token)
    _require_sender(caller)
    comms = comms_of(None if file else at_desk(_latest_plan), file)
    chosen = [comms.channel(each).id for each in channel] or [each.id for each in comms.channels]
    tried = asyncio.run(_tried(comms, chosen, caller.person))
    _record_test(tried, caller.person)
    show({"channels": tried}, table(tried, ["channel", "state", "evidence"]))
    states = {row["state"] for row in tried}
    if "refused" in states:
        return Exit.NOT_OK
    return Exit.DEPENDENCY if "unreachable" in states else Exit.OK


def _require_sender(caller: Caller) -> None:
    """Also where there is no environment yet, and so no audit."""
    from watership.fleet.identity import OPERATOR

    if not caller.open and not any(caller.identity.acts_as(role) for role in (OPERATOR, SENDERS)):
        raise NotAllowed(
            f"To send messages needs the role {OPERATOR} or {SENDERS}; {caller.person} has neither.",
            fix=f"Ask an administrator for a token with --role {SENDERS}.",
        )


async def _latest_plan(desk: Desk) -> Plan:
    return _plan(desk, None)


async def _tried(comms: Comms, chosen: Sequence[str], person: str) -> list[dict[str, str]]:
    from watership.durable.clock import SystemClock
    from watership.releases.notices.deliverer import attempted
    from watership.releases.notices.notice import Message
    from watership.releases.notices.template import plain_words
    from watership.wiring.messages import channels

    clock = SystemClock()
    made = channels(comms, clock.now)

    async def one(name: str) -> dict[str, str]:
        now = clock.now()
        identity = f"test/{name}/{now:%Y-%m-%dT%H:%M:%S.%fZ}"
        message = Message(
            id=identity,
            kind="test",
            release="",
            at=now,
            thread=identity,
            subject=f"Test of the channel {name}",
            text=f"This is a test, by {plain_words(person)}. Nothing has happened, and nothing is to be done.\n",
            by=person,
        )
        state, evidence, _ = await attempted(made[name], message)
        return {
            "channel": name,
            "state": "unreachable" if state == "pending" else state,
            "evidence": evidence,
        }

    return list(await asyncio.gather(*(one(name) for name in chosen)))


def _record_test(tried: Sequence[Mapping[str, str]], person: str) -> None:
    """Into the audit, where there is an environment that has one."""
    from watership.wiring.controller import open_desk

    async def recorded() -> None:
        async with AsyncExitStack() as stack:
            try:
                desk = await stack.enter_async_context(open_desk(read_config()))
            except NotFound:
                return
            for row in tried:
                desk.environment.audit.append(person, "notice.tested", dict(row))

    asyncio.run(recorded())


@notify.command()
@kind_argument
@release_argument
@comms_option
@click.option(
    "--to", multiple=True, metavar="CHANNEL", help="Where; as the sendings of its kind say unless given."
)
@message_option
@priority_option
@click.option("--ends", metavar="THREAD", help="It ends this: a pager resolves it, a status page closes it.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds to wait for a controller that delivers.",
)
@acting
def send(
    kind: str,
    release: str | None,
    file: Path | None,
    to: tuple[str, ...],
    message: str | None,
    priority: str,
    ends: str | None,
    timeout: float,
    name: str | None,
    token: str | None,
) -> int:
    """Send a message of a KIND now, in your name. What it says of RELEASE comes from its facts.

    Exit 3 if a receiver refuses it for good; 10 if one cannot be reached: the message waits in the outbox then.
    """
    caller = calling(name, token)

    async def sent(desk: Desk) -> list[Delivery]:
        from watership.fleet.identity import OPERATOR
        from watership.wiring.messages import comms_of

        plan = _plan(desk, release)
        caller.require(desk.environment.audit, "send messages", OPERATOR, SENDERS, release=plan.release)
        comms, situation = comms_of(plan, file), await _situation(desk, plan)
        _require_true(kind, situation)
        if kind in TYPED and message is None:
            raise BadInput(f"What is the {kind}?", fix='Say it: --message "…"')
        notice = _notice(cast("Kind", kind), situation, comms, message, priority)
        if ends is not None:
            notice = _with(notice, thread=ends, ends=True)
        chosen = tuple(comms.channel(each).id for each in to) or notice.to
        if not chosen:
            raise BadInput(
                f"Nothing of the kind {kind} is sent by these comms.", fix="Say where: --to CHANNEL"
            )
        return await _put(desk, comms, _worded(notice, situation, comms, caller.person), chosen, timeout)

    return _told(at_desk(sent))


def _require_true(kind: str, situation: Situation) -> None:
    """Nobody is told of what has not happened."""
    if kind == "success" and (not situation.promoted or situation.rollback is not None):
        raise Conflict(f"Release {situation.name} is not live: it is {situation.headline}.", fix=LOOK)
    if kind == "rollback" and situation.rollback is None:
        raise Conflict(
            f"Release {situation.name} is not being rolled back: it is {situation.headline}.", fix=LOOK
        )


async def _put(
    desk: Desk, comms: Comms, message: Message, chosen: tuple[str, ...], timeout: float
) -> list[Delivery]:
    from watership.wiring.messages import outbox

    environment = desk.environment
    with outbox(desk.places) as box:
        box.put(message, chosen, environment.clock.now())
        facts: dict[str, Fact] = {
            "release": message.release,
            "notice": message.id,
            "kind": message.kind,
            "subject": message.subject,
            "channels": [*chosen],
        }
        environment.audit.append(message.by, "notice.put", facts)
        return await _delivered(desk, comms, frozenset({message.id}), timeout)


async def _delivered(desk: Desk, comms: Comms, ids: frozenset[str], timeout: float) -> list[Delivery]:
    """By us, unless another process delivers; then it is given a while."""
    from watership.releases.notices.deliverer import Deliverer
    from watership.wiring.messages import channels, outbox

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
            await environment.clock.sleep(0.2)
        return wanted()


def _told(deliveries: Sequence[Delivery]) -> int:
    rows = [_row(each) for each in deliveries]
    show({"deliveries": rows}, table(rows, ["channel", "state", "attempts", "evidence"]))
    states = {each.state for each in deliveries}
    if states & {"refused", "given_up"}:
        return Exit.NOT_OK
    if "pending" in states:
        say(
            "what is pending waits in the outbox: a release's controller delivers it, or: watership notify deliver"
        )
        return Exit.DEPENDENCY
    return Exit.OK


@notify.command()
@comms_option
@click.option("--timeout", type=click.FloatRange(min=0), default=30.0, show_default=True)
@acting
def deliver(file: Path | None, timeout: float, name: str | None, token: str | None) -> int:
    """Try everything that waits in the outbox once more, now. While a controller runs it does so by itself."""
    caller = calling(name, token)

    async def tried(desk: Desk) -> list[Delivery]:
        from watership.fleet.identity import OPERATOR
        from watership.wiring.messages import comms_of, outbox

        caller.require(desk.environment.audit, "send messages", OPERATOR, SENDERS)
        comms = comms_of(None if file else _plan(desk, None), file)
        with outbox(desk.places) as box:
            ids = frozenset(each.message.id for each in box.deliveries() if each.state == "pending")
        found = await _delivered(desk, comms, ids, timeout)
        known = {each.id for each in comms.channels}
        for each in found:
            if each.state == "pending" and each.channel not in known:
                say(f"{each.message.id} is for {each.channel}, which is no channel of these comms")
        return found

    return _told(at_desk(tried))


@notify.command()
@release_argument
@click.option(
    "--state",
    type=click.Choice(["pending", "delivered", "refused", "given_up"]),
    help="Only what has come to this.",
)
def log(release: str | None, state: str | None) -> None:
    """Every message and what became of it, channel by channel; of RELEASE, or of all."""

    async def listed(desk: Desk) -> list[Delivery]:
        from watership.wiring.messages import outbox

        with outbox(desk.places) as box:
            return list(box.deliveries())

    found = [
        each
        for each in at_desk(listed)
        if release in (None, each.message.release) and state in (None, each.state)
    ]
    rows = [_row(each) for each in found]
    columns = ["at", "kind", "channel", "state", "attempts", "subject", "evidence"]
    show({"messages": [_whole(each) for each in found]}, table(rows, columns))


def _row(delivery: Delivery) -> dict[str, object]:
    message = delivery.message
    return {
        "at": _minute(delivery.put_at),
        "id": message.id,
        "kind": message.kind,
        "channel": delivery.channel,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "subject": message.subject,
        "evidence": delivery.evidence,
    }


def _whole(delivery: Delivery) -> dict[str, object]:
    message = delivery.message
    return {
        **_row(delivery),
        "at": delivery.put_at,
        "tried_at": delivery.tried_at,
        "release": message.release,
        "thread": message.thread,
        "priority": message.priority,
        "by": message.by,
        "text": message.text,
    }


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
