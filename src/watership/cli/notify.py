"""watership notify: what people are told of a release, seen before it is sent, tried, sent by hand, and looked up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import click

from watership.cli.desk import acting, at_desk, calling, one
from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import say, show, table
from watership.releases.notices.notice import Kind, Priority

if TYPE_CHECKING:
    from watership.releases.notices.by_hand import Wish
    from watership.releases.notices.comms import Comms
    from watership.releases.notices.notice import Message
    from watership.releases.notices.outbox import Delivery
    from watership.releases.plan import Plan
    from watership.wiring.desk import Desk
    from watership.wiring.sending import Preview

KINDS = [kind for kind in get_args(Kind) if kind != "test"]

kind_argument = click.argument("kind", type=click.Choice(KINDS))
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


def _wish(kind: str, message: str | None, priority: str, ends: str | None = None) -> Wish:
    from watership.releases.notices.by_hand import Wish

    # click has let no other word through
    return Wish(kind=cast("Kind", kind), words=message, priority=cast("Priority", priority), ends=ends)


@notify.command()
@kind_argument
@one
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
    from watership.wiring import sending

    wish = _wish(kind, message, priority)

    async def seen(desk: Desk) -> Preview:
        return await sending.preview(desk, wish, release=release, file=file)

    made = sending.example(wish, file) if example else at_desk(seen)
    if made.invented:
        say(f"the {kind} is an example; give your own with --message")
    if example:
        say("an example: these are nobody's facts")
    subject, shown = made.message.subject, _forms(made.message)
    show({"kind": kind, "subject": subject, **shown}, f"Subject: {subject}\n\n{shown[form]}".rstrip())


def _forms(message: Message) -> dict[str, str]:
    from watership.releases.notices import writing

    return {
        "text": writing.plain(message.text),
        "slack": writing.slack(message.text),
        "html": writing.html(message.text),
        "markdown": message.text,
    }


@notify.command()
@click.argument("channel", nargs=-1)
@comms_option
@acting
def test(channel: tuple[str, ...], file: Path | None, name: str | None, token: str | None) -> int:
    """Send a test message through each CHANNEL (all of them unless given), and show each receiver's word.

    A pager's incident is resolved at once, and a status page is only asked whether it would listen.
    Exit 3 if one refuses it for good, 10 if one cannot be reached.
    """
    from watership.releases.notices.by_hand import require_sender
    from watership.wiring.messages import comms_of
    from watership.wiring.sending import try_out

    async def planned(desk: Desk) -> Plan:
        return desk.folder(None).draft().plan

    caller = calling(name, token)
    require_sender(caller)
    comms = comms_of(None if file else at_desk(planned), file)
    tried = asyncio.run(try_out(read_config(), comms, channel, caller.person))
    rows = [{"channel": each.channel, "state": each.state, "evidence": each.evidence} for each in tried]
    show({"channels": tried}, table(rows, ["channel", "state", "evidence"]))
    states = {each.state for each in tried}
    if "refused" in states:
        return Exit.NOT_OK
    return Exit.DEPENDENCY if "unreachable" in states else Exit.OK


@notify.command()
@kind_argument
@one
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
    from watership.wiring import sending

    wish, caller = _wish(kind, message, priority, ends), calling(name, token)

    async def sent(desk: Desk) -> list[Delivery]:
        return await sending.send(desk, wish, caller, release=release, file=file, to=to, timeout=timeout)

    return _shown(at_desk(sent))


def _shown(deliveries: Sequence[Delivery]) -> int:
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
    from watership.wiring import sending

    caller = calling(name, token)

    async def tried(desk: Desk) -> tuple[list[Delivery], Comms]:
        return await sending.deliver(desk, caller, file=file, timeout=timeout)

    found, comms = at_desk(tried)
    known = {each.id for each in comms.channels}
    for each in found:
        if each.state == "pending" and each.channel not in known:
            say(f"{each.message.id} is for {each.channel}, which is no channel of these comms")
    return _shown(found)


@notify.command()
@one
@click.option(
    "--state",
    type=click.Choice(["pending", "delivered", "refused", "given_up"]),
    help="Only what has come to this.",
)
def log(release: str | None, state: str | None) -> None:
    """Every message and what became of it, channel by channel; of RELEASE, or of all."""

    from watership.wiring import sending

    found = [
        each
        for each in at_desk(sending.log)
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
