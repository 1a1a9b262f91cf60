"""Slack: what the webhook sends stands in the channel; the Web API says 200 also when it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.receivers import SlackReceiver
from watership.testing.servers import free_port
from watership.testing.standin import Answer, Asked, StandIn


@pytest.fixture
def api(looker: Looker) -> Iterator[StandIn]:
    looker.seconds = 0.6
    with StandIn() as server:
        looker.named("slack", server.url, **{"prod-deploy": "C1"})
        yield server


def test_a_message_is_posted_and_found(looker: Looker, api: StandIn) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/services/secret"
    with SlackReceiver() as hook:
        looker.named("hook", hook.url, channel="C2")
        looker.named("gone", f"{hook.base}/services/T/B/gone", channel="C2")
        looker.named("nobody", nobody, channel="C2")

        def history(asked: Asked) -> Answer:
            return Answer({"ok": True, "messages": [{"text": each.body["text"]} for each in hook.received]})

        api.routes["GET /api/conversations.history"] = history
        looker.passes("slack.delivers", hook="hook", api="slack")
        api.routes["GET /api/conversations.history"] = Answer({"ok": True, "messages": [{"text": "lunch?"}]})
        looker.fails("slack.delivers", "does not stand in C2", hook="hook", api="slack")
        api.routes["GET /api/conversations.history"] = Answer({"ok": False, "error": "missing_scope"})
        looker.unsure("slack.delivers", "missing_scope", hook="hook", api="slack")
        looker.fails("slack.delivers", "no_service", hook="gone", api="slack")
    got = looker.look("slack.delivers", hook="nobody", api="slack")
    assert got.verdict.value == "inconclusive" and "secret" not in got.evidence


@pytest.mark.parametrize(
    ("told", "check", "words"),
    [
        (
            {"ok": True, "channel": {"name": "prod-deploy", "is_member": True, "is_archived": True}},
            "fails",
            "archived",
        ),
        ({"ok": True, "channel": {"name": "prod-deploy", "is_member": False}}, "fails", "we are not in it"),
        ({"ok": True, "channel": {"name": "lunch", "is_member": True}}, "fails", "it is called #lunch"),
        ({"ok": False, "error": "channel_not_found"}, "fails", "has no channel #prod-deploy"),
        ({"ok": False, "error": "invalid_auth"}, "unsure", "invalid_auth"),
        ({"channel": {"name": "prod-deploy", "is_member": True}}, "unsure", "refuses"),
    ],
)
def test_a_channel_is_there_and_ours(
    looker: Looker, api: StandIn, told: dict[str, Any], check: str, words: str
) -> None:
    good = {"name": "prod-deploy", "is_member": True, "is_archived": False}
    api.routes["GET /api/conversations.info"] = Answer({"ok": True, "channel": good})
    looker.passes("slack.channel", of="slack", name="prod-deploy")
    api.routes["GET /api/conversations.info"] = Answer(told)
    getattr(looker, check)("slack.channel", words, of="slack", name="prod-deploy")
