"""What entering a step twice would do, as its author declares it."""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    """PURE: nothing outside changes, repeat at will (a model call too: repeating it costs money, not truth).
    IDEMPOTENT: the outside checks the step's idempotency key, so a repetition changes nothing more.
    UNSAFE: a repetition would act twice. A start is committed first; a start without a result is in doubt.
    """

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    UNSAFE = "unsafe"
