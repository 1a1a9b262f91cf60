"""What a migration's script says of itself."""

from __future__ import annotations

import pytest

from watership.errors import BadInput
from watership.releases.header import Header, batched, header


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("CREATE TABLE t (a int);", Header()),
        ("-- Contract.\nDROP TABLE t;", Header(kind="contract")),
        ("\n-- why, in words\n--   pauses  writes\nSELECT 1;", Header(pauses=True)),
        ("-- backfill\n-- batch 500, pause 50ms\nUPDATE …", Header(kind="backfill", batch=500, pause=0.05)),
        ("-- backfill\n-- batch 7\nUPDATE …", Header(kind="backfill", batch=7)),
        ("SELECT 1; -- contract\n-- contract", Header()),
    ],
)
def test_the_first_comment_lines_say_of_which_kind_it_is(script: str, found: Header) -> None:
    assert header(script, "m") == found


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("-- expand\n-- contract", "expand and contract"),
        ("-- backfill\n-- pauses writes", "whose batches pause nobody"),
        ("-- pauses writes\n-- outside of a transaction", "concurrently"),
        ("-- backfill\n-- batch 50001", "50,001 rows"),
        ("-- backfill\n-- batch 0", "0 rows"),
    ],
)
def test_lines_that_contradict_each_other_are_refused(script: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        header(script, "m")


def test_a_batch_is_bounded_by_its_own_statement() -> None:
    assert batched(["… '1'::batch LIMIT :batch"], Header(batch=5), "m") == "… '1'::batch LIMIT 5"
    with pytest.raises(BadInput, match="bounds its batches by nothing"):
        batched(["UPDATE t SET a = 1"], Header(), "m")
    with pytest.raises(BadInput, match="has 2 statements"):
        batched(["UPDATE t …", "UPDATE u …"], Header(), "m")
