"""Templates of messages."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.releases.checks.scenes import Looker
from watership.releases.book.shelf import shipped

GOOD = '---\nsubject: "Back"\n---\n{{ release.version }} goes back to {{ release.previous }}.\n'
ASKED = {"path": "rollback.md", "mentions": "release.version, release.previous"}


def test_a_template_can_be_read_and_takes_in_its_facts(looker: Looker) -> None:
    looker.fails("notice.written", "There is no", **ASKED)
    looker.write("rollback.md", GOOD)
    looker.passes("notice.written", **ASKED)
    looker.unsure("notice.written", "BadInput", path="../rollback.md")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "{% if release.version %}", "line 5"),
        (GOOD.replace("{{ release.previous }}", "2.0.5"), "does not say release.previous"),
        (GOOD.replace("{{ release.previous }}", "release.previous"), "does not say release.previous"),
        (GOOD.removeprefix("---\n"), "has no subject"),
        (GOOD + "By [Name]", "'[Name]' is filled in by nobody"),
    ],
)
def test_a_template_that_nobody_can_send_is_refused(looker: Looker, text: str, words: str) -> None:
    looker.write("rollback.md", text)
    looker.fails("notice.written", words, **ASKED)


def test_what_the_plan_sends_is_looked_at_as_it_is_sent(looker: Looker) -> None:
    comms = shipped("agent-orchestrator").runbook.comms
    looker.plan = replace(looker.plan, comms=comms)
    looker.write("comms/rollback.md", "is not what is sent")
    asked = {"path": "comms/rollback.md", "mentions": "release.version, release.previous, release.rollback"}
    assert "sent to lead, mail, ops" in looker.passes("notice.written", **asked)
    looker.fails("notice.written", "No message of the plan", path="comms/other.md")
    for text, words in (
        (comms.texts["comms/rollback.md"] + "{{ release.colour }}", "line "),
        (
            comms.texts["comms/rollback.md"].replace("release.previous", "release.version"),
            "does not say release.previous",
        ),
        (comms.texts["comms/rollback.md"] + "[Name]", "'[Name]' is filled in by nobody"),
    ):
        changed = replace(comms, texts=comms.texts | {"comms/rollback.md": text})
        looker.plan = replace(looker.plan, comms=changed)
        looker.fails("notice.written", words, **asked)
