"""A message that was put is delivered, whatever becomes of receivers and processes; nobody waits for a dead one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.adapters.channels.words import a_message
from tests.releases.notices.leaping import Held, LeapingClock
from tests.releases.notices.scenes import NOON, AuditList, NobodyAsks, comms, running
from watership.adapters.channels.jira import JiraChannel
from watership.adapters.channels.mail import MailChannel
from watership.adapters.channels.pagerduty import PagerDutyChannel
from watership.adapters.channels.slack import SlackChannel
from watership.adapters.channels.statuspage import StatuspageChannel
from watership.adapters.channels.voice import VoiceChannel
from watership.adapters.channels.webhook import WebhookChannel
from watership.adapters.files.appending import Illegible
from watership.adapters.files.outbox import OutboxFile
from watership.adapters.files.secrets import ReferredSecrets
from watership.durable.scrubbing import keep_out
from watership.errors import BadInput, Unavailable
from watership.releases.complaints import Complaints
from watership.releases.notices.comms import (
    Email,
    Jira,
    PagerDuty,
    Slack,
    Statuspage,
    Voice,
    Webhook,
)
from watership.releases.notices.deliverer import Channel, Deliverer, attempted
from watership.releases.notices.messenger import Messenger
from watership.releases.notices.notice import Message
from watership.releases.notices.outbox import (
    GIVE_UP_SECONDS,
    OPEN,
    Box,
    Delivery,
    Line,
    Put,
    State,
    Tried,
    again_at,
    folded,
    next_up,
)
from watership.releases.notices.situation import Situation
from watership.testing import VirtualClock, run_in_virtual_time
from watership.testing.receivers import (
    JiraReceiver,
    PagerDutyReceiver,
    SlackReceiver,
    SmtpReceiver,
    StatuspageReceiver,
    WebhookReceiver,
)
from watership.testing.receivers.jira import TOKEN

SECRETS = ReferredSecrets(Path.cwd(), os.environ)

FIVE_MINUTES = 300.0
MOST = 60.0
"""Seconds within which a receiver that is back is noticed."""


class Scripted:
    """A channel that does what it is told; `said` is what it delivered, and when."""

    timeout = 10.0

    def __init__(self, clock: VirtualClock) -> None:
        self.does: Callable[[Message], str | BaseException | float] = lambda message: "ok"
        self.said: list[tuple[str, float]] = []
        self.tried: list[tuple[str, float]] = []
        self._clock = clock

    async def send(self, message: Message) -> str:
        now = self._clock.monotonic()
        self.tried.append((message.id, now))
        match self.does(message):
            case BaseException() as error:
                raise error
            case float() as seconds:
                await asyncio.sleep(seconds)
        self.said.append((message.id, now))
        return "ok"


class Failing:
    """A channel with a fault of its own."""

    timeout = 10.0

    def __init__(self, words: str) -> None:
        self._words = words

    async def send(self, message: Message) -> str:
        raise RuntimeError(self._words)


@dataclass
class World:
    """An outbox with two channels, in virtual time."""

    clock: VirtualClock
    outbox: OutboxFile
    audit: AuditList
    ops: Scripted
    mail: Scripted

    def deliverer(self) -> Deliverer:
        channels: dict[str, Channel] = {"ops": self.ops, "mail": self.mail}
        return Deliverer(outbox=self.outbox, channels=channels, audit=self.audit, clock=self.clock)

    def put(self, *names: str, to: tuple[str, ...] = ("ops", "mail"), **more: Any) -> None:
        for name in names:
            self.outbox.put(a_message("issue", name, **more), to, self.clock.now())

    def states(self) -> dict[tuple[str, str], str]:
        return {(each.message.id, each.channel): each.state for each in self.outbox.deliveries()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = VirtualClock()
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:
        yield World(clock, outbox, AuditList(), Scripted(clock), Scripted(clock))


def replaced(world: World, outbox: OutboxFile) -> World:
    return World(world.clock, outbox, world.audit, world.ops, world.mail)


def during(world: World, seconds: float, then: Callable[[], None] = lambda: None) -> None:
    """Deliver for so many seconds of virtual time; `then` happens half-way."""

    async def main() -> None:
        running = asyncio.create_task(world.deliverer().run())
        await asyncio.sleep(seconds / 2)
        then()
        await asyncio.sleep(seconds / 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_in_virtual_time(main, start=NOON, limit_steps=100_000_000)


def putting(world: World, *names: str, **more: Any) -> None:
    async def main() -> None:
        world.put(*names, **more)

    run_in_virtual_time(main, start=NOON)


def test_a_channel_that_is_dead_delays_no_other(world: World) -> None:
    world.mail.does = lambda message: 1e9
    putting(world, "a", "b")
    during(world, 40.0)
    assert [name for name, _ in world.ops.said] == ["a", "b"]
    assert world.ops.said[-1][1] < 1.0
    assert world.states()["a", "mail"] == "pending"
    assert "notice.failed" in world.audit.actions()
    assert ("no answer within 10 s") in str(world.audit.kept)


def test_a_receiver_that_is_back_gets_everything_within_a_minute_and_was_not_stormed(world: World) -> None:
    world.ops.does = lambda message: Unavailable("down")
    putting(world, "a", "b", "c", to=("ops",))
    back = lambda: setattr(world.ops, "does", lambda message: "ok")  # noqa: E731
    during(world, 2 * FIVE_MINUTES, back)
    assert sorted(name for name, _ in world.ops.said) == ["a", "b", "c"]
    assert all(FIVE_MINUTES <= when <= FIVE_MINUTES + MOST + 1 for _, when in world.ops.said)
    assert len(world.ops.tried) < 25


def test_a_receiver_that_asks_for_a_pause_gets_it(world: World) -> None:
    world.ops.does = lambda message: Unavailable("busy", retry_after=120.0)
    putting(world, "a", "b", to=("ops",))
    during(world, 200.0)
    assert [when for _, when in world.ops.tried] == [0.0, 120.0]


def test_a_message_that_a_receiver_never_takes_keeps_none_from_it(world: World) -> None:
    """By a refusal, and by an error that looks as if it would pass."""
    broken = {"a": BadInput("invalid_blocks"), "b": Unavailable("500")}
    world.ops.does = lambda message: broken.get(message.id, "ok")
    putting(world, "a", "b", "c", to=("ops",))
    during(world, 120.0)
    assert world.states() == {("a", "ops"): "refused", ("b", "ops"): "pending", ("c", "ops"): "delivered"}
    assert world.audit.kept[0][0] == "notice.refused"


def test_what_cannot_be_delivered_for_a_day_is_given_up_and_told(world: World) -> None:
    world.ops.does = lambda message: Unavailable("gone for good")
    almost = NOON - timedelta(seconds=GIVE_UP_SECONDS - 100)
    world.outbox.put(a_message("issue", "a"), ("ops", "nowhere"), almost)
    during(world, 400.0, lambda: setattr(world.ops, "does", lambda message: "ok"))
    assert world.states() == {("a", "ops"): "given_up", ("a", "nowhere"): "given_up"}
    given_up = [facts for action, facts in world.audit.kept if action == "notice.given_up"]
    assert [(facts["channel"], "gone for good" in str(facts["evidence"])) for facts in given_up] == [
        ("ops", True),
        ("nowhere", False),
    ]
    assert world.ops.said == []


def test_a_deliverer_that_was_killed_leaves_nothing_behind_and_another_goes_on(
    world: World, tmp_path: Path
) -> None:
    world.mail.does = lambda message: Unavailable("down")
    putting(world, "a", "b")
    during(world, 10.0)
    with OutboxFile(tmp_path / "outbox.jsonl") as again:
        fresh = World(world.clock, again, world.audit, Scripted(world.clock), Scripted(world.clock))
        during(fresh, 10.0)
        assert fresh.ops.said == []
        assert sorted(name for name, _ in fresh.mail.said) == ["a", "b"]


class FullAtFirst(OutboxFile):
    """Its disk is full when the first outcome is to be written down."""

    full = True

    def mark(self, delivery: Delivery, state: State, evidence: str, at: datetime) -> Delivery:
        if self.full:
            self.full = False
            raise OSError(28, "No space left on device")
        return super().mark(delivery, state, evidence, at)


def test_a_message_that_went_out_is_not_repeated_because_that_could_not_be_written_down(
    world: World, tmp_path: Path
) -> None:
    putting(world, "a", to=("ops",))

    async def main() -> None:
        with FullAtFirst(tmp_path / "outbox.jsonl") as outbox:
            deliverer = replaced(world, outbox).deliverer()
            with pytest.raises(ExceptionGroup):
                await deliverer.attempt(frozenset({"a"}))
            await deliverer.attempt(frozenset({"a"}))

    run_in_virtual_time(main, start=NOON)
    assert len(world.ops.said) == 1
    assert world.states() == {("a", "ops"): "delivered"}


async def test_a_secret_that_a_failure_holds_is_not_written_down() -> None:
    keep_out("env:SLACK", "https://hooks.example.com/very-secret")
    state, evidence, _ = await attempted(
        Failing("cannot reach https://hooks.example.com/very-secret"), a_message()
    )
    assert (state, evidence) == ("pending", "RuntimeError: cannot reach [secret env:SLACK]")


def test_what_was_tried_least_goes_first_to_a_channel_that_failed_and_the_oldest_to_one_that_works() -> None:
    def delivery(name: str, attempts: int, **more: Any) -> Delivery:
        return Delivery(
            message=a_message("issue", name, **more), channel="ops", put_at=NOON, attempts=attempts
        )

    tried, calm, urgent = delivery("a", 3), delivery("b", 0), delivery("c", 0, priority="CRITICAL")
    failed = Line(failures=1, failed_at=NOON)
    assert next_up([tried, calm, urgent], OPEN, "ops", NOON) == calm
    assert next_up([tried, calm, urgent], failed, "ops", NOON) == urgent
    assert next_up([tried], failed, "ops", NOON) is None
    assert next_up([urgent], replace(failed, asked_for=30.0), "ops", NOON) is None
    worst = again_at(Line(failures=2000, failed_at=NOON), "ops")
    assert worst is not None and 30 <= (worst - NOON).total_seconds() <= MOST


# --- the file ---------------------------------------------------------------------------------------------------


def test_an_outbox_takes_a_message_once_for_each_channel_whoever_puts_it(tmp_path: Path) -> None:
    with OutboxFile(tmp_path / "outbox.jsonl") as one, OutboxFile(tmp_path / "outbox.jsonl") as other:
        assert one.put(a_message(), ["ops"], NOON)
        assert not other.put(a_message(), ["ops"], NOON)
        assert other.put(a_message(), ["ops", "mail"], NOON)
        assert [(each.channel, each.state) for each in one.deliveries()] == [
            ("ops", "pending"),
            ("mail", "pending"),
        ]
        one.mark(one.deliveries()[0], "delivered", "ok", NOON)
        assert [each.state for each in other.deliveries()] == ["delivered", "pending"]
        assert one.hold() and one.hold() and not other.hold()
        one.release()
        assert other.hold()


def test_a_record_that_stands_there_twice_takes_nothing_back() -> None:
    put = Put(at=NOON, message=a_message(), channels=("ops",))
    tried = Tried(at=NOON, id=put.message.id, channel="ops", state="delivered", evidence="ok")
    box: Box = {}
    for record in (put, tried, put, replace(tried, state="pending")):
        folded(box, record)
    assert [(each.state, each.attempts) for each in box.values()] == [("delivered", 1)]


def test_a_line_that_a_crash_cut_off_was_never_put(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    with OutboxFile(path) as outbox:
        outbox.put(a_message(), ["ops"], NOON)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:50])
    with OutboxFile(path) as outbox:
        assert len(outbox.deliveries()) == 1
        assert path.read_bytes() == whole
        assert outbox.put(a_message("issue", "issue/a"), ["ops"], NOON)
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(Illegible, match=r"outbox\.jsonl cannot be read: line 1 is no record of an outbox"):
        OutboxFile(path)


# --- everything, with real receivers -----------------------------------------------------------------------------


@dataclass
class Receivers:
    slack: SlackReceiver
    smtp: SmtpReceiver
    pager: PagerDutyReceiver
    page: StatuspageReceiver
    hook: WebhookReceiver
    gateway: WebhookReceiver
    jira: JiraReceiver

    def all(self) -> list[Any]:
        return [self.slack, self.smtp, self.pager, self.page, self.hook, self.gateway, self.jira]

    def got(self) -> list[int]:
        return [len(receiver.received) for receiver in self.all()]


@pytest.fixture
def clock() -> LeapingClock:
    return LeapingClock(NOON)


@pytest.fixture
def receivers(clock: LeapingClock) -> Iterator[Receivers]:
    with ExitStack() as stack:
        now = lambda: clock.now().timestamp()  # noqa: E731
        made = Receivers(
            SlackReceiver(),
            SmtpReceiver(),
            PagerDutyReceiver(),
            StatuspageReceiver(),
            WebhookReceiver(now=now),
            WebhookReceiver(now=now),
            JiraReceiver(),
        )
        for receiver in made.all():
            stack.enter_context(receiver)
        yield made


@pytest.fixture
def channels(
    receivers: Receivers, clock: LeapingClock, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Channel]:
    secrets = {
        "SLACK": receivers.slack.url,
        "PAGER": receivers.pager.key,
        "PAGE": receivers.page.key,
        "HOOK": receivers.hook.secret,
        "JIRA": TOKEN,
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    mail = Email(
        id="mail", host="127.0.0.1", port=receivers.smtp.port, security="none", sender="a@b.c", to=("d@b.c",)
    )
    page = Statuspage(id="page", page=receivers.page.page, key="env:PAGE", url=receivers.page.url)
    jira = Jira(id="jira", url=receivers.jira.url, ticket=receivers.jira.ticket, token="env:JIRA")
    made: list[Channel] = [
        SlackChannel(Slack(id="ops", url="env:SLACK"), SECRETS),
        MailChannel(mail, SECRETS),
        PagerDutyChannel(PagerDuty(id="pager", routing_key="env:PAGER", url=receivers.pager.url), SECRETS),
        StatuspageChannel(page, SECRETS),
        WebhookChannel(Webhook(id="hook", url=receivers.hook.url, secret="env:HOOK"), SECRETS, clock.now),
        VoiceChannel(
            Voice(id="voice", url=receivers.gateway.url, secret="env:HOOK", to=("+1",)), SECRETS, clock.now
        ),
        JiraChannel(jira, SECRETS),
    ]
    names = ("ops", "mail", "pager", "page", "hook", "voice", "jira")
    return {name: Held(channel, clock) for name, channel in zip(names, made, strict=True)}


@pytest.mark.parametrize("fault", [None, 503, 429])
async def test_receivers_that_are_down_for_five_minutes_get_everything_once_they_are_back(
    receivers: Receivers,
    channels: dict[str, Channel],
    clock: LeapingClock,
    tmp_path: Path,
    fault: int | None,
) -> None:
    down = receivers.all()[1:]
    for receiver in down:
        later = {"retry_after": 30.0} if fault == 429 and receiver is not receivers.smtp else {}
        receiver.down(421 if fault and receiver is receivers.smtp else fault, **later)
    audit = AuditList()
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:
        deliverer = Deliverer(outbox=outbox, channels=channels, audit=audit, clock=clock)
        outbox.put(a_message("rollback", "rollback/1", priority="CRITICAL"), list(channels), clock.now())
        delivering = asyncio.create_task(deliverer.run())
        await clock.forward(1.0)
        assert receivers.got() == [1, 0, 0, 0, 0, 0, 0]
        await clock.forward(FIVE_MINUTES)
        assert receivers.got() == [1, 0, 0, 0, 0, 0, 0]
        for receiver in down:
            receiver.up()
        await clock.forward(MOST + 2)
        assert receivers.got() == [1] * 7
        assert [each.refused for each in receivers.all() if each is not receivers.smtp] == [[]] * 6
        assert {each.state for each in outbox.deliveries()} == {"delivered"}
        assert max(each.attempts for each in outbox.deliveries()) < 20
        assert audit.actions().count("notice.delivered") == 7
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)


async def test_a_release_is_told_from_its_start_to_its_success_over_real_channels(
    receivers: Receivers, channels: dict[str, Channel], clock: LeapingClock, tmp_path: Path
) -> None:
    seen: list[Situation] = [running()]

    async def look() -> Situation:
        return seen[-1]

    audit = AuditList()
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:
        deliverer = Deliverer(outbox=outbox, channels=channels, audit=audit, clock=clock)
        messenger = Messenger(
            comms=comms(),
            look=look,
            outbox=outbox,
            deliverer=deliverer,
            audit=audit,
            clock=clock,
            complaints=Complaints("messenger", audit=audit, clock=clock, observer=NobodyAsks()),
        )
        told = asyncio.create_task(messenger.run())
        await clock.forward(16 * 60)
        seen.append(running(stage="watching", promoted=True))
        await clock.forward(5)
        told.cancel()
        await asyncio.gather(told, return_exceptions=True)
    subjects = [request.body["text"] for request in receivers.slack.received]
    assert [subject.partition(" agent")[0] for subject in subjects][1:3] == ["[IN PROGRESS]"] * 2
    assert subjects[-1] == "agent-orchestrator 2.1.0 is live in production"
    announced = "Deployment of agent-orchestrator 2.1.0 — 2026-11-29 10:00 UTC"
    assert receivers.smtp.received[0].subject == announced
    assert receivers.pager.received == []


async def test_a_messenger_in_trouble_says_so_and_goes_on(clock: LeapingClock, tmp_path: Path) -> None:
    looks: list[int] = []

    async def look() -> Situation:
        looks.append(1)
        raise Unavailable("the store does not answer")

    audit = AuditList()
    with OutboxFile(tmp_path / "outbox.jsonl") as outbox:
        messenger = Messenger(
            comms=comms(),
            look=look,
            outbox=outbox,
            deliverer=Deliverer(outbox=outbox, channels={}, audit=audit, clock=clock),
            audit=audit,
            clock=clock,
            complaints=Complaints("messenger", audit=audit, clock=clock, observer=NobodyAsks()),
        )
        told = asyncio.create_task(messenger.run())
        await clock.forward(150)
        assert len(looks) > 140
        assert audit.actions() == ["companion.failed"] * 3
        told.cancel()
        await asyncio.gather(told, return_exceptions=True)
