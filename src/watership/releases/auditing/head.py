"""The head of an audit is kept beside it and says how far it goes, so that a cut end is noticed by itself.

Where a secret is set the head is signed: whoever changes the record and its head is noticed too. A record that goes
on after its head is what a crash between the two leaves; one that ends before it was cut.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from watership.releases.auditing.audit import GENESIS, Broken, Entry, Verified, verify

PURPOSE: Final = b"watership.audit.head/v1"
"""Part of the key, so that nothing else that the secret signs can pass for a head."""

UNREADABLE: Final = "unreadable"
"""There is a head, and it is none as we write them."""


class Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many entries there are, and the digest of the last. `signature` is empty without a secret."""

    count: Annotated[int, Meta(ge=0)]
    digest: str
    signature: str = ""


Kept = Head | Literal["unreadable"] | None
"""What is kept beside a record; None: nothing."""


def head_of(last: Entry | None, secret: str) -> Head:
    """The head of a record that ends with `last`."""
    bare = Head(count=last.number, digest=last.digest) if last else Head(count=0, digest=GENESIS)
    return replace(bare, signature=_signature(bare, secret)) if secret else bare


def encode(head: Head) -> bytes:
    return msgspec.json.encode(head) + b"\n"


def decode(content: bytes) -> Head | Literal["unreadable"]:
    """The head of a file, or that it is none."""
    try:
        head = msgspec.json.decode(content, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UNREADABLE
    return head if encode(head) == content else UNREADABLE


def checked(
    entries: Sequence[Entry | None], kept: Kept, *, secret: str = "", noted: str | None = None
) -> Verified | Broken:
    """Follow the chain, and compare its end with the head that is `kept`, and with a digest that was `noted`.

    A digest that somebody noted stands for a head that is not there, as it does for a copy of the record.
    """
    state = verify(entries, head=noted)
    if isinstance(state, Broken):
        return state
    if kept is None and (noted is not None or state.count == 0):
        return state
    fault = seal_fault(kept, secret)
    if fault is not None or not isinstance(kept, Head):
        return Broken(state.count + 1, fault or "its head is missing", at_head=True)
    return _ended(entries, state, kept, secret)


def seal_fault(kept: Kept, secret: str) -> str | None:
    """Why a head cannot say where the record ends, whatever it says; None if it can."""
    if kept is None:
        return "the head beside the record is missing, so a cut end would not be noticed"
    if not isinstance(kept, Head):
        return "the head beside the record is not as we write them"
    if not secret:
        return None
    if not kept.signature:
        return "the head beside the record is not signed, and there is a secret to sign it with"
    if not hmac.compare_digest(kept.signature.encode(), _signature(kept, secret).encode()):
        return (
            "the head beside the record is not signed with this secret: it was edited, or the secret changed"
        )
    return None


def end_fault(entries: Sequence[Entry | None], kept: Head) -> Broken | None:
    """Where a whole chain does not end as its head says."""
    count = len(entries)
    if kept.count > count:
        return Broken(count + 1, f"the record ends here, and {kept.count} entries were written")
    last = entries[kept.count - 1] if kept.count else None
    if (last.digest if last else GENESIS) != kept.digest:
        return Broken(max(kept.count, 1), "it is not the entry that the head names")
    return None


def _ended(entries: Sequence[Entry | None], state: Verified, kept: Head, secret: str) -> Verified | Broken:
    fault = end_fault(entries, kept)
    if fault is not None:
        return fault
    seal: Literal["signed", "unchecked", "none"] = "none"
    if kept.signature:
        seal = "signed" if secret else "unchecked"
    return replace(state, seal=seal, after=state.count - kept.count)


def _signature(head: Head, secret: str) -> str:
    key = hmac.digest(secret.encode(), PURPOSE, "sha256")
    return hmac.new(key, f"{head.count} {head.digest}".encode(), hashlib.sha256).hexdigest()
