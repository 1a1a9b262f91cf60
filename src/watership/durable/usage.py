"""Usage: what a run has used up, as its journal tells, by unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from watership.durable.counters import OVER_CAP
from watership.durable.events import AnyEvent, Failure, StepDone, StepFailed, StepRetried, StepStarted
from watership.durable.ids import Key


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`used` was told by outcomes. `unsettled` was reserved by attempts that nobody heard of (yet): it may have been
    used up, and counts."""

    used: Mapping[str, int]
    unsettled: Mapping[str, int]


def usage(events: Iterable[AnyEvent]) -> Usage:
    used, unsettled = Counter[str](), Counter[str]()
    open_: dict[Key, StepStarted] = {}
    for event in events:
        match event:
            case StepStarted(key=key):
                _close(open_, key, unsettled)
                open_[key] = event
            case StepFailed(key=key, failure=Failure(code=code)) if code == OVER_CAP:
                _close(open_, key, unsettled)  # it was not entered, but an attempt before it may have been
            case StepDone(key=key) | StepFailed(key=key) | StepRetried(key=key):
                open_.pop(key, None)
                used.update(event.used)
            case _:
                pass
    for key in list(open_):
        _close(open_, key, unsettled)
    return Usage(used=dict(used), unsettled=dict(unsettled))


def _close(open_: dict[Key, StepStarted], key: Key, unsettled: Counter[str]) -> None:
    """Count what an attempt had reserved whose outcome is not known."""
    started = open_.pop(key, None)
    if started is not None:
        unsettled.update(started.most)
