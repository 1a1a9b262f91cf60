"""How much is logged says that something changed before anybody has read a line: it is held against the day before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import spoken
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, excerpt, found, inconclusive

ENOUGH: Final = 100
"""Lines before, at least: of fewer no share says anything."""

DAY: Final = 86_400.0


class _Shards(Struct):
    total: int = 0
    failed: int = 0


class _Count(Struct):
    count: int
    shards: _Shards = msgspec.field(name="_shards", default_factory=_Shards)


@check(
    "logs.volume",
    adapted=True,
    good_for="1h",
    fix="Read what is said more often, or find who has gone silent.",
)
async def volume(
    scene: Scene, *, of: str, streams: str, over: float, at_least: float, at_most: float, before: float = DAY
) -> Finding:
    """In the last `over` as many lines were logged to `streams` as in the same time `before` that, on the old build: no
    less than the part `at_least` of it, and no more than `at_most`."""
    if not 0 < over <= before:
        raise BadInput(
            "What was logged before would be counted among what is logged now.", fix="Say a longer before."
        )
    now = scene.now()
    then = now - timedelta(seconds=before)
    usual, lately = [
        await _lines(scene, of, streams, end - timedelta(seconds=over), end) for end in (then, now)
    ]
    if usual < ENOUGH:
        return inconclusive(f"{usual:,} lines were logged then; {ENOUGH:,} are needed to compare with.")
    share = lately / usual
    words = (
        f"{lately:,} lines within {spoken(over)}, {usual:,} in the same time {spoken(before)} before: "
        f"{share:.3g} times; "
        f"{at_least:g} to {at_most:g} is wanted."
    )
    return found(at_least <= share <= at_most, words, lines=lately, before=usual)


async def _lines(scene: Scene, of: str, streams: str, since: datetime, until: datetime) -> int:
    """The number of lines in a time. Raises Unavailable for an answer that is not of all of them."""
    span = {"gte": since.isoformat(), "lt": until.isoformat()}
    path = f"/{quote(streams, safe='*,')}/_count"
    answer = await scene.ask("POST", of, path, body={"query": {"range": {"@timestamp": span}}})
    if answer.status != 200:
        raise Unavailable(f"{of} answered {answer.status}: {excerpt(answer.body)}")
    try:
        told = msgspec.json.decode(answer.body, type=_Count)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{of} answered what is no count: {error}.") from error
    if told.shards.failed or not told.shards.total:
        raise Unavailable(
            f"{of} counted {told.shards.total - told.shards.failed} of {told.shards.total} shards."
        )
    return told.count
