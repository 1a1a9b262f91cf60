"""A statement of parts: what it says, and that its arguments are numbered in the order in which they are given."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from watership.adapters.postgres.parts import (
    ADDED,
    APPENDED,
    JOURNALED,
    MOVED,
    POSTED,
    PROGRESSED,
    SIGNALLED,
    Part,
    composed,
)

ALL = (ADDED, MOVED, PROGRESSED, JOURNALED, SIGNALLED, APPENDED, POSTED)
NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
RUNS = "unnest($1::text::text[], $2::text::bigint[], $3::text::integer[], $4::text::integer[], $5::text::integer[], "


def test_an_append_to_rows_that_nobody_has_locked_reads_so() -> None:
    assert composed([PROGRESSED, APPENDED], unlocked=True) == (
        f"WITH late AS MATERIALIZED (SELECT coalesce({NOW} - $10::bigint, 0) AS micros),\n"  # noqa: S608
        "progressed AS (UPDATE runs SET seq = new.seq, inbox = new.inbox, claims = new.claims, "
        "updated_at = new.updated_at + (SELECT micros FROM late), revision = runs.revision + 1 "
        f"FROM {RUNS}$6::text::bigint[]) AS new(id, revision, seq, inbox, claims, updated_at) "
        "WHERE runs.id = new.id AND runs.revision = new.revision RETURNING 1),\n"
        "appended AS (INSERT INTO appends (run_id, entry_id) SELECT new.run_id, new.entry_id "
        "FROM unnest($7::text::text[], $8::text::text[]) AS new(run_id, entry_id))\n"
        f"SELECT NULL::bigint, {NOW}, 1 / (((SELECT count(*) FROM progressed) = $9::bigint)::integer)"
    )


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("unlocked", [False, True])
@pytest.mark.parametrize("parts", [*combinations(ALL, 1), *combinations(ALL, 2), ALL])
def test_every_argument_has_its_number_and_there_are_no_others(
    parts: tuple[Part, ...], *, held: bool, unlocked: bool
) -> None:
    statement = composed(parts, held=held, unlocked=unlocked)
    numbers = {int(number) for number in re.findall(r"\$(\d+)", statement)}
    given = 5 * held + sum(len(part.columns) for part in parts) + 1 + unlocked
    assert numbers == set(range(1, given + 1))


def test_only_two_kinds_of_updates_to_rows_that_nobody_has_locked_need_a_common_order() -> None:
    assert "in_order" in composed([MOVED, PROGRESSED], unlocked=True)
    assert "in_order" not in composed([MOVED, PROGRESSED])
    assert "in_order" not in composed([MOVED, JOURNALED], unlocked=True)
