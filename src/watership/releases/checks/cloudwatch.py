"""CloudWatch's logs: the groups that the application writes to, and how long each keeps its lines."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from watership.errors import BadInput
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.aws import Service, called
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, failed

LOGS: Final = Service("logs", "20140328")

DAY: Final = 86400.0

PAGES: Final = 20
"""Of 50 groups each."""


class Group(Struct, rename="camel"):
    """`retention_in_days` is not there for a group that keeps its lines for ever."""

    log_group_name: str
    retention_in_days: int | None = None


class _Groups(Struct, rename="camel"):
    log_groups: list[Group] = field(default_factory=list)
    next_token: str | None = None


@check(
    "cloud.log_groups", adapted=True, good_for="24h", fix="aws logs create-log-group --log-group-name NAME"
)
async def log_groups(scene: Scene, *, of: str, groups: str) -> Finding:
    """Each of the log `groups` (names, commas between) is there."""
    lacks = []
    for name in listed(groups):
        there = await _described(scene, of, name)
        lacks += [] if name in {each.log_group_name for each in there} else [f"there is no log group {name}"]
    return judged(lacks, f"{groups}: they are there.")


@check(
    "cloud.log_retention",
    adapted=True,
    good_for="24h",
    fix="aws logs put-retention-policy --retention-in-days N",
)
async def log_retention(scene: Scene, *, of: str, prefix: str, at_least: float, at_most: float) -> Finding:
    """Every log group below `prefix` keeps its lines for `at_least`, and not longer than `at_most`."""
    there = await _described(scene, of, prefix)
    if not there:
        return failed(f"{of} has no log group below {prefix}.")
    wrong = []
    for each in there:
        if each.retention_in_days is None:
            wrong.append(f"{each.log_group_name} keeps its lines for ever")
        elif not at_least <= each.retention_in_days * DAY <= at_most:
            wrong.append(f"{each.log_group_name} keeps its lines for {each.retention_in_days} days")
    words = f"{spoken(at_least)} to {spoken(at_most)}"
    return judged(wrong, f"{len(there)} log groups keep their lines for {words}.", groups=len(there))


async def _described(scene: Scene, of: str, prefix: str) -> list[Group]:
    groups: list[Group] = []
    given: dict[str, str] = {"logGroupNamePrefix": prefix}
    for _ in range(PAGES):
        told = shaped(of, await called(scene, of, LOGS, "Logs_20140328.DescribeLogGroups", given), _Groups)
        groups += told.log_groups
        if not told.next_token:
            return groups
        given["nextToken"] = told.next_token
    raise BadInput(
        f"{of} has more than {PAGES} pages of log groups below '{prefix}'.", fix="Name a narrower prefix."
    )
