"""Every error of Watership stands in one tree; each carries the facts that a person needs to act.

WatershipError
├── BadInput            the caller's words are wrong; nothing was changed
│   └── Unencodable     a value that cannot be journaled
├── NotFound            the thing named does not exist
├── NotAllowed          the person may not do this; says which role may
├── Conflict            true a moment ago, not now: a lock, an epoch, a key used for something else
│   └── Fenced          a writer whose lease or epoch has passed to another
├── Unavailable         a dependency did not answer, or work is refused for now; try again later
├── Untrusted           what was kept is not as it was kept, so nothing is judged by it
└── ProgramError        the program of a run broke a rule of the kernel
"""

from __future__ import annotations

from typing import ClassVar


class WatershipError(Exception):
    """The root. `code` is stable and documented; `fix` is the command or the change that mends it."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".rstrip() if self.fix else self.message


class BadInput(WatershipError):
    """What was given cannot be used as it is. Nothing was changed."""

    code = "bad_input"


class Unencodable(BadInput):
    """A value that the journal cannot hold; `where` names the step or the argument."""

    code = "unencodable"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"The value at {where} cannot be journaled: {reason}.",
            fix="Return plain data (numbers, text, lists, dicts, dataclasses, msgspec structs) or pass identity=.",
        )
        self.where = where


class NotFound(WatershipError):
    """The thing named does not exist, or is not yours to see."""

    code = "not_found"


class NotAllowed(WatershipError):
    """Whoever asks may not do this."""

    code = "not_allowed"


class Conflict(WatershipError):
    """The state of the world forbids it now: a lock is held, an epoch moved on, a key was used before."""

    code = "conflict"


class Fenced(Conflict):
    """A write came from an owner that is no longer the owner."""

    code = "fenced"

    def __init__(self, what: str, *, held: int, current: int) -> None:
        super().__init__(
            f"{what} has moved on: this writer holds epoch {held}, the current one is {current}."
        )
        self.held = held
        self.current = current


class Unavailable(WatershipError):
    """A dependency did not answer, or work is refused for now. `retry_after` is in seconds."""

    code = "unavailable"

    def __init__(self, message: str, *, fix: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, fix=fix)
        self.retry_after = retry_after


class ReadOnly(Unavailable):
    """Writes are refused while read-only is on; runs that were accepted are kept."""

    code = "read_only"


class Untrusted(WatershipError):
    """What was kept does not agree with what was written of it elsewhere: what it says is not known any more."""

    code = "untrusted"


class ProgramError(WatershipError):
    """A program broke a rule of the kernel."""

    code = "program_error"
