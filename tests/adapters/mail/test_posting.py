"""Posting, tried on a real mail server that wants a login."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from watership.adapters.mail.posting import Posting
from watership.errors import Unavailable
from watership.testing.receivers import SmtpReceiver


@pytest.fixture
def server() -> Iterator[SmtpReceiver]:
    with SmtpReceiver(users={"releases": "p w"}) as server:
        yield server


def message() -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Releases <releases@company.com>"
    made["To"] = "One <one@company.com>, reject@company.com"
    made["Subject"] = "Grüße"
    made.set_content("Nothing is wrong.\n.\nA line with a full stop alone is none.\n")
    return made


async def test_a_message_goes_to_who_is_known_and_the_others_are_named(server: SmtpReceiver) -> None:
    url = f"smtp://releases:p%20w@127.0.0.1:{server.port}"
    assert await Posting().send(url, message()) == {"reject@company.com": "550 no such mailbox"}
    (mail,) = server.received
    assert (mail.sender, mail.recipients, mail.user) == (
        "releases@company.com",
        ("one@company.com",),
        "releases",
    )
    assert mail.subject == "Grüße" and mail.text().endswith(".\nA line with a full stop alone is none.\n")


async def test_an_offer_names_who_is_not_known_and_leaves_nothing(server: SmtpReceiver) -> None:
    url = f"smtp://releases:p%20w@127.0.0.1:{server.port}"
    offered = await Posting().offer(url, "releases@company.com", ["one@company.com", "reject@company.com"])
    assert offered == {"reject@company.com": "550 no such mailbox"}
    assert server.received == []


async def test_without_a_login_nothing_is_known(server: SmtpReceiver) -> None:
    with pytest.raises(Unavailable, match="530"):
        await Posting().offer(server.url, "releases@company.com", ["one@company.com"])
    with pytest.raises(Unavailable, match="530"):
        await Posting().send(server.url, message())
    with pytest.raises(Unavailable, match="refused user or password"):
        await Posting().send(f"smtp://releases:wrong@127.0.0.1:{server.port}", message())
