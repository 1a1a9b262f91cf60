"""What a person has told: of what is really wrong, and by rules."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.releases.plans import NOON
from watership.errors import BadInput, Conflict
from watership.releases.notices.by_hand import Wish, filled, require_true, wished
from watership.releases.notices.lint import example
from watership.releases.notices.notice import Issue

COLD = Issue(key="cold", priority="MEDIUM", title="The cache is cold")


def test_an_issue_that_nobody_names_is_one_that_is_there_before_it_is_an_example() -> None:
    calm, troubled = example(), replace(example(), issues=(COLD,))
    notice = wished(Wish(kind="issue"), calm, None, NOON, template="issue.md")
    assert filled(notice, troubled) == (replace(notice, issue=COLD), False)
    invented, is_example = filled(notice, calm)
    assert is_example and invented.issue not in (None, COLD)


def test_only_issues_and_incidents_are_put_into_words() -> None:
    with pytest.raises(BadInput, match="nothing that is typed"):
        wished(Wish(kind="status", words="All is well"), example(), None, NOON, template="status.md")
    notice = wished(Wish(kind="incident", words="It burns"), example(), None, NOON, template="incident.md")
    assert notice.incident is not None and notice.incident.title == "It burns"


def test_a_wish_that_ends_a_thread_is_told_under_it() -> None:
    wish = Wish(kind="issue", words="It is warm", ends="issue/1")
    notice = wished(wish, example(), None, NOON, template="issue.md")
    assert (notice.thread, notice.ends) == ("issue/1", True)


def test_a_success_that_was_taken_back_is_none() -> None:
    there = replace(example(), rollback=None)
    require_true("success", there)
    with pytest.raises(Conflict, match="is not live"):
        require_true("success", example())
    with pytest.raises(Conflict, match="not being rolled back"):
        require_true("rollback", there)
