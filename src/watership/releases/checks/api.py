"""The API is what its own document says: all of it, in its version, and nothing less than before."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from watership.errors import Unavailable
from watership.releases.book.quantity import listed
from watership.releases.checks.compatibility import breaking
from watership.releases.checks.documents import present
from watership.releases.checks.kind import check
from watership.releases.checks.openapi import Json, faults, mapping, operations
from watership.releases.checks.scene import Scene, json_of
from watership.releases.checks.shapes import decoded
from watership.releases.measurement import Finding, failed, found

COUNTED = re.compile(r"^http_requests_total\{([^}]*)\}", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
"""A request that was answered, as the service itself counts it."""

NOT_OURS = ("HEAD", "OPTIONS")
"""Methods that the framework answers beside a documented one."""

NOWHERE = ("405", "501")
"""How a method is answered that a route has not."""

SHOWN = 8
"""Faults that are told."""


@check("api.documented", good_for="24h", fix="Document the route; the document is made from the routes.")
async def documented(
    scene: Scene, *, of: str, path: str = "/openapi.json", metrics: str = "/metrics", live: str = ""
) -> Finding:
    """Every address of `of` serves a valid OpenAPI 3 document that says of each operation what it does, and every
    operation that it has answered so far, by its own metrics (http_requests_total), stands in it.

    Next has answered few as yet: what `live` has answered has to be documented too, there or in live's own document.
    """
    wrong: list[str] = []
    known: set[str] = set()
    for url in await scene.urls(of):
        document = await _document(scene, of, url + path)
        known = _named(document)
        wrong += (f"{url}{path}: {words}" for words in [*faults(document), *_silent(document)])
        wrong += await _besides(scene, of, url, metrics, known)
    for url in await scene.urls(live) if live else ():
        before = _named(await _document(scene, live, url + path))
        wrong += await _besides(scene, live, url, metrics, known | before)
    return _judged(wrong, f"{len(known)} operations are documented, and none is served besides.")


def _named(document: Json) -> set[str]:
    return {f"{method.upper()} {path}" for path, method, _ in operations(document)}


def _silent(document: Json) -> Iterator[str]:
    """Operations that are there, and not told of."""
    for path, method, operation in operations(document):
        if not (operation.get("summary") or operation.get("description")):
            yield f"{method.upper()} {path} does not say what it does"


async def _besides(scene: Scene, of: str, url: str, metrics: str, known: Collection[str]) -> list[str]:
    return [
        f"{url}: {each} is served and not documented"
        for each in await _served(scene, of, url + metrics)
        if each not in known
    ]


async def _document(scene: Scene, of: str, url: str) -> Json:
    document = json_of(url, "", await scene.fetch(of, url))
    if not isinstance(document, dict):
        raise Unavailable(f"{url} answered what is no document.")
    return document


async def _served(scene: Scene, of: str, url: str) -> list[str]:
    """The operations that were answered, as `GET /path`."""
    answer = await scene.fetch(of, url)
    if answer.status != 200:
        raise Unavailable(f"{url} answered {answer.status}: which routes are served is not known.")
    counted = [dict(LABEL.findall(each)) for each in COUNTED.findall(answer.body.decode(errors="replace"))]
    if not counted:
        raise Unavailable(f"{url} counts no request: which routes are served is not known.")
    return sorted(
        {
            f"{each.get('method', 'GET')} {each.get('route', '')}"
            for each in counted
            if each.get("route", "").startswith("/")
            and each.get("method") not in NOT_OURS
            and each.get("code") not in NOWHERE
        }
    )


@check(
    "api.compatible", good_for="24h", fix="Keep what clients rely on, or raise the major version and say so."
)
async def compatible(
    scene: Scene, *, live: str = "live", path: str = "/openapi.json", document: str
) -> Finding:
    """Next's OpenAPI document (a file of the release, of next's version) takes nothing away from the one that `live`
    serves now: no path, operation, answer or field, and asks for nothing more."""
    there = await present(scene, document)
    if isinstance(there, Finding):
        return there
    after = decoded(there, dict[str, object])
    version = mapping(after.get("info")).get("version")
    if version != scene.plan.next.build.version:
        return failed(f"{document} is of version {version}, not {scene.plan.next.build.version}.")
    if wrong := faults(after):
        return _judged([f"{document}: {words}" for words in wrong], "")
    before = await _document(scene, live, (await scene.urls(live))[0] + path)
    words = f"{document} keeps all {len(list(operations(before)))} operations that {live} serves."
    return _judged(breaking(before, after), words)


@check("api.versioned", good_for="24h", fix="Serve the route under the version's prefix.")
async def versioned(
    scene: Scene, *, of: str, path: str = "/openapi.json", prefix: str, besides: str = ""
) -> Finding:
    """Every address of `of` says in its document that it is next's version, and every path in it begins with `prefix`,
    but those of `besides` (commas between)."""
    wrong = []
    wanted = scene.side(of).build.version if of in ("live", "next") else scene.plan.next.build.version
    for url in await scene.urls(of):
        document = await _document(scene, of, url + path)
        version = mapping(document.get("info")).get("version")
        if version != wanted:
            wrong.append(f"{url} says that it is {version}, not {wanted}")
        wrong += _outside(document, prefix, listed(besides))
    return _judged(
        wrong, f"Every path begins with {prefix}, but for the {len(listed(besides))} that are excepted."
    )


def _outside(document: Json, prefix: str, besides: tuple[str, ...]) -> Iterator[str]:
    for path in mapping(document.get("paths")):
        if not path.startswith(prefix) and path not in besides:
            yield f"{path} has no version"


def _judged(wrong: list[str], good: str) -> Finding:
    if not wrong:
        return found(True, good)
    rest = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return failed(f"{'; '.join(wrong[:SHOWN])}{rest}.", faults=len(wrong))
