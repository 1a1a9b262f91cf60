"""The entrance is used as clients use it: it leads to the right side, and turns away who asks too often."""

from __future__ import annotations

import msgspec

from watership.errors import BadInput, Unavailable
from watership.releases.checks.kind import check
from watership.releases.checks.requests import at as placed
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found

MOST = 1_000
"""Requests of one check: more would be an attack."""


@check("http.same", good_for="1h", fix="Look at the rules and the weights of the balancer.")
async def same(scene: Scene, *, of: str, to: str, path: str, at: str, samples: int = 5) -> Finding:
    """What the entrance `of` answers at `path` has the same at `at` (`a.b` of JSON) as what every address of `to`
    (live, next, or a system) answers itself: its requests are led there. Asked `samples` times."""
    wanted = {await _value(scene, to, url + path, at) for url in await scene.urls(to)}
    if len(wanted) != 1:
        return failed(
            f"The addresses of {to} differ in '{at}' among themselves: {', '.join(sorted(wanted))}."
        )
    (entrance,) = await scene.urls(of)
    seen = {await _value(scene, of, entrance + path, at) for _ in range(samples)}
    words = f"{entrance}{path} has {', '.join(sorted(seen))} at '{at}', {to} itself {', '.join(wanted)}."
    return found(seen == wanted, words)


@check("http.limited", good_for="24h", fix="Deploy the rule, and say how long to wait: Retry-After.")
async def limited(scene: Scene, *, of: str, path: str, requests: int, status: int = 429) -> Finding:
    """Of `requests` in a row to the entrance `of`, the first is let in and one is turned away with `status`.

    The system `of` should be a caller of its own, by a header: else others are turned away meanwhile.
    """
    if not 1 < requests <= MOST:
        raise BadInput(f"Between 2 and {MOST:,} requests are made, not {requests}.")
    (entrance,) = await scene.urls(of)
    for number in range(1, requests + 1):
        answer = await scene.fetch(of, entrance + path)
        if answer.status == status:
            words = f"{entrance}{path} turned away request {number} with {status}"
            if number == 1:
                return failed(f"{words}: nobody is let in at all.")
            if "retry-after" not in answer.headers:
                return failed(f"{words}, without saying when to come again (Retry-After).")
            return found(
                True, f"{words}, to come again after {answer.headers['retry-after']} s.", let_in=number - 1
            )
        if answer.status >= 500:
            raise Unavailable(f"{entrance}{path} answered {answer.status}.")
    return failed(f"{entrance}{path} let in all of {requests} requests.")


async def _value(scene: Scene, of: str, url: str, at: str) -> str:
    answer = await scene.fetch(of, url)
    if answer.status != 200:
        raise Unavailable(f"{url} answered {answer.status}.")
    try:
        return str(placed(msgspec.json.decode(answer.body), at))
    except (msgspec.DecodeError, LookupError) as error:
        raise Unavailable(f"{url} answered without '{at}'.") from error
