"""Templates of messages."""

from __future__ import annotations

import pytest

from tests.releases.checks.scenes import Looker

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
