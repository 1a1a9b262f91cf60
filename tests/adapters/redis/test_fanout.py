"""Of what is sent in one go, words are sent one and all, and gaps only where they tell something."""

from __future__ import annotations

from watership.adapters.redis.fanout import worth_telling
from watership.fleet.fanout import GAP


def test_of_one_topics_gaps_the_first_is_sent_and_of_its_words_every_one() -> None:
    batch = [("a", GAP), ("a", b"the"), ("b", GAP), ("a", GAP), ("a", b"the"), ("b", b"the"), ("b", GAP)]
    assert worth_telling(batch) == [("a", GAP), ("a", b"the"), ("b", GAP), ("a", b"the"), ("b", b"the")]
