"""A chain of entries shows the first one that was touched."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.releases.plans import NOON
from watership.errors import BadInput
from watership.releases.auditing.audit import (
    GENESIS,
    MAX_ENTRY_BYTES,
    Broken,
    Entry,
    Verified,
    chain,
    decode,
    digest,
    encode,
    verify,
)


def a_chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for at in range(length):
        entries.append(
            chain(
                entries[-1] if entries else None,
                at=NOON + timedelta(seconds=at),
                actor="controller",
                action="weights.set",
                facts={
                    "next": at,
                    "share": 0.5,
                    "note": "50 %",
                    "sides": ["blue", "green"],
                    "by": {"epoch": 1},
                },
            )
        )
    return entries


LOG = a_chain(200)
EVERYWHERE = range(len(LOG))


def broken_at(entries: list[Entry], head: str | None = None) -> int | None:
    state = verify(entries, head=head)
    return state.number if isinstance(state, Broken) else None


def test_a_whole_chain_is_verified_with_its_head() -> None:
    assert verify(LOG) == Verified(200, LOG[-1].digest)
    assert verify([]) == Verified(0, GENESIS)
    assert verify(LOG, head=LOG[17].digest) == Verified(200, LOG[-1].digest)


@pytest.mark.parametrize("field", ["number", "at", "actor", "action", "facts", "previous", "digest"])
def test_a_change_anywhere_is_named(field: str) -> None:
    others = {
        "number": 999, "at": NOON - timedelta(1), "actor": "nobody", "action": "other", "facts": {},
        "previous": "f" * 64, "digest": "f" * 64,
    }  # fmt: skip
    for at in EVERYWHERE:
        changed = replace(LOG[at], **{field: others[field]})
        assert broken_at([*LOG[:at], changed, *LOG[at + 1 :]]) == at + 1


def test_a_change_with_a_new_digest_is_named_by_the_next_entry() -> None:
    for at in EVERYWHERE[:-1]:
        changed = replace(LOG[at], actor="nobody")
        sealed = replace(changed, digest=digest(changed))
        assert broken_at([*LOG[:at], sealed, *LOG[at + 1 :]]) == at + 2


def test_a_change_of_the_last_entry_with_a_new_digest_is_seen_by_the_head() -> None:
    changed = replace(LOG[-1], actor="nobody")
    sealed = replace(changed, digest=digest(changed))
    assert broken_at([*LOG[:-1], sealed], head=LOG[-1].digest) is not None


def test_a_wrong_number_with_a_new_digest_is_named() -> None:
    changed = replace(LOG[-1], number=999)
    assert broken_at([*LOG[:-1], replace(changed, digest=digest(changed))]) == len(LOG)


def test_a_removed_entry_is_named() -> None:
    for at in EVERYWHERE[:-1]:
        assert broken_at([*LOG[:at], *LOG[at + 1 :]]) == at + 1


def test_an_inserted_entry_is_named() -> None:
    for at in EVERYWHERE[1:]:
        forged = chain(LOG[at - 1], at=NOON, actor="nobody", action="other", facts={})
        assert broken_at([*LOG[:at], forged, *LOG[at:]]) == at + 2


def test_exchanged_entries_are_named() -> None:
    for at in EVERYWHERE[:-1]:
        assert broken_at([*LOG[:at], LOG[at + 1], LOG[at], *LOG[at + 2 :]]) == at + 1


def test_a_cut_end_is_seen_by_whoever_noted_the_head() -> None:
    for at in EVERYWHERE:
        assert broken_at(LOG[:at]) is None
        assert broken_at(LOG[:at], head=LOG[-1].digest) == at + 1


def test_a_line_is_an_entry_only_as_we_write_it() -> None:
    line = encode(LOG[3])
    assert decode(line) == LOG[3]
    for other in (
        b" " + line,
        line + b" ",
        line[:-1],
        b"",
        b"{}",
        b"\xff",
        line.replace(b'"facts"', b'"more":1,"facts"'),
    ):
        assert decode(other) is None


def test_what_json_would_change_is_refused() -> None:
    with pytest.raises(BadInput, match="NaN"):
        chain(None, at=NOON, actor="a", action="b", facts={"rate": math.nan})


def test_an_entry_has_a_largest_size() -> None:
    with pytest.raises(BadInput, match="limited"):
        chain(None, at=NOON, actor="a", action="b", facts={"log": "x" * MAX_ENTRY_BYTES})
