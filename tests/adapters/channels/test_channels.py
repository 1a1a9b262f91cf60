"""Each channel says what its receiver takes, once, and nothing of a secret when it fails."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.channels.words import NOON, a_message
from watership.adapters.channels.jira import JiraChannel
from watership.adapters.channels.mail import MailChannel
from watership.adapters.channels.pagerduty import PagerDutyChannel
from watership.adapters.channels.slack import SlackChannel, parts
from watership.adapters.channels.statuspage import StatuspageChannel
from watership.adapters.channels.voice import VoiceChannel
from watership.adapters.channels.webhook import WebhookChannel
from watership.adapters.files.secrets import ReferredSecrets
from watership.errors import BadInput, Unavailable
from watership.releases.notices.comms import Email, Jira, PagerDuty, Slack, Statuspage, Voice, Webhook
from watership.releases.notices.signing import signed
from watership.testing.receivers import (
    JiraReceiver,
    PagerDutyReceiver,
    SlackReceiver,
    SmtpReceiver,
    StatuspageReceiver,
    WebhookReceiver,
)

SECRETS = ReferredSecrets(Path.cwd(), os.environ)

PASSWORD = "correct horse battery"


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackReceiver]:
    with SlackReceiver() as receiver:
        monkeypatch.setenv("SLACK_URL", receiver.url)
        yield receiver


def slack_channel() -> SlackChannel:
    return SlackChannel(Slack(id="ops", url="env:SLACK_URL"), SECRETS)


async def test_slack_gets_the_subject_as_a_header_and_the_text_in_its_own_marks(slack: SlackReceiver) -> None:
    assert await slack_channel().send(a_message()) == "Slack said ok"
    blocks = slack.received[0].body["blocks"]
    assert blocks[0]["text"]["text"] == "[IN PROGRESS] agent-orchestrator 2.1.0"
    assert blocks[1]["text"]["text"] == "*IN PROGRESS*\n\n• Traffic: 50 %\n• Error: &lt;script&gt;"


async def test_slack_gets_a_long_message_in_sections_that_it_takes(slack: SlackReceiver) -> None:
    await slack_channel().send(a_message(text="\n\n".join(f"{n} {'x' * 90}" for n in range(150))))
    sections = [block for block in slack.received[0].body["blocks"] if block["type"] == "section"]
    assert len(sections) == 5
    assert sections[-1]["text"]["text"].endswith(f"149 {'x' * 90}")


def test_a_line_that_is_longer_than_a_section_is_broken() -> None:
    assert [len(part) for part in parts("x" * 7000)] == [3000, 3000, 1000]


@pytest.mark.parametrize(
    ("status", "later", "error", "asked_for"),
    [(503, None, Unavailable, 1.0), (429, 30.0, Unavailable, 30.0), (404, None, BadInput, 0.0)],
)
async def test_an_answer_says_whether_to_try_again_and_when(
    slack: SlackReceiver, status: int, later: float | None, error: type[Exception], asked_for: float
) -> None:
    slack.down(status, retry_after=later)
    with pytest.raises(error, match=str(status)) as caught:
        await slack_channel().send(a_message())
    assert getattr(caught.value, "retry_after", 0.0) == asked_for


async def test_a_receiver_that_refuses_connections_is_tried_again_and_its_url_stays_secret(
    slack: SlackReceiver,
) -> None:
    slack.down()
    with pytest.raises(Unavailable) as caught:
        await slack_channel().send(a_message())
    assert "services" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_secret_that_is_not_there_is_named_by_its_reference_and_waited_for(
    slack: SlackReceiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SLACK_URL")
    with pytest.raises(Unavailable, match="SLACK_URL is not set"):
        await slack_channel().send(a_message())
    (tmp_path / "url").write_text(f"{slack.url}\n")
    channel = SlackChannel(Slack(id="ops", url=f"file:{tmp_path / 'url'}"), SECRETS)
    with pytest.raises(Unavailable, match="Others than its owner may use"):
        await channel.send(a_message())
    (tmp_path / "url").chmod(0o600)
    await channel.send(a_message())
    assert len(slack.received) == 1


async def test_a_secret_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_URL", "http://slack.example.com/services/T0/B0/very-secret")
    with pytest.raises(BadInput, match="not https") as caught:
        await slack_channel().send(a_message())
    assert "very-secret" not in str(caught.value)


async def test_pagerduty_opens_one_incident_for_a_thread_and_resolves_it_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with PagerDutyReceiver() as pager:
        monkeypatch.setenv("PAGER_KEY", pager.key)
        channel = PagerDutyChannel(PagerDuty(id="pager", routing_key="env:PAGER_KEY", url=pager.url), SECRETS)
        issue = a_message("issue", "issue/a", priority="HIGH")
        for _ in range(2):
            await channel.send(issue)
        assert pager.incidents == {"watership/issue/a": "triggered"}
        assert pager.received[0].body["payload"]["severity"] == "error"
        await channel.send(a_message("issue", "issue/a/taken", thread="issue/a", acknowledges=True))
        assert pager.incidents == {"watership/issue/a": "acknowledged"}
        await channel.send(a_message("issue", "issue/a/resolved", thread="issue/a", ends=True))
        assert pager.incidents == {"watership/issue/a": "resolved"}
        await channel.send(a_message("test", "test/1"))
        assert pager.incidents["watership/test/1"] == "resolved"
        monkeypatch.setenv("PAGER_KEY", "of-another-service-altogether")
        with pytest.raises(BadInput, match="routing_key") as caught:
            await channel.send(issue)
        assert "of-another-service" not in str(caught.value)


async def test_a_status_page_shows_a_release_as_one_maintenance_and_trouble_as_an_incident(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with StatuspageReceiver() as page:
        monkeypatch.setenv("PAGE_KEY", page.key)
        channel = StatuspageChannel(
            Statuspage(id="public", page=page.page, key="env:PAGE_KEY", url=page.url), SECRETS
        )
        told = [
            a_message("announce", "announce/1"),
            a_message("status", "status/1", text="half"),
            a_message("status", "status/1", text="half"),  # after a crash, say
            a_message("rollback", "rollback/1", text="back"),
            a_message("rollback", "rollback/1/done", text="is back", ends=True),
            a_message("incident", "incident/1", title="Slow"),
            a_message("incident", "incident/1/closed", thread="incident/1", text="over", ends=True),
            a_message("test", "test/1"),
        ]
        for message in told:
            await channel.send(message)
        assert page.refused == []
        incident, release = page.incidents
        assert [(each["status"], each["body"].strip()) for each in reversed(release["incident_updates"])][
            1:
        ] == [
            ("in_progress", "half"),
            ("in_progress", "back"),
            ("completed", "is back"),
        ]
        assert (incident["name"], incident["status"]) == ("Slow", "resolved")


async def test_a_webhook_is_signed_and_a_repetition_has_the_same_id(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebhookReceiver(now=NOON.timestamp) as hook:
        monkeypatch.setenv("HOOK", hook.secret)
        channel = WebhookChannel(Webhook(id="hook", url=hook.url, secret="env:HOOK"), SECRETS, lambda: NOON)
        for _ in range(2):
            await channel.send(a_message())
        assert (len(hook.received), hook.repeats) == (1, 1)
        assert hook.received[0].body["data"]["id"] == "status/2026-11-23T12:00Z"
        monkeypatch.setenv("HOOK", "whsec_" + "A" * 32)
        with pytest.raises(BadInput, match="401"):
            await channel.send(a_message())


def test_the_signature_is_the_one_of_the_specification() -> None:
    """The example that its own libraries are tested with."""
    headers = signed(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        NOON.fromtimestamp(1614265330, NOON.tzinfo),
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_gateway_is_asked_for_each_number_and_says_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebhookReceiver(now=NOON.timestamp) as gateway:
        monkeypatch.setenv("GATEWAY", gateway.secret)
        monkeypatch.setenv("LEAD", "+1 555 0100")
        to = ("env:LEAD", "+1 555 0101")
        channel = VoiceChannel(
            Voice(id="call", url=gateway.url, secret="env:GATEWAY", to=to), SECRETS, lambda: NOON
        )
        for _ in range(2):
            await channel.send(a_message("issue", "issue/a", priority="CRITICAL"))
        assert [request.body["data"]["to"] for request in gateway.received] == ["+1 555 0100", "+1 555 0101"]
        assert gateway.repeats == 2


@pytest.mark.parametrize("version", ["2", "3"])
async def test_a_ticket_gets_each_notice_as_one_comment(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    with JiraReceiver(user="ada@example.com", token="a secret token") as jira:
        monkeypatch.setenv("JIRA", "a secret token")
        spec = Jira(
            id="jira",
            url=jira.url,
            ticket=jira.ticket,
            token="env:JIRA",
            user="ada@example.com",
            version="3" if version == "3" else "2",
        )
        channel = JiraChannel(spec, SECRETS)
        for _ in range(2):
            await channel.send(a_message("approval", "approved/2.1.0-1", text="{code} Rea Lee"))
        await channel.send(a_message("approval", "approved/2.1.0-10"))
        assert len(jira.comments) == 2
        monkeypatch.setenv("JIRA", "another secret token")
        with pytest.raises(BadInput, match="401") as caught:
            await channel.send(a_message())
        assert "another secret" not in str(caught.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of localhost, in one file, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    both = [str(folder / "key.pem"), str(folder / "certificate.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*command, "-keyout", both[0], "-out", both[1], *names], check=True, capture_output=True, timeout=30
    )
    return folder


def tls(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


async def test_mail_is_sent_encrypted_by_whom_the_server_knows_as_text_and_as_html(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL", PASSWORD)
    with SmtpReceiver(tls=tls(certificate), users={"ada": PASSWORD}) as server:
        spec = Email(
            id="mail",
            host="localhost",
            port=server.port,
            sender="releases@example.com",
            to=("team@example.com", "reject@example.com"),
            user="ada",
            password="env:MAIL",
            authority=str(certificate / "certificate.pem"),
        )
        said = await MailChannel(spec, SECRETS).send(a_message("issue", "issue/a", priority="CRITICAL"))
        assert said == "taken by localhost for 1 recipients, but not by reject@example.com"
        mail = server.received[0]
        assert (mail.encrypted, mail.user, mail.sender) == (True, "ada", "releases@example.com")
        assert mail.text() == "IN PROGRESS\n\n- Traffic: 50 %\n- Error: <script>\n"
        assert "<li>Error: &lt;script&gt;</li>" in mail.text("html")
        assert mail.message["Importance"] == "high"
        monkeypatch.setenv("MAIL", "not the password")
        with pytest.raises(BadInput, match="535") as caught:
            await MailChannel(spec, SECRETS).send(a_message())
        assert "not the password" not in str(caught.value)


async def test_mail_does_not_trust_a_certificate_of_nobody_it_knows(certificate: Path) -> None:
    with SmtpReceiver(tls=tls(certificate)) as server:
        spec = Email(
            id="mail", host="localhost", port=server.port, sender="a@example.com", to=("b@example.com",)
        )
        with pytest.raises(Unavailable, match="certificate"):
            await MailChannel(spec, SECRETS).send(a_message())
        assert server.received == []


@pytest.mark.parametrize(("status", "words"), [(None, "refused"), (421, "421")])
async def test_a_mail_server_that_is_down_is_tried_again(status: int | None, words: str) -> None:
    with SmtpReceiver() as server:
        server.down(status)
        spec = Email(
            id="m", host="127.0.0.1", port=server.port, security="none", sender="a@b.c", to=("reject@b.c",)
        )
        with pytest.raises(Unavailable, match=words):
            await MailChannel(spec, SECRETS).send(a_message())
        server.up()
        with pytest.raises(BadInput, match="550"):
            await MailChannel(spec, SECRETS).send(a_message())
