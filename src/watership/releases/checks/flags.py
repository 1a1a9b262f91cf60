"""Flags as the service itself tells them: how they stand, and what was done with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote

from msgspec import Struct

from watership.errors import BadInput
from watership.fleet.flags import READ_ONLY, Flag, FlagChange
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.reports import json_report
from watership.releases.checks.scene import Scene, json_of
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, failed, found

CHANGES = 200
"""Of one flag that are looked at, the newest: as many as the service gives."""


class _Flags(Struct):
    data: list[Flag]


class _Changes(Struct):
    data: list[FlagChange]


def state(flag: Flag) -> str:
    """How a flag stands, in a word: disabled, off, on, or the share that gets it."""
    if flag.disabled:
        return "disabled"
    if not flag.on or not flag.percent:
        return "off"
    return "on" if flag.percent >= 100 else f"{flag.percent:g}%"


@check("flags.configured", good_for="4h", fix="watership flag set NAME --reason …")
async def configured(scene: Scene, *, of: str, names: str) -> Finding:
    """Each flag of `names` (commas between) is there, and whoever set it said why."""
    there = await _flags(scene, of, (await scene.urls(of))[0])
    wrong = [f"there is no flag {name}" for name in listed(names) if name not in there]
    # The intake's row is the truth of the read-only switch, and has no words.
    wrong += [
        f"nobody said why {name} is set"
        for name in listed(names)
        if name in there and name != READ_ONLY and not there[name].reason
    ]
    shown = ", ".join(f"{name} is {state(there[name])}" for name in listed(names) if name in there)
    return found(not wrong, f"{'; '.join(wrong)}." if wrong else f"{shown}.")


@check("flags.gradual", good_for="4h", fix="watership flag set NAME --percent …")
async def gradual(scene: Scene, *, of: str, names: str, at_most: float) -> Finding:
    """Each flag of `names` begins small: it is on for a share of `at_most` per cent, and not for nobody."""
    there = await _flags(scene, of, (await scene.urls(of))[0])
    wrong = []
    for name in listed(names):
        flag = there.get(name)
        if flag is None:
            wrong.append(f"there is no flag {name}")
        elif not (flag.on and 0 < flag.percent <= at_most):
            wrong.append(f"{name} is {state(flag)}")
    return found(
        not wrong,
        f"{'; '.join(wrong) or f'{names}: a small share'}; at most {at_most:g} % are wanted to begin with.",
    )


@check("flags.state", good_for="1h", fix="watership flag set NAME …")
async def stands(scene: Scene, *, of: str, expected: str) -> Finding:
    """Every address of `of` sees the flags as `expected` ("NAME=on, OTHER=10%"; on, off, disabled or a share)."""
    wrong = []
    for url in await scene.urls(of):
        there = await _flags(scene, of, url)
        for word in listed(expected):
            name, _, wanted = word.partition("=")
            if not wanted:
                raise BadInput(f"'{word}' is no state of a flag.", fix="Write NAME=on.")
            seen = state(there[name]) if name in there else "not there"
            if seen != wanted:
                wrong.append(f"{url} sees {name}: {seen}, not {wanted}")
    return found(not wrong, f"{'; '.join(wrong)}." if wrong else f"As expected: {expected}.")


@check("flags.staged", good_for="4h", fix="watership flag set NAME …, or correct the staged file.")
async def staged(scene: Scene, *, of: str, path: str) -> Finding:
    """The flags of the service `of` are those of the JSON file `path`, {"NAME": "on"} (on, off, disabled, or a share
    such as 10%): each stands so at every address, and no other flag is there."""
    _, wanted = await json_report(scene, path, dict[str, str])
    if not wanted:
        return failed(f"{path} names no flag.")
    wrong = []
    for url in await scene.urls(of):
        there = {name: state(flag) for name, flag in (await _flags(scene, of, url)).items()}
        wrong += [
            f"{url} has {name}: {there.get(name, 'not there')}, not {word}"
            for name, word in wanted.items()
            if there.get(name) != word
        ]
        wrong += [f"{url} has {name}, which {path} does not name" for name in there if name not in wanted]
    told = ", ".join(f"{name} is {word}" for name, word in wanted.items())
    return found(not wrong, f"{'; '.join(wrong)}." if wrong else f"As {path} says: {told}.")


@check("flags.disabled_once", good_for="24h", fix="watership flag disable NAME, look, and enable it again.")
async def disabled_once(scene: Scene, *, of: str, names: str, within: float) -> Finding:
    """The emergency switch of each flag of `names` was tried `within` that time: it was disabled, and is no more."""
    wrong = []
    for name in listed(names):
        changes = await _changes(scene, of, name, within)
        cut = [
            each.number
            for each in changes
            if each.after.disabled and not (each.before and each.before.disabled)
        ]
        back = [
            each.number
            for each in changes
            if each.before and each.before.disabled and not each.after.disabled
        ]
        if not cut:
            wrong.append(f"{name} was not disabled within {spoken(within)}")
        elif not back or max(back) < max(cut):
            wrong.append(f"{name} was disabled and not enabled again")
    return found(
        not wrong,
        f"{'; '.join(wrong)}." if wrong else f"{names}: disabled and enabled again within {spoken(within)}.",
    )


@check(
    "flags.toggled", good_for="24h", fix="Turn the flag on and off where it does no harm, and look at both."
)
async def toggled(scene: Scene, *, of: str, names: str, within: float) -> Finding:
    """Each flag of `names` was turned on, and turned off, `within` that time, as its record of changes says."""
    wrong = []
    for name in listed(names):
        changes = [each for each in await _changes(scene, of, name, within) if each.before is not None]
        turned = {
            each.after.on for each in changes if each.before is not None and each.before.on != each.after.on
        }
        wrong += [
            f"{name} was not turned {word}" for on, word in ((True, "on"), (False, "off")) if on not in turned
        ]
    words = f"{names}: turned on and off within {spoken(within)}."
    return found(not wrong, f"{'; '.join(wrong)} within {spoken(within)}." if wrong else words)


async def _flags(scene: Scene, of: str, url: str) -> dict[str, Flag]:
    answer = json_of(url, "/api/v1/flags", await scene.fetch(of, f"{url}/api/v1/flags"))
    return {flag.name: flag for flag in shaped(of, answer, _Flags).data}


async def _changes(scene: Scene, of: str, name: str, within: float) -> Sequence[FlagChange]:
    url = f"{(await scene.urls(of))[0]}/api/v1/flags/{quote(name, safe='')}/changes?limit={CHANGES}"
    since = scene.now() - timedelta(seconds=within)
    return [
        each
        for each in shaped(of, json_of(url, "", await scene.fetch(of, url)), _Changes).data
        if each.at >= since
    ]
