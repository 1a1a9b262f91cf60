"""Exit codes: what a script may rely on."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from watership.errors import BadInput, Conflict, NotAllowed, NotFound, Unavailable, Untrusted, WatershipError

if TYPE_CHECKING:
    from watership.releases.verdict import Verdict


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1  # failed, or a person declined
    USAGE = 2
    NOT_OK = 3  # judged, and found not to be OK
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    CONFLICT = 6  # also: a lock is held
    INCONCLUSIVE = 7  # or it needs a person
    TIMED_OUT = 8
    ROLLED_BACK = 9
    DEPENDENCY = 10
    INTERRUPTED = 130


_BY_ERROR: tuple[tuple[type[WatershipError], Exit], ...] = (
    (BadInput, Exit.USAGE),
    (NotFound, Exit.NOT_FOUND),
    (NotAllowed, Exit.NOT_ALLOWED),
    (Conflict, Exit.CONFLICT),
    (Unavailable, Exit.DEPENDENCY),
    (Untrusted, Exit.INCONCLUSIVE),
)


def exit_of(error: WatershipError) -> Exit:
    """The exit code that stands for an error."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.FAILED)


_BY_VERDICT = {"passed": Exit.OK, "failed": Exit.NOT_OK, "inconclusive": Exit.INCONCLUSIVE}


def exit_for_verdict(verdict: Verdict) -> Exit:
    """The exit code that stands for what was found."""
    return _BY_VERDICT[verdict.value]
