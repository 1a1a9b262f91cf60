"""How an API behaves to whom it does not know: limits, other sites, and requests that cannot be served."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec
from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.openapi import mapping, operations
from watership.releases.checks.runtime import TRACES
from watership.releases.checks.scene import Scene, json_of
from watership.releases.measurement import Finding, found
from watership.releases.ports import ProbeAnswer

LIMITS = ("ratelimit", "ratelimit-policy", "ratelimit-limit", "x-ratelimit-limit", "x-rate-limit-limit")
"""The headers in which an answer tells a limit (draft-ietf-httpapi-ratelimit-headers, and what was used before)."""

PROBLEM = "application/problem+json"

NONE = "none"
"""How `allowed` says that there is no such origin."""

REFUSALS = (400, 401, 403, 405)
"""With these a server refuses a stranger's preflight; any other error says nothing of what it would do."""

SIMPLE = ("GET", "HEAD", "POST")
"""Methods that browsers need no leave for (the Fetch standard's CORS-safelisted methods)."""


@check(
    "api.rate_limited", good_for="24h", fix="Set limits.requests_per_minute, or the limits of your gateway."
)
async def rate_limited(
    scene: Scene, *, of: str, paths: str, burst: int = 0, document: str = "/openapi.json"
) -> Finding:
    """Every endpoint of `paths` (commas between; `/api/*` are those that the OpenAPI `document` has a GET of, without a
    parameter in the path) has a limit: its answer tells it in a header (RateLimit-Policy and older ones), or one of at
    most `burst` requests is refused with 429 and Retry-After."""
    url = (await scene.urls(of))[0]
    meant = await _meant(scene, of, url + document, listed(paths))
    free = [path for path in meant if not await _limited(scene, of, url + path, burst)]
    words = f"{', '.join(free)} tell no limit" + (
        f", and meet none within {burst} requests." if burst else "."
    )
    return found(not free, words if free else f"{len(meant)} endpoint(s) have a limit: {', '.join(meant)}.")


async def _meant(scene: Scene, of: str, document: str, patterns: Sequence[str]) -> list[str]:
    """The paths that patterns mean. Raises BadInput for one that means none."""
    if not any("*" in each for each in patterns):
        return list(patterns)
    told = mapping(json_of(document, "", await scene.fetch(of, document)))
    there = sorted({path for path, method, _ in operations(told) if method == "get" and "{" not in path})
    meant: dict[str, None] = {}
    for pattern in patterns:
        chosen = [path for path in there if fnmatchcase(path, pattern)] if "*" in pattern else [pattern]
        if not chosen:
            raise BadInput(f"No path of {document} is '{pattern}'.", fix="Name paths, or a pattern of some.")
        meant |= dict.fromkeys(chosen)
    return list(meant)


async def _limited(scene: Scene, of: str, url: str, burst: int) -> bool:
    for _ in range(max(burst, 1)):
        answer = await scene.fetch(of, url)
        if any(header in answer.headers for header in LIMITS):
            return True
        if answer.status == 429 and "retry-after" in answer.headers:
            return True
    return False


@check("api.cors", good_for="24h", fix="Name the origins of your own pages, and no other one.")
async def cors(
    scene: Scene, *, of: str, path: str, allowed: str, refused: str, method: str = "GET"
) -> Finding:
    """Every address of `of` lets pages of the origins `allowed` in by name, and none of `refused` (commas between).

    Of each origin it asks twice: beforehand, as browsers do (a preflight), and the request itself, a GET of `path`. To
    the allowed both are answered well (2xx), and the origin is named; to the others the request is answered too, and
    nobody is let in; their preflight may be refused. Where no other site is to be let in, `allowed` is `none`.
    """
    ours = () if allowed.strip() == NONE else listed(allowed)
    wrong = []
    for url in await scene.urls(of):
        for origin in ours:
            wrong += [f"{url}{path} {words}" for words in await _shut(scene, of, url + path, origin, method)]
        for origin in listed(refused):
            wrong += [f"{url}{path} {words}" for words in await _open(scene, of, url + path, origin, method)]
    words = f"{', '.join(ours) or 'No other site'} may ask, {refused} may not."
    return found(not wrong, f"{'; '.join(wrong)}." if wrong else words)


async def _shut(scene: Scene, of: str, url: str, origin: str, method: str) -> list[str]:
    """What keeps an origin out that is to be let in."""
    before, asked = await _both(scene, of, url, origin, method)
    wrong = []
    for what, answer in (("a preflight", before), ("a request", asked)):
        if not 200 <= answer.status < 300:
            wrong.append(f"answers {what} of {origin} with {answer.status}")
        elif (let := _let_in(answer)) != origin:
            wrong.append(f"lets {let or 'nobody'} in at {what} of {origin}")
    methods = listed(before.headers.get("access-control-allow-methods", ""))
    if not wrong and method not in (*SIMPLE, *methods) and "*" not in methods:
        wrong.append(f"lets {origin} not {method}")
    return wrong


async def _open(scene: Scene, of: str, url: str, origin: str, method: str) -> list[str]:
    """What lets an origin in that is to be kept out, or leaves it open whether it would."""
    before, asked = await _both(scene, of, url, origin, method)
    wrong = []
    for what, answer, good in (
        ("a preflight", before, 200 <= before.status < 300 or before.status in REFUSALS),
        ("a request", asked, 200 <= asked.status < 300),
    ):
        if not good:
            wrong.append(f"answers {what} of {origin} with {answer.status}")
        elif (let := _let_in(answer)) in (origin, "*"):
            wrong.append(f"lets {let} in at {what} of {origin}")
    return wrong


async def _both(scene: Scene, of: str, url: str, origin: str, method: str) -> tuple[ProbeAnswer, ProbeAnswer]:
    """What an origin is answered to a preflight for that method, and to a GET with the credentials of `of`."""
    system = scene.systems.get(of)
    ours = system.sent(scene.look.secrets) if system is not None else {}
    asked = {"origin": origin, "access-control-request-method": method}
    before = await scene.look.http.request("OPTIONS", url, headers=asked)
    return before, await scene.look.http.request("GET", url, headers={**ours, "origin": origin})


def _let_in(answer: ProbeAnswer) -> str:
    return answer.headers.get("access-control-allow-origin", "")


class _Problem(Struct):
    title: str
    status: int


@check("errors.answered", good_for="24h", fix="Answer errors as RFC 9457 says: application/problem+json.")
async def answered(scene: Scene, *, of: str, requests: str) -> Finding:
    """Every address of `of` answers each of `requests` ("METHOD /path STATUS", commas between) with that status, as a
    problem document that says the same, and without a trace of its code."""
    wrong = []
    for url in await scene.urls(of):
        for each in listed(requests):
            method, path, status = _parts(each)
            answer = await scene.look.http.request(method, url + path)
            wrong += [f"{method} {url}{path} {words}" for words in _faults(answer, status)]
    words = f"{len(listed(requests))} provoked error(s) were answered as problems."
    return found(not wrong, f"{'; '.join(wrong)}." if wrong else words)


def _parts(request: str) -> tuple[str, str, int]:
    match request.split():
        case [method, path, status] if status.isdigit():
            return method, path, int(status)
        case _:
            raise BadInput(f"'{request}' is no request.", fix="Write METHOD /path STATUS.")


def _faults(answer: ProbeAnswer, status: int) -> list[str]:
    if answer.status != status:
        return [f"was answered with {answer.status}, not {status}"]
    if not answer.headers.get("content-type", "").startswith(PROBLEM):
        return [f"was answered as {answer.headers.get('content-type', 'nothing')}, not as {PROBLEM}"]
    try:
        problem = msgspec.json.decode(answer.body, type=_Problem)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        return [f"was answered with no problem document: {error}"]
    wrong = [f"says {problem.status} within"] if problem.status != status else []
    text = answer.body.decode(errors="replace")
    return wrong + [f"shows '{trace}'" for trace in TRACES if trace in text]
