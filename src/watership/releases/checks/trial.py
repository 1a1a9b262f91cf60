"""The application's own interface is used as its users do: endpoints, flows, limits, and what happens in trouble."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.book.quantity import listed
from watership.releases.checks.exercise import lacking, sent
from watership.releases.checks.kind import check
from watership.releases.checks.scene import POLL_SECONDS, Scene, told
from watership.releases.measurement import Finding, failed, found, inconclusive, passed
from watership.releases.plan import Side
from watership.releases.ports import ProbeAnswer
from watership.releases.smoke import Message

OPENAPI: Final = "/openapi.json"

SHOWN: Final = 200
"""Characters of a wrong answer that become evidence."""

ENDED: Final = ("succeeded", "failed", "cancelled", "in_doubt", "stopped")
"""States in which a run moves no further by itself."""


@check("http.steady", good_for="1h")
async def steady(scene: Scene, *, of: str, paths: str, times: int = 10) -> Finding:
    """Every address of `of` answers every one of `paths` with 200, `times` times in a row."""
    wrong, asked = [], 0
    for url in await scene.urls(of):
        for path in listed(paths):
            statuses = [(await scene.fetch(of, url + path)).status for _ in range(times)]
            asked += times
            if bad := [each for each in statuses if each != 200]:
                wrong.append(f"{url}{path} answered {bad[0]} in {len(bad)} of {times} cases")
    return found(not wrong, "; ".join(wrong) or f"All of {asked} questions to {of} were answered with 200.")


@check("trial.endpoints", good_for="1h")
async def endpoints(scene: Scene, *, of: str, top: int = 10, paths: str = "") -> Finding:
    """`of` answers each of `paths` (unless given, the first `top` of its OpenAPI document that can be read without a
    parameter) with a status that the document promises."""
    url = (await scene.urls(of))[0]
    promised = dict(_readable(told(of, OPENAPI, await scene.fetch(of, url + OPENAPI))))
    wanted = listed(paths) or tuple(promised)[:top]
    if len(wanted) < top:
        return failed(f"{of} documents {len(wanted)} endpoints that can be asked, {top} are wanted.")
    wrong = []
    for path in wanted:
        answer = await scene.fetch(of, url + path)
        if str(answer.status) not in promised.get(path, ()):
            good = ", ".join(promised.get(path, ())) or "nothing"
            wrong.append(f"{path} answered {answer.status}; documented is {good}")
    return found(
        not wrong, "; ".join(wrong) or f"{', '.join(wanted)} answered as documented.", asked=len(wanted)
    )


class _Operation(Struct):
    responses: dict[str, Any] = {}
    parameters: list[dict[str, Any]] = []


class _Paths(Struct):
    paths: dict[str, dict[str, Any]]


def _readable(document: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Paths that GET without a parameter, each with the good statuses that are promised."""
    try:
        everything = msgspec.convert(document, _Paths).paths
        reads = {
            path: msgspec.convert(each["get"], _Operation)
            for path, each in everything.items()
            if "get" in each
        }
    except msgspec.ValidationError as error:
        raise Unavailable(f"The OpenAPI document cannot be read: {error}.") from error
    for path, get in reads.items():
        if "{" not in path and not any(each.get("required") for each in get.parameters):
            yield path, tuple(status for status in get.responses if status.startswith("2"))


@check("trial.flows", good_for="1h", fix="watership smoke next")
async def flows(scene: Scene, *, of: str) -> Finding:
    """Every message of the release's smoke test comes to the end that it is to come to, on `of` (live or next).

    Where an environment is open its run is pinned to that side; elsewhere it is sent over HTTP, and means nothing when
    it is given to another deployment: before the cutover new work still goes to live.
    """
    messages, side = scene.release.smoke.messages, scene.side(of)
    if not messages:
        return inconclusive("The release's smoke test has no message: no flow is known to be critical.")
    if scene.environment is not None:
        # Measured again it is another run: that of before has its end, and would only tell it once more.
        anew = dataclasses.replace(scene, key=f"{scene.key}-{scene.now():%Y%m%d-%H%M%S}")
        wrong = [words for each in messages for words in await sent(anew, side, each)]
    else:
        wrong = [words for each in messages if (words := await _flowed(scene, of, side, each))]
    names = ", ".join(each.name for each in messages)
    return found(not wrong, "; ".join(wrong) or f"{names}: each came to its end on {side.deployment}.")


async def _flowed(scene: Scene, of: str, side: Side, message: Message) -> str:
    body = {"agent": message.program, "input": message.input}
    answer = await _ask(scene, "POST", of, "/api/v1/messages", body)
    if answer.status != 202:
        return f"{message.name}: answered {answer.status}: {answer.body[:SHOWN].decode(errors='replace')}"
    accepted = msgspec.json.decode(answer.body, type=_Accepted)
    if accepted.deployment != side.deployment:
        raise Unavailable(
            f"{message.name}: run {accepted.run_id} was given to {accepted.deployment}, not to {side.deployment}.",
            fix="Measure it where the environment is open: its runs are pinned there.",
        )
    run = accepted.run_id
    end = scene.clock.monotonic() + message.seconds
    while (state := await _run(scene, of, run)).state not in ENDED:
        if scene.clock.monotonic() >= end:
            return f"{message.name}: run {run} has not ended within {message.seconds:g} s"
        await scene.clock.sleep(POLL_SECONDS)
    if state.state != "succeeded":
        return f"{message.name}: run {run} ended {state.state}"
    wrong = list(lacking(state.result, message.includes)) if message.includes is not None else []
    return f"{message.name}: {'; '.join(wrong)}" if wrong else ""


class _Accepted(Struct):
    run_id: str
    deployment: str


class _Run(Struct):
    state: str
    result: Any = None


async def _run(scene: Scene, of: str, run: str) -> _Run:
    path = f"/api/v1/runs/{run}"
    return msgspec.convert(told(of, path, await _ask(scene, "GET", of, path)), _Run)


async def _ask(scene: Scene, method: str, of: str, path: str, body: object = None) -> ProbeAnswer:
    """A request to the first address of `of`, with the headers of the system of that name."""
    system = scene.systems.get(of)
    headers = system.sent(scene.look.secrets) if system is not None else {}
    content = None if body is None else msgspec.json.encode(body)
    if content is not None:
        headers = {"content-type": "application/json", **headers}
    url = (await scene.urls(of))[0] + path
    return await scene.look.http.request(method, url, body=content, headers=headers)


@check("trial.flag", good_for="1h")
async def flag(scene: Scene, *, of: str, flag: str) -> Finding:
    """A flag that nothing reads is switched on and off again, and every address of `of` says so each time."""
    path = f"/api/v1/flags/{flag}"
    for wanted in (True, False):
        answer = await _ask(
            scene, "PUT", of, path, {"on": wanted, "reason": "a release looks whether flags work"}
        )
        if answer.status not in (200, 201):
            return failed(
                f"PUT {path} answered {answer.status}: {answer.body[:SHOWN].decode(errors='replace')}"
            )
        for url in await scene.urls(of):
            seen = msgspec.convert(
                told(of, "/api/v1/flags", await scene.fetch(of, url + "/api/v1/flags")), _Flags
            )
            if [each.on for each in seen.data if each.name == flag] != [wanted]:
                return failed(
                    f"{url} does not say that {flag} is {'on' if wanted else 'off'}, as was just set."
                )
    return passed(f"{flag} was switched on and off, and every address said so.")


class _Flag(Struct):
    name: str
    on: bool


class _Flags(Struct):
    data: list[_Flag]


@check(
    "trial.limit",
    good_for="24h",
    fix="Set limits.requests_per_minute, and give the processes one counter (Redis).",
)
async def limit(scene: Scene, *, of: str, path: str, at_most: int = 100) -> Finding:
    """Whoever asks `of` too often is refused with 429, and told when to come again, after `at_most` requests.

    It stops at the first refusal. Give the system `of` a caller of its own, so that nobody else is refused for it.
    """
    for number in range(1, at_most + 1):
        answer = await _ask(scene, "GET", of, path)
        if answer.status == 429:
            after = answer.headers.get("retry-after", "")
            words = f"The request number {number} was refused with 429, Retry-After '{after}'."
            return found(after.isdigit() and int(after) > 0, words, number=number)
        if answer.status != 200:
            raise Unavailable(f"{path} answered {answer.status} before any limit.")
    return failed(f"{at_most} requests in a row were all answered: there is no limit below.")


@check("trial.readonly", good_for="24h")
async def readonly(scene: Scene, *, of: str, agent: str, input: str = "a probe") -> Finding:
    """`of` can be degraded: switched to read-only it refuses new work (a message to `agent` with `input`) with 503 and
    Retry-After, and still answers reads; switched back it says so. Its switch must not be live's too."""
    if await _is_readonly(scene, of):
        return inconclusive(f"{of} is read-only already: whether it can be switched is not known.")
    try:
        await _switch(scene, of, True)
        wrong = await _degraded(scene, of, {"agent": agent, "input": _json(input)})
    finally:
        await _switch(scene, of, False)
    if await _is_readonly(scene, of):
        wrong.append(f"{of} stays read-only")
    return found(
        not wrong, "; ".join(wrong) or f"{of} refused new work, answered reads, and was switched back."
    )


async def _degraded(scene: Scene, of: str, message: object) -> list[str]:
    wrong = [] if await _is_readonly(scene, of) else [f"{of} does not say that it is read-only"]
    refused = await _ask(scene, "POST", of, "/api/v1/messages", message)
    if refused.status != 503 or "retry-after" not in refused.headers:
        wrong.append(f"new work is answered {refused.status}, not 503 with Retry-After")
    read = await _ask(scene, "GET", of, "/api/v1/runs")
    return wrong + ([f"reads are answered {read.status}"] if read.status != 200 else [])


def _json(text: str) -> object:
    """What a parameter means: JSON where it is that, else the text itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


class _Status(Struct):
    readonly: bool


async def _is_readonly(scene: Scene, of: str) -> bool:
    return msgspec.convert(told(of, "/status", await _ask(scene, "GET", of, "/status")), _Status).readonly


async def _switch(scene: Scene, of: str, on: bool) -> None:
    answer = await _ask(scene, "POST", of, "/admin/readonly", {"readonly": on})
    if answer.status != 200:
        raise Unavailable(f"{of} answered {answer.status} to the switch read-only.")


@check("trial.fallback", good_for="24h")
async def fallback(scene: Scene, *, of: str, path: str, off: str, status: str = "200") -> Finding:
    """The third party `off` does not answer where `of` looks for it, and `of` answers `path` all the same: something
    else stands in. Without the first, the second would prove nothing."""
    try:
        answer = await scene.get(off, timeout=2.0)
    except Unavailable:
        pass
    else:
        return failed(
            f"{off} answered {answer.status}: it is not switched off, so that no fallback was needed."
        )
    there = await scene.get(of, path)
    good = str(there.status) in listed(status)
    words = f"{off} is switched off, and {of}{path} answered {there.status}"
    return found(good, f"{words}." if good else f"{words}: {there.body[:SHOWN].decode(errors='replace')}")
