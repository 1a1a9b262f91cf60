"""Endpoints are asked as clients ask them, those that clients ask most: by live's own count, and next's document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.openapi import Json, mapping, sequence
from watership.releases.checks.scene import Scene, json_of
from watership.releases.measurement import Finding, failed, passed
from watership.releases.ports import ProbeAnswer

OPENAPI: Final = "/openapi.json"

COUNTED: Final = re.compile(r"^http_requests_total\{(.*)\} ([0-9.]+(?:e\+?\d+)?)$", re.MULTILINE)
"""Requests that were answered, as the service counts them itself."""

LABEL: Final = re.compile(r'(\w+)="([^"]*)"')

PROBES: Final = "/livez, /readyz, /startupz, /metrics"
"""What machines ask every few seconds, and no client does."""

STREAM: Final = "text/event-stream"

NAMES: Final = ("id", "name", "run_id")
"""What one of a list is asked for by."""


@check("trial.endpoints", good_for="1h", fix="Compare what next and live answer there.")
async def endpoints(
    scene: Scene,
    *,
    of: str,
    live: str = "live",
    top: int = 10,
    within: float = 5.0,
    paths: str = "",
    besides: str = PROBES,
) -> Finding:
    """Each of the `top` endpoints that clients read most is answered by every address of `of`, `within` that time, with
    a status that its OpenAPI document promises.

    Which they are is counted by `live` itself (http_requests_total), without those of `besides`; what nobody has asked
    yet is taken from the document, in its order; `paths` (commas between) says it instead. One that `live` serves and
    next does not document has failed. One with a parameter (`/runs/{id}`) is asked for the first of its list; where
    there is none, and for streams, the next one takes its place. What is written to is tried by `trial.flows`.
    """
    urls = await scene.urls(of)
    reads = _reads(json_of(of, OPENAPI, await scene.fetch(of, urls[0] + OPENAPI)))
    promised = {path: good for path, get in reads.items() if (good := _promised(get))}
    often = dict.fromkeys(listed(paths), 0) or await _asked_most(scene, live, listed(besides))
    wrong = [
        f"{path} is not documented by {of}"
        + (f", and {live} was asked for it {count:,} times" if count else "")
        for path, count in [*often.items()][:top]
        if path not in reads
    ]
    # What is asked much comes first; the document fills up what is missing.
    rest = [] if paths else [path for path in promised if path not in often and path not in listed(besides)]
    asked: dict[str, float] = {}
    for path in (*(each for each in often if each in promised), *rest):
        if len(asked) == top:
            break
        if (filled := await _filled(scene, of, urls[0], path)) is None:
            continue
        answers = [await scene.fetch(of, url + filled) for url in urls]
        asked[path] = max(answer.seconds for answer in answers)
        wrong += _unlike(path, promised[path], answers, within)
    if len(asked) < top:
        wrong.append(f"{len(asked)} endpoints can be asked, {top} are wanted")
    if wrong:
        return failed(f"{'; '.join(wrong)}.", asked=len(asked))
    names = ", ".join(f"{path} ({often[path]:,})" if often.get(path) else path for path in asked)
    slowest = f"{1000 * max(asked.values()):.3g} ms"
    words = f"{names}: answered as documented, within {slowest}; in brackets how often {live} was asked."
    return passed(words, asked=len(asked), slowest=max(asked.values()))


def _unlike(
    path: str, promised: Sequence[str], answers: Sequence[ProbeAnswer], within: float
) -> Iterator[str]:
    """What is wrong with answers of one endpoint."""
    if bad := [answer.status for answer in answers if str(answer.status) not in promised]:
        yield f"{path} answered {bad[0]}; documented is {', '.join(promised) or 'nothing'}"
    if slow := [answer.seconds for answer in answers if answer.seconds > within]:
        yield f"{path} took {spoken(max(slow))}; {spoken(within)} is the limit"


async def _asked_most(scene: Scene, live: str, besides: Sequence[str]) -> Mapping[str, int]:
    """Routes that were read from `live`, those that were read most first. Raises Unavailable when it does not tell."""
    counts: Counter[str] = Counter()
    for url in await scene.urls(live):
        answer = await scene.fetch(live, f"{url}/metrics")
        if answer.status != 200:
            raise Unavailable(f"{url}/metrics answered {answer.status}: what is asked most is not known.")
        for labels, number in COUNTED.findall(answer.body.decode(errors="replace")):
            of = dict(LABEL.findall(labels))
            if of.get("method") == "GET" and of.get("route", "").startswith("/"):
                counts[of["route"]] += int(float(number))
    return {path: count for path, count in counts.most_common() if path not in besides}


def _reads(document: object) -> Mapping[str, Json]:
    """The GET of every path of a document."""
    if not isinstance(document, dict):
        raise Unavailable("What is to be an OpenAPI document is none.")
    paths = mapping(document.get("paths")).items()
    return {path: mapping(mapping(each).get("get")) for path, each in paths if "get" in mapping(each)}


def _promised(get: Json) -> tuple[str, ...]:
    """The good statuses that are promised; none of what cannot be asked: a stream never ends, and a parameter of the
    query would have to be guessed."""
    answers = {status: mapping(each) for status, each in mapping(get.get("responses")).items()}
    good = {
        status: mapping(each.get("content")) for status, each in answers.items() if status.startswith("2")
    }
    return () if _guessed(get) or any(STREAM in each for each in good.values()) else tuple(good)


def _guessed(get: Json) -> bool:
    given = [mapping(each) for each in sequence(get.get("parameters"))]
    return any(each.get("required") and each.get("in") != "path" for each in given)


class _List(Struct):
    data: list[dict[str, object]]


async def _filled(scene: Scene, of: str, url: str, path: str) -> str | None:
    """The path with the first of its list in the place of a parameter; None where there is none."""
    before, brace, after = path.partition("/{")
    if not brace:
        return path
    rest = after.partition("}")[2]
    answer = await scene.fetch(of, url + before)
    if "{" in rest or answer.status != 200:
        return None
    try:
        first = next(iter(msgspec.json.decode(answer.body, type=_List).data), {})
    except msgspec.DecodeError:
        return None
    name = next((first[name] for name in NAMES if isinstance(first.get(name), str)), None)
    return None if name is None else f"{before}/{quote(str(name), safe='')}{rest}"
