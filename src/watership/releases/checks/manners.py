"""How an API behaves to whom it does not know: limits, other sites, and requests that cannot be served."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.runtime import TRACES
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, found
from watership.releases.ports import ProbeAnswer

LIMITS = ("ratelimit", "ratelimit-policy", "ratelimit-limit", "x-ratelimit-limit", "x-rate-limit-limit")
"""The headers in which an answer tells a limit (draft-ietf-httpapi-ratelimit-headers, and what was used before)."""

PROBLEM = "application/problem+json"


@check(
    "api.rate_limited", good_for="24h", fix="Set limits.requests_per_minute, or the limits of your gateway."
)
async def rate_limited(scene: Scene, *, of: str, paths: str, burst: int = 0) -> Finding:
    """Every endpoint of `paths` (commas between) has a limit: its answer tells it in a header (RateLimit-Policy and
    older ones), or one of at most `burst` requests is refused with 429 and Retry-After."""
    url = (await scene.urls(of))[0]
    free = [path for path in listed(paths) if not await _limited(scene, of, url + path, burst)]
    words = f"{', '.join(free)} tell no limit" + (
        f", and meet none within {burst} requests." if burst else "."
    )
    return found(not free, words if free else f"{len(listed(paths))} endpoint(s) have a limit.")


async def _limited(scene: Scene, of: str, url: str, burst: int) -> bool:
    for _ in range(max(burst, 1)):
        answer = await scene.fetch(of, url)
        if any(header in answer.headers for header in LIMITS):
            return True
        if answer.status == 429 and "retry-after" in answer.headers:
            return True
    return False


@check("api.cors", good_for="24h", fix="Name the origins of your own pages, and no other one.")
async def cors(scene: Scene, *, of: str, path: str, allowed: str = "", refused: str) -> Finding:
    """Asked before a request of another site's page (a preflight), every address of `of` lets the origins `allowed` in
    by name, and none of `refused` (commas between)."""
    urls = [url + path for url in await scene.urls(of)]
    let = {
        (url, who): await _preflight(scene, url, who)
        for url in urls
        for who in listed(f"{allowed}, {refused}")
    }
    wrong = [
        f"{url} lets {told or 'nobody'} in when {who} asks"
        for (url, who), told in let.items()
        if (told != who if who in listed(allowed) else told in (who, "*"))
    ]
    words = f"{allowed or 'No other site'} may ask, {refused} may not."
    return found(not wrong, f"{'; '.join(wrong)}." if wrong else words)


async def _preflight(scene: Scene, url: str, origin: str) -> str:
    """Whom the answer to a preflight lets in."""
    headers = {"origin": origin, "access-control-request-method": "POST"}
    answer = await scene.look.http.request("OPTIONS", url, headers=headers)
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
