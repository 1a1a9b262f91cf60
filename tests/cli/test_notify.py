"""watership notify: what it shows, whom it asks, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import watership
from tests.releases.plans import a_plan
from watership.adapters.files.audit import read as entries
from watership.adapters.files.outbox import OutboxFile
from watership.adapters.files.releases import Draft, ReleaseFolder
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import load
from watership.durable.clock import SystemClock
from watership.fleet.identity import Tokens
from watership.releases.notices.comms import read
from watership.releases.notices.lint import check_comms
from watership.releases.smoke import Request, Smoke
from watership.testing.receivers import PagerDutyReceiver, SlackReceiver
from watership.wiring.environment import Places
from watership.wiring.messages import SHIPPED, channels, shipped
from watership.wiring.system import open_system

COMMS = """
channels:
  - {{ id: ops, kind: slack, url: env:SLACK }}
  - {{ id: pager, kind: pagerduty, routing_key: env:PAGER, url: "{pager}" }}
send:
  - {{ every: 15m, while: running, template: status.md, to: [ops] }}
  - {{ on: issue, template: issue.md, to: [ops, pager] }}
"""

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackReceiver]:
    with SlackReceiver() as receiver:
        monkeypatch.setenv("SLACK", receiver.url)
        yield receiver


@pytest.fixture
def pager(monkeypatch: pytest.MonkeyPatch) -> Iterator[PagerDutyReceiver]:
    with PagerDutyReceiver() as receiver:
        monkeypatch.setenv("PAGER", receiver.key)
        yield receiver


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slack: SlackReceiver, pager: PagerDutyReceiver
) -> Path:
    """A working folder with channels and templates, and nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "comms.yaml").write_text(COMMS.format(pager=pager.url))
    for name in ("status.md", "issue.md"):
        (tmp_path / name).write_text(shipped(f"comms/{name}"))
    return tmp_path


@pytest.fixture
def desk(folder: Path) -> Places:
    """An environment there, with a plan that nobody has started."""
    places = Places.of(load(folder, {}))

    async def made() -> None:
        async with await open_system(load(folder, {}), waits=True):
            pass

    asyncio.run(made())
    draft = Draft(plan=a_plan(), scripts=(), smoke=Smoke(requests=(Request(name="a fact", path="/facts/1"),)))
    ReleaseFolder(places.releases, "2.1.0-1").save_draft(draft)
    return places


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command; its exit code and what it printed as JSON."""

    def asked(*arguments: str) -> tuple[int, Any]:
        code = run(["notify", *arguments, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out or said.err)

    return asked


WITH = ("--comms", "comms.yaml")
ADA = ("--as", "ada")


@pytest.mark.parametrize("kind", sorted(SHIPPED))
def test_each_kind_can_be_looked_at_before_there_is_any_release(ask: Ask, folder: Path, kind: str) -> None:
    code, shown = ask("preview", kind, "--example")
    assert code == Exit.OK
    assert shown["subject"] and shown["text"] and "<" in shown["html"]


def test_a_preview_says_what_the_plan_says(ask: Ask, desk: Places) -> None:
    code, shown = ask("preview", "announce")
    assert code == Exit.OK
    assert "2.1.0 follows 2.0.5" in shown["text"] and "not scheduled yet" in shown["text"]
    assert "Reads and writes are served throughout." in shown["text"]


def test_what_has_not_happened_is_neither_shown_nor_sent(
    ask: Ask, desk: Places, slack: SlackReceiver
) -> None:
    for arguments in (("preview", "success"), ("send", "success", *WITH, "--to", "ops", *ADA)):
        code, shown = ask(*arguments)
        assert code == Exit.CONFLICT
        assert "is not live: it is PLANNED" in shown["message"]
    code, shown = ask("send", "status", *WITH, "--message", "All is well", *ADA)
    assert (code, "nothing that is typed" in shown["message"]) == (Exit.USAGE, True)
    assert slack.received == []


def test_a_test_gives_each_receivers_word_and_wakes_nobody(
    ask: Ask, folder: Path, slack: SlackReceiver, pager: PagerDutyReceiver
) -> None:
    code, shown = ask("test", *WITH, *ADA)
    assert code == Exit.OK
    assert [(each["channel"], each["state"]) for each in shown["channels"]] == [
        ("ops", "delivered"),
        ("pager", "delivered"),
    ]
    assert len(slack.received) == 1 and set(pager.incidents.values()) == {"resolved"}


def test_a_test_ends_by_what_is_wrong(
    ask: Ask, folder: Path, slack: SlackReceiver, pager: PagerDutyReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack.down()
    code, shown = ask("test", *WITH, *ADA)
    assert code == Exit.DEPENDENCY
    assert [each["state"] for each in shown["channels"]] == ["unreachable", "delivered"]
    monkeypatch.setenv("PAGER", "a key of no service")
    assert ask("test", *WITH, *ADA)[0] == Exit.NOT_OK
    assert ask("test", "pager", *WITH, *ADA)[0] == Exit.NOT_OK
    assert ask("test", "nobody", *WITH, *ADA)[0] == Exit.USAGE


def test_a_message_by_hand_is_sent_recorded_and_found_again(
    ask: Ask, desk: Places, slack: SlackReceiver, pager: PagerDutyReceiver
) -> None:
    issue = ("send", "issue", *WITH, "--message", "The cache is cold", "--priority", "MEDIUM", *ADA)
    code, sent = ask(*issue)
    assert code == Exit.OK
    assert [each["state"] for each in sent["deliveries"]] == ["delivered", "delivered"]
    assert "The cache is cold" in slack.received[0].body["text"]
    assert list(pager.incidents.values()) == ["triggered"]
    _, log = ask("log", "2.1.0-1")
    assert [(each["channel"], each["by"], each["priority"]) for each in log["messages"]] == [
        ("ops", "ada", "MEDIUM"),
        ("pager", "ada", "MEDIUM"),
    ]
    actions = [(entry.actor, entry.action) for entry in entries(desk.audit) if entry]
    assert ("ada", "notice.put") in actions and actions.count(("messenger", "notice.delivered")) == 2
    assert ask("log", "another")[1] == {"messages": []}

    over = ("--message", "It is warm", "--ends", log["messages"][1]["thread"], "--to", "pager")
    assert ask("send", "issue", *WITH, *over, *ADA)[0] == Exit.OK
    assert list(pager.incidents.values()) == ["resolved"]


def test_a_message_that_cannot_be_delivered_waits_and_is_delivered_when_it_can(
    ask: Ask, desk: Places, slack: SlackReceiver
) -> None:
    slack.down(503)
    send = ("send", "issue", *WITH, "--message", "x", "--to", "ops", *ADA)
    assert ask(*send)[0] == Exit.DEPENDENCY
    slack.up()
    code, shown = ask("deliver", *WITH, *ADA)
    assert (code, [each["attempts"] for each in shown["deliveries"]]) == (Exit.OK, [2])
    assert len(slack.received) == 1


def test_while_a_controller_delivers_nobody_else_does(ask: Ask, desk: Places, slack: SlackReceiver) -> None:
    with OutboxFile(desk.releases / "outbox.jsonl") as controllers:
        assert controllers.hold()
        send = ("send", "issue", *WITH, "--message", "x", "--to", "ops", "--timeout", "0", *ADA)
        assert ask(*send)[0] == Exit.DEPENDENCY
    assert slack.received == []


def test_a_channel_or_a_release_that_is_not_there_is_said_so(ask: Ask, desk: Places) -> None:
    assert ask("send", "issue", *WITH, "--message", "x", "--to", "opps", *ADA)[0] == Exit.USAGE
    assert ask("send", "issue", *WITH, *ADA)[0] == Exit.USAGE
    assert ask("preview", "status", "9.9.9")[0] == Exit.NOT_FOUND
    code, shown = ask("test", *ADA)
    assert (code, "--comms" in shown["fix"]) == (Exit.NOT_FOUND, True)


def test_where_tokens_are_asked_for_only_who_may_send_sends(
    ask: Ask, desk: Places, folder: Path, slack: SlackReceiver
) -> None:
    secret = "a secret of thirty-two characters!"
    (folder / "watership.toml").write_text(f'secret = "{secret}"\n')
    tokens = Tokens(load(folder, {}).secret, SystemClock())
    send = ("send", "issue", *WITH, "--message", "x", "--to", "ops")
    assert ask(*send)[0] == Exit.NOT_ALLOWED
    assert [
        ask(*send, "--token", tokens.issue("cleo", roles=[role]))[0] for role in ("qa", "communication")
    ] == [Exit.NOT_ALLOWED, Exit.OK]
    assert len(slack.received) == 1


def test_the_shipped_comms_are_in_order_and_each_of_their_channels_can_be_made(folder: Path) -> None:
    book = Path(str(watership.__file__)).parent / "runbooks" / "agent-orchestrator"
    comms = read(book / "comms.yaml")
    assert check_comms(comms) == {}
    assert len(channels(comms, SystemClock().now)) == 7
