"""A sample of the logs is read line by line: structured, at the right level, and without what is private."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.reports import moment
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive, passed

LINES: Final = 5_000
"""Of each file that are looked at, the last ones."""

TIME: Final = "timestamp"
"""Where a line says when it was written, as ISO 8601."""

SHOWN: Final = 160
"""Characters of a line that become evidence; of a line with something private none do."""

LEVELS: Final = ("trace", "debug", "info", "warning", "error", "critical")
OTHERWISE: Final[Mapping[str, str]] = {
    "warn": "warning",
    "notice": "info",
    "fatal": "critical",
    "exception": "error",
}

PRIVATE: Final[Mapping[str, re.Pattern[str]]] = {
    "an e-mail address": re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"),
    "a phone number": re.compile(
        r"(?<![\w.:+-])\+\d{1,3}[ -]?(?:\(\d{1,4}\)[ -]?)?\d{2,4}(?:[ -]?\d{2,4}){2,4}(?![\w.-])"
    ),
    "a bearer token": re.compile(r"[Bb]earer(?: |%20|\+)[A-Za-z0-9._~+/-]{16,}"),
    "a signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\."),
    "an API key": re.compile(r"\b(?:sk|pk|ghp|gho|xox[bp])[-_][A-Za-z0-9_-]{16,}"),
}

CARD: Final = re.compile(r"(?<![\w.-])(?=4|5[1-5]|2[2-7]|3[47]|6011|65)\d(?:[ -]?\d){12,18}(?![\w.-])")
"""Digits that begin as cards do: a time in milliseconds does not."""

CANARY: Final = {
    "email": "canary.{mark}@example.com",
    "phone": "+49 151 23456789",
    "card": "4111 1111 1111 1111",
    "token": "Bearer canary-{mark}-0123456789",
}
"""What a marked request carries: nothing of it may come into a log."""


def private(text: str) -> str:
    """What of a person's or a secret's stands in the text, escaped or not, in words; empty when nothing."""
    text = f"{text} {unquote(text)}"
    for words, pattern in PRIVATE.items():
        if pattern.search(text):
            return words
    return "a card number" if any(_is_card(match[0]) for match in CARD.finditer(text)) else ""


def _is_card(text: str) -> bool:
    """Whether digits are a card's, by their check digit (Luhn)."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


@check("logs.structured", good_for="4h", fix='Set [log] format = "json".')
async def structured(
    scene: Scene, *, path: str, fields: str = "timestamp, level, event", younger_than: float
) -> Finding:
    """Every line of the sample (the last ones of the files that `path` matches; the last of all is by its own
    `timestamp` within `younger_than`) is an object of JSON that has each of `fields`."""
    lines = await _sample(scene, path, younger_than)
    if isinstance(lines, Finding):
        return lines
    wrong = [
        line
        for line in lines
        if (there := _object(line)) is None or any(name not in there for name in listed(fields))
    ]
    if not wrong and written(lines) is None:
        return inconclusive(f"No line of {path} says when it was written ({TIME}).")
    words = f"{len(wrong)} of {len(lines)} lines lack {fields}, or are no JSON, such as: {_shown(wrong)}"
    return found(
        not wrong, words if wrong else f"{len(lines)} lines are JSON with {fields}.", lines=len(lines)
    )


@check("logs.levels", good_for="4h", fix='Set [log] level = "info".')
async def levels(
    scene: Scene, *, path: str, at_least: str = "info", field: str = "level", younger_than: float
) -> Finding:
    """No line of the sample is less important than `at_least`, and each one whose level can be read has a known one."""
    lines = await _sample(scene, path, younger_than)
    if isinstance(lines, Finding):
        return lines
    told = [
        (line, str(there[field]).casefold()) for line in lines if (there := _object(line)) and field in there
    ]
    if not told:
        return inconclusive(f"No line of {path} tells its {field}.")
    if written(lines) is None:
        return inconclusive(f"No line of {path} says when it was written ({TIME}).")
    known = [(line, OTHERWISE.get(level, level)) for line, level in told]
    wrong = [
        line for line, level in known if level not in LEVELS or LEVELS.index(level) < LEVELS.index(at_least)
    ]
    words = f"{len(wrong)} of {len(told)} lines are below {at_least}, such as: {_shown(wrong)}"
    return found(
        not wrong, words if wrong else f"{len(told)} lines are of level {at_least} or more important."
    )


@check("logs.scrubbed", good_for="24h", fix="Scrub what is private before it is logged.")
async def scrubbed(scene: Scene, *, of: str, request: str, path: str, seen: bool = True) -> Finding:
    """After a request that carries an e-mail address, a phone number, a card and a token, nothing private stands in the
    logs. With `seen` the request's own line has to be found there by its X-Request-Id, or nothing is known."""
    mark = hashlib.sha256(f"{scene.key} {scene.now().isoformat()}".encode()).hexdigest()[:12]
    carried = {name: value.replace("{mark}", mark) for name, value in CANARY.items()}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in carried.items())
    headers = {"x-request-id": f"canary-{mark}", "authorization": carried["token"]}
    for url in await scene.urls(of):
        await scene.look.http.request("GET", f"{url}{request}?{query}", headers=headers)
    lines: Sequence[str] | Finding = ()

    async def logged() -> bool:
        nonlocal lines
        lines = await _sample(scene, path, 0.0)
        return isinstance(lines, Finding) or any(mark in line for line in lines)

    there = await scene.until(logged, scene.timeout / 3 if seen else 0.0)
    if isinstance(lines, Finding):
        return lines
    found_there = sorted({words for line in lines if (words := private(line))})
    if found_there:
        return failed(f"In {path} stands {', '.join(found_there)}.")
    if seen and not there:
        return inconclusive(
            f"The request canary-{mark} was made and does not stand in {path}: it is not known what would."
        )
    among = f", with the request canary-{mark} among them" if there else ""
    return passed(f"{len(lines)} lines hold nothing private{among}.", lines=len(lines))


async def _sample(scene: Scene, path: str, younger_than: float) -> list[str] | Finding:
    """The last lines of the files, but for files whose last line is too old by its own word; a failed finding when
    there is none. The time of a file says nothing: a copy is young."""
    documents = [await scene.look.documents.read(name) for name in await scene.look.documents.names(path)]
    lines: list[str] = []
    for each in filter(None, documents):
        there = [line for line in each.content.decode(errors="replace").splitlines()[-LINES:] if line.strip()]
        at = written(there) if younger_than else None
        if at is None or scene.now() - at <= timedelta(seconds=younger_than):
            lines += there
    if not lines:
        within = f" within {spoken(younger_than)}" if younger_than else ""
        return failed(f"No line was written to {path}{within}.")
    return lines


def written(lines: Sequence[str]) -> datetime | None:
    """When the last of the lines was written, as they say themselves; None where none does."""
    told = (there.get(TIME) for line in lines if (there := _object(line)) is not None)
    times = (moment(each) for each in told if isinstance(each, str))
    return max((each for each in times if each is not None), default=None)


def _object(line: str) -> dict[str, object] | None:
    try:
        return msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def _shown(lines: Sequence[str]) -> str:
    """A line for evidence, unless something private stands in it."""
    return next((line[:SHOWN] for line in lines if not private(line)), "(all of them hold something private)")
