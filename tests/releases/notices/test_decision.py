"""A decision is told where the runbook says so, once, and in the words of its record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from watership.releases.book.document import parse
from watership.releases.notices import lint
from watership.releases.notices.comms import Comms, bound
from watership.releases.notices.schedule import due
from watership.releases.notices.situation import Decision
from watership.releases.notices.template import compose
from watership.wiring.messages import shipped

COMMS = bound(
    parse(
        """
        channels: [{ id: ticket, kind: slack, url: env:TICKET }]
        send: [{ on: release.decided, template: comms/decision.md, to: [ticket] }]
        """,
        Comms,
    ),
    shipped,
)
NOW = lint.NOON + timedelta(minutes=1)
GO = Decision(said="GO", person="Dana", role="deployment_lead", at=lint.NOON, reason="all green")


def test_nothing_is_told_before_somebody_has_decided() -> None:
    assert due(COMMS, replace(lint.example(), decision=None), {}, NOW, undelivered=()) == []


@pytest.mark.parametrize("said", ["GO", "NO-GO"])
def test_what_was_decided_is_told_with_who_decided_and_about_which_version(said: str) -> None:
    decision = replace(GO, said=said, record=() if said == "GO" else ("Issue: the backup is stale",))
    situation = replace(lint.example(), decision=decision)

    (notice,) = due(COMMS, situation, {}, NOW, undelivered=())
    message = compose(notice, situation, COMMS.texts[notice.template], NOW)

    assert message.subject.startswith(f"{said}: ") and situation.version in message.subject
    assert "Dana" in message.text and ("stale" in message.text) == (said == "NO-GO")
