"""Whatever is done to a record or its head, the first bad entry is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from tests.releases.auditing.test_audit import a_chain
from watership.releases.auditing.audit import GENESIS, Broken, Entry, Verified, chain, digest
from watership.releases.auditing.head import UNREADABLE, Head, Kept, checked, decode, encode, head_of

LOG: list[Entry | None] = list(a_chain(12))
SECRET = "the secret of this environment"
SECRETS = ("", SECRET)


def entry(number: int) -> Entry:
    found = LOG[number - 1]
    assert found is not None
    return found


def kept(secret: str) -> Head:
    return head_of(entry(12), secret)


def rewritten(entries: Sequence[Entry | None]) -> list[Entry | None]:
    """The record chained anew, as somebody does who knows how it is made."""
    found: list[Entry | None] = []
    last: Entry | None = None
    for each in entries:
        assert each is not None
        last = chain(last, at=each.at, actor=each.actor, action=each.action, facts=each.facts)
        found.append(last)
    return found


def edited(number: int) -> list[Entry | None]:
    return [*LOG[: number - 1], replace(entry(number), actor="nobody"), *LOG[number:]]


def redigested(number: int) -> list[Entry | None]:
    changed = replace(entry(number), actor="nobody")
    return [*LOG[: number - 1], replace(changed, digest=digest(changed)), *LOG[number:]]


FORGED = chain(entry(5), at=entry(5).at, actor="nobody", action="other", facts={})

TAMPERED: dict[str, tuple[list[Entry | None], int]] = {
    "an entry edited": (edited(5), 5),
    "the last entry edited": (edited(12), 12),
    "the last entry edited with a new digest": (redigested(12), 12),
    "an entry edited with a new digest": (redigested(5), 6),
    "an entry removed": ([*LOG[:4], *LOG[5:]], 5),
    "the last entry removed": (LOG[:-1], 12),
    "the last three removed": (LOG[:-3], 10),
    "all removed": ([], 1),
    "two exchanged": ([*LOG[:4], LOG[5], LOG[4], *LOG[6:]], 5),
    "one inserted": ([*LOG[:5], FORGED, *LOG[5:]], 7),
    "a line that is no entry": ([*LOG[:6], None, *LOG[7:]], 7),
    "a line appended that is no entry": ([*LOG, None], 13),
    "an entry removed and the rest chained anew": (rewritten([*LOG[:4], *LOG[5:]]), 12),
    "an entry edited and the rest chained anew": (rewritten(edited(5)), 12),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_done_to_the_record_alone_is_named(how: str, secret: str) -> None:
    entries, number = TAMPERED[how]
    found = checked(entries, kept(secret), secret=secret)
    assert isinstance(found, Broken), f"{how} was not noticed"
    assert found.number == number, found.reason


HEADS: dict[str, Callable[[str], Kept]] = {
    "missing": lambda _: None,
    "emptied": lambda _: decode(b""),
    "no head": lambda _: decode(b'{"count":12}\n'),
    "written otherwise": lambda secret: decode(encode(kept(secret)).replace(b",", b", ")),
    "a greater count": lambda secret: replace(kept(secret), count=13),
    "a smaller count": lambda secret: replace(kept(secret), count=11),
    "another digest": lambda secret: replace(kept(secret), digest="f" * 64),
    "counting nothing": lambda secret: replace(kept(secret), count=0),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("how", HEADS)
def test_what_was_done_to_the_head_alone_is_named(how: str, secret: str) -> None:
    found = checked(LOG, HEADS[how](secret), secret=secret)
    assert isinstance(found, Broken), f"a head that is {how} was not noticed"
    assert 1 <= found.number <= 13


@pytest.mark.parametrize("how", TAMPERED)
def test_whoever_changes_both_cannot_sign(how: str) -> None:
    entries, _ = TAMPERED[how]
    last = entries[-1] if entries else None
    for signature in ("", kept(SECRET).signature, head_of(last, "a guess").signature):
        forged = replace(head_of(last, ""), signature=signature)
        assert isinstance(checked(entries, forged, secret=SECRET), Broken)


def test_a_record_that_goes_on_after_its_head_is_whole_and_counts_what_came_after() -> None:
    for at in range(13):
        head = head_of(entry(at) if at else None, SECRET)
        assert checked(LOG, head, secret=SECRET) == Verified(
            12, entry(12).digest, seal="signed", after=12 - at
        )


def test_without_the_secret_a_signature_is_not_called_checked() -> None:
    assert checked(LOG, kept(SECRET)) == Verified(12, entry(12).digest, seal="unchecked")
    assert checked(LOG, kept("")) == Verified(12, entry(12).digest, seal="none")


def test_a_noted_head_stands_for_a_missing_one_and_for_no_other() -> None:
    assert checked(LOG, None, noted=entry(9).digest) == Verified(12, entry(12).digest)
    assert checked(LOG[:8], None, noted=entry(9).digest) == Broken(
        9, "the record ends before the head that was noted"
    )
    assert isinstance(checked(LOG, UNREADABLE, noted=entry(9).digest), Broken)


def test_a_record_and_a_head_that_are_both_taken_back_are_seen_by_whoever_noted_the_end() -> None:
    old = head_of(entry(9), SECRET)
    assert isinstance(checked(LOG[:9], old, secret=SECRET), Verified)  # nothing here can know
    assert isinstance(checked(LOG[:9], old, secret=SECRET, noted=entry(12).digest), Broken)


def test_a_signature_is_for_one_count_digest_and_secret() -> None:
    head = kept(SECRET)
    assert decode(encode(head)) == head
    assert json.loads(encode(head)) == {"count": 12, "digest": entry(12).digest, "signature": head.signature}
    others = {head_of(entry(11), SECRET).signature, kept("other").signature, head_of(None, SECRET).signature}
    assert head.signature not in others
    assert head_of(None, "") == Head(count=0, digest=GENESIS)
