"""Mail is tried with a real SMTP server: what it takes, what it refuses, and that an offer sends nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.receivers import SmtpReceiver
from watership.testing.servers import free_port

FACTS = {
    "sender": "releases@company.com",
    "good": "alerts@company.com",
    "some": "alerts@company.com, reject@company.com",
    "bad": "reject@company.com",
}


@pytest.fixture
def mail(looker: Looker) -> Iterator[SmtpReceiver]:
    with SmtpReceiver() as server:
        looker.named("mail", server.url, **FACTS)
        looker.named("nobody", f"smtp://127.0.0.1:{free_port()}", **FACTS)
        yield server


def test_a_test_message_is_taken(looker: Looker, mail: SmtpReceiver) -> None:
    looker.passes("mail.sends", of="mail", to="good")
    (got,) = mail.received
    assert got.sender == "releases@company.com" and got.recipients == ("alerts@company.com",)
    assert "2.1.0" in got.subject and "nothing is wrong" in got.text()


@pytest.mark.parametrize("to", ["some", "bad"])
@pytest.mark.parametrize("check", ["mail.sends", "mail.accepts"])
def test_one_address_that_is_refused_is_enough(
    looker: Looker, mail: SmtpReceiver, check: str, to: str
) -> None:
    looker.fails(check, "reject@company.com: 550 no such mailbox", of="mail", to=to)


def test_an_offer_sends_nothing(looker: Looker, mail: SmtpReceiver) -> None:
    looker.passes("mail.accepts", of="mail", to="good")
    assert mail.received == []


@pytest.mark.parametrize("check", ["mail.sends", "mail.accepts"])
def test_a_server_that_is_away_or_not_told_of_is_not_known(
    looker: Looker, mail: SmtpReceiver, check: str
) -> None:
    looker.unsure(check, "does not answer", of="nobody", to="good")
    looker.unsure(check, "it is not known: other", of="mail", to="other")
    looker.named("quiet", mail.url, sender="a@company.com", to=" , ")
    looker.unsure(check, "names no address", of="quiet", to="to")
