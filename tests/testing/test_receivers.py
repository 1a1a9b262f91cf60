"""Receivers take what the real ones take, refuse what they refuse, and are down only while they are told to."""

from __future__ import annotations

import json
import smtplib
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from watership.testing.receivers import (
    JiraReceiver,
    PagerDutyReceiver,
    SlackReceiver,
    SmtpReceiver,
    StatuspageReceiver,
    WebhookReceiver,
)
from watership.testing.receivers.pagerduty import KEY

SECONDS = 5.0


def ask(
    url: str, body: Mapping[str, Any] | None, *, method: str = "POST", headers: Mapping[str, str] = {}
) -> tuple[int, str, Mapping[str, str]]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=SECONDS)
    try:
        given = None if body is None else json.dumps(body)
        connection.request(method, parts.path, given, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


@pytest.fixture
def slack() -> Iterator[SlackReceiver]:
    with SlackReceiver() as receiver:
        yield receiver


def test_a_receiver_that_is_down_refuses_and_comes_back_at_the_same_address(slack: SlackReceiver) -> None:
    url = slack.url
    slack.down()
    with pytest.raises(ConnectionRefusedError):
        ask(url, {"text": "lost"})
    slack.up()
    assert slack.url == url
    assert ask(url, {"text": "here"})[:2] == (200, "ok")
    assert [request.body["text"] for request in slack.received] == ["here"]


def test_a_receiver_that_is_busy_says_when_to_come_again_and_keeps_nothing(slack: SlackReceiver) -> None:
    slack.down(429, retry_after=30)
    status, _, headers = ask(slack.url, {"text": "too much"})
    assert (status, headers["retry-after"]) == (429, "30")
    assert slack.received == slack.refused == []


def test_slack_refuses_a_message_without_text_and_a_block_that_is_too_long(slack: SlackReceiver) -> None:
    long = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
    assert ask(slack.url, {"blocks": []})[1] == "no_text"
    assert ask(slack.url, {"text": "x", "blocks": [long]})[1] == "invalid_blocks"
    assert [request.problem for request in slack.refused] == ["no_text", "invalid_blocks"]


def test_pagerduty_keeps_one_incident_for_a_key_until_it_is_resolved() -> None:
    payload = {"summary": "on fire", "source": "release", "severity": "critical"}
    event = {"routing_key": KEY, "event_action": "trigger", "dedup_key": "a", "payload": payload}
    with PagerDutyReceiver() as pager:
        assert [ask(pager.url, event)[0] for _ in range(2)] == [202, 202]
        assert pager.incidents == {"a": "triggered"}
        assert ask(pager.url, {**event, "event_action": "resolve", "payload": None})[0] == 202
        assert pager.incidents == {"a": "resolved"}
        status, body, _ = ask(pager.url, {**event, "payload": {**payload, "severity": "bad"}})
        assert (status, "severity" in body) == (400, True)
        assert ask(pager.url, {**event, "routing_key": "of somebody else"})[0] == 400


def test_statuspage_asks_for_its_key_and_keeps_the_updates_of_an_incident() -> None:
    with StatuspageReceiver() as page:
        incidents, key = f"{page.url}/v1/pages/{page.page}/incidents", {"authorization": f"OAuth {page.key}"}
        new = {"incident": {"name": "Slow", "status": "investigating", "body": "We look."}}
        assert ask(incidents, new)[0] == 401
        assert ask(incidents, new, headers=key)[0] == 201
        assert ask(incidents, {"incident": {"name": "Slow", "status": "fine"}}, headers=key)[0] == 422
        done = {"incident": {"status": "resolved", "body": "Over."}}
        assert ask(f"{incidents}/incident1", done, method="PATCH", headers=key)[0] == 200
        assert [each["body"] for each in page.incidents[0]["incident_updates"]] == ["Over.", "We look."]
        assert json.loads(ask(f"{incidents}/unresolved", None, method="GET", headers=key)[1]) == []


def test_jira_takes_text_by_version_2_and_documents_by_version_3() -> None:
    with JiraReceiver(user="ada@example.com", token="t") as jira:
        basic = {"authorization": "Basic YWRhQGV4YW1wbGUuY29tOnQ="}
        there = f"{jira.url}/rest/api/2/issue/REL-1/comment"
        assert ask(there, {"body": "approved"}, headers=basic)[0] == 201
        assert ask(there.replace("/2/", "/3/"), {"body": "approved"}, headers=basic)[0] == 400
        assert ask(there.replace("REL-1", "REL-2"), {"body": "approved"}, headers=basic)[0] == 404
        assert ask(there, {"body": "approved"})[0] == 401
        assert [comment["body"] for comment in jira.comments] == ["approved"]
        paragraph = {"type": "paragraph", "content": [{"type": "text", "text": "GO"}]}
        document: dict[str, Any] = {"type": "doc", "version": 1, "content": [paragraph]}
        assert ask(there.replace("/2/", "/3/"), {"body": document}, headers=basic)[0] == 201
        shown = [
            [comment["body"] for comment in json.loads(told)["comments"]]
            for version in "23"
            for _, told, _ in [ask(there.replace("/2/", f"/{version}/"), None, method="GET", headers=basic)]
        ]
        assert shown[0] == ["GO", "approved"]
        assert shown[1][0] == document and shown[1][1]["content"][0]["content"][0]["text"] == "approved"


def test_a_webhook_without_a_right_signature_is_refused() -> None:
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1767225600", "webhook-signature": "v1,AAAA"}
    with WebhookReceiver(now=lambda: 1767225600.0) as hook:
        body = {"type": "a", "timestamp": "2026-01-01T00:00:00Z", "data": {}}
        assert ask(hook.url, body, headers=headers)[0] == 401
        assert ask(hook.url, body, headers={**headers, "webhook-timestamp": "1767225000"})[0] == 400
        assert hook.received == []


def test_a_mail_server_takes_mail_from_who_logged_in_and_knows_who_is_no_recipient() -> None:
    with SmtpReceiver(users={"ada": "secret"}) as server:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=SECONDS) as client:
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.sendmail("a@example.com", ["b@example.com"], "Subject: no\n\n")
            client.login("ada", "secret")
            client.sendmail("a@example.com", ["b@example.com", "reject@example.com"], "Subject: yes\n\n.dot")
        assert [(mail.subject, mail.recipients, mail.user) for mail in server.received] == [
            ("yes", ("b@example.com",), "ada")
        ]
        assert server.received[0].text().startswith(".dot")
        server.down()
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.port)):
            pass
