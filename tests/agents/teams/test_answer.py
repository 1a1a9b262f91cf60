"""An answer is read as data or as the text that says it; anything else is refused with a reason."""

from __future__ import annotations

import pytest

from watership.agents.teams.answer import Unreadable, mark_of, prompt_of
from watership.agents.teams.ballot import Approvals, Choice, Confidence, Mark, Ranking, Votes
from watership.agents.teams.election import (
    ApprovalVoting,
    Election,
    Method,
    Plurality,
    QuadraticVoting,
    RankedChoice,
    WeightedVoting,
)


@pytest.mark.parametrize(
    ("method", "answer", "mark"),
    [
        (Plurality(), " billing\n", Choice("billing")),
        (ApprovalVoting(), ["a", "b"], Approvals(("a", "b"))),
        (ApprovalVoting(), '["a", "b"]', Approvals(("a", "b"))),
        (RankedChoice(), '["b", "a"]', Ranking(("b", "a"))),
        (QuadraticVoting(), {"a": 3}, Votes({"a": 3})),
        (QuadraticVoting(), '{"a": 3}', Votes({"a": 3})),
        (WeightedVoting(), '{"choice": "a", "confidence": 0.5}', Confidence("a", 0.5)),
        (WeightedVoting(), {"choice": "a", "confidence": 1}, Confidence("a", 1.0)),
    ],
)
def test_answers_are_read_as_data_or_as_text(method: Method, answer: object, mark: Mark) -> None:
    assert mark_of(answer, method) == mark


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (Plurality(), ["a"]),
        (Plurality(), None),
        (ApprovalVoting(), "a, please"),
        (RankedChoice(), {"a": 1}),
        (QuadraticVoting(), {"a": 1.5}),
        (WeightedVoting(), "a"),
        (WeightedVoting(), {"choice": "a", "confidence": 0.5, "because": "…"}),
    ],
)
def test_what_is_in_another_form_is_unreadable(method: Method, answer: object) -> None:
    with pytest.raises(Unreadable):
        mark_of(answer, method)


@pytest.mark.parametrize(
    "method", [Plurality(), ApprovalVoting(), RankedChoice(), QuadraticVoting(credits=25), WeightedVoting()]
)
def test_a_prompt_names_every_candidate_and_the_form(method: Method) -> None:
    asked = prompt_of("Where to?", Election(candidates=("north", "south"), electorate=1, method=method))
    assert "Where to?" in asked and "- north\n- south" in asked and "Answer with" in asked
