"""Issues of a Jira, counted by what its own search finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct, field

from watership.errors import Unavailable
from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, excerpt, found, inconclusive

SEARCH: Final = "/rest/api/3/search/jql"

MOST: Final = 100
"""Issues that one answer may hold; more than that is too many for any limit here."""

CRITICAL: Final = "Highest, Blocker, Critical"
"""Priorities, as Jira's own schemes name them."""


class _Priority(Struct):
    name: str


class _Fields(Struct):
    priority: _Priority | None = None


class Issue(Struct):
    key: str
    fields: _Fields = field(default_factory=_Fields)


class _Found(Struct):
    issues: list[Issue]
    isLast: bool = True  # noqa: N815 - as Jira spells it


@check("jira.issues", adapted=True, good_for="4h", fix="Settle them, or move them to another version.")
async def issues(scene: Scene, *, of: str, jql: str, among: str, below: int = 1) -> Finding:
    """The search `jql` finds fewer than `below` issues, and the search `among`, which those are a part of, finds some
    at all: a misspelt label finds nothing either. `{version}` is the release's."""
    if not (await _search(scene, of, among))[0]:
        return inconclusive(f"Not one issue is found by: {_filled(scene, among)}")
    there, more = await _search(scene, of, jql)
    words = f"{len(there)}{' or more' if more else ''} issues, fewer than {below} are wanted"
    return found(not more and len(there) < below, f"{words}: {_keys(there)}" if there else f"{words}.")


@check("jira.defects", adapted=True, good_for="4h", fix="Mend them, and let whoever found them close them.")
async def defects(
    scene: Scene,
    *,
    of: str,
    jql: str,
    among: str,
    critical_below: int = 1,
    minor_below: int = 5,
    critical: str = CRITICAL,
) -> Finding:
    """Of the defects that `jql` finds fewer than `critical_below` have a priority of `critical`, and fewer than
    `minor_below` another one. The search `among`, which they are a part of, finds some issue at all."""
    if not (await _search(scene, of, among))[0]:
        return inconclusive(f"Not one issue is found by: {_filled(scene, among)}")
    there, more = await _search(scene, of, jql)
    bad = [
        each
        for each in there
        if each.fields.priority is None or each.fields.priority.name in listed(critical)
    ]
    minor = len(there) - len(bad)
    words = f"{len(bad)} critical, {minor} minor{' or more' if more else ''}"
    good = not more and len(bad) < critical_below and minor < minor_below
    return found(good, f"{words}: {_keys(there)}" if there else f"{words}.", critical=len(bad), minor=minor)


async def _search(scene: Scene, of: str, jql: str) -> tuple[Sequence[Issue], bool]:
    """The issues that a search finds, and whether there are more."""
    body = {"jql": _filled(scene, jql), "maxResults": MOST, "fields": ["priority"]}
    answer = await scene.ask("POST", of, SEARCH, body=body)
    if answer.status != 200:
        raise Unavailable(f"{of} answered {answer.status}: {excerpt(answer.body)}")
    try:
        there = msgspec.json.decode(answer.body, type=_Found)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{of} answered what is no result of a search: {error}.") from error
    return there.issues, not there.isLast


def _filled(scene: Scene, jql: str) -> str:
    return jql.replace("{version}", scene.plan.next.build.version)


def _keys(there: Sequence[Issue]) -> str:
    return ", ".join(each.key for each in there[:10])
