"""The smoke test lets a build do its work: requests to its own address, and runs pinned to it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.durable.states import TERMINAL, RunState
from watership.durable.writes import Refused, Submit
from watership.errors import Unavailable
from watership.releases.checks.kind import check
from watership.releases.checks.scene import POLL_SECONDS, Scene
from watership.releases.measurement import Finding, excerpt, found, inconclusive
from watership.releases.plan import Side
from watership.releases.smoke import Message, Request

SHOWN = 200
"""Characters of a wrong answer that become evidence."""


@check("smoke", good_for="1h")
async def smoke(scene: Scene, *, of: str) -> Finding:
    """Every request to every instance, and every message to its end."""
    test, side = scene.release.smoke, scene.side(of)
    if not test.requests and not test.messages:
        return inconclusive("The release brought no smoke test.")
    schema = await scene.env.migrator.version()
    wrong: list[str] = []
    for address in await scene.addresses(side):
        for request in test.requests:
            wrong += await _asked(scene, address, request)
    for message in test.messages:
        wrong += await sent(scene, side, message)
    words = f"{len(test.requests)} request(s) and {len(test.messages)} message(s) came out as expected"
    return found(
        not wrong, "; ".join(wrong) or f"{words} on schema {schema}.", schema=schema, wrong=len(wrong)
    )


async def _asked(scene: Scene, address: str, request: Request) -> list[str]:
    where = f"{request.name} at {address}"
    body = None if request.body is None else msgspec.json.encode(request.body)
    headers = {**({"content-type": "application/json"} if body else {}), **scene.release.smoke.headers}
    try:
        answer = await scene.env.probe.request(
            request.method,
            f"http://{address}{request.path}",
            body=body,
            headers={**headers, **request.headers},
        )
    except Unavailable as error:
        return [f"{where}: {error}"]
    if answer.status != request.status:
        return [f"{where}: {answer.status} instead of {request.status}: {excerpt(answer.body, SHOWN)!r}"]
    if request.includes is None:
        return []
    try:
        told = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return [f"{where}: the answer is no JSON: {excerpt(answer.body, SHOWN)!r}"]
    return [f"{where}: {words}" for words in lacking(told, request.includes)]


async def sent(scene: Scene, side: Side, message: Message) -> list[str]:
    """Start a run pinned to the side, and follow it; the id is the attempt's, so that a crash sends no second."""
    name = f"smoke-{scene.plan.release}-{scene.key.replace('/', '-')}-{scene.attempt}-{message.name}"
    submit = Submit(
        run_id=RunId(name),
        program=message.program,
        input=msgspec.Raw(msgspec.json.encode(message.input)),
        deployment=side.deployment,
        principal="watership release",
    )
    (outcome,) = (await scene.env.work.write([submit])).outcomes
    if isinstance(outcome, Refused):
        return [f"{message.name}: refused: {outcome.reason}"]
    run = await _ended(scene, RunId(name), message.seconds)
    if run is None or run.state not in TERMINAL:
        return [f"{message.name}: run {name} has not ended within {message.seconds:g} s"]
    if run.state is not RunState.SUCCEEDED:
        why = f": {run.failure.kind}: {run.failure.message}" if run.failure else ""
        return [f"{message.name}: run {name} ended {run.state.value}{why}"]
    if message.includes is None:
        return []
    return [
        f"{message.name}: {words}" for words in lacking(msgspec.json.decode(run.result), message.includes)
    ]


async def _ended(scene: Scene, run_id: RunId, seconds: float) -> Run | None:
    end = scene.clock.monotonic() + seconds
    while True:
        run = await scene.env.runs.get(run_id)
        if (run is not None and run.state in TERMINAL) or scene.clock.monotonic() >= end:
            return run
        await scene.clock.sleep(POLL_SECONDS)


def lacking(told: object, wanted: object, where: str = "$") -> Iterator[str]:
    """Where `told` does not contain `wanted`: objects by their keys, everything else as a whole."""
    if isinstance(wanted, dict) and isinstance(told, dict):
        for key, value in wanted.items():
            if key in told:
                yield from lacking(told[key], value, f"{where}.{key}")
            else:
                yield f"{where}.{key} is missing"
    elif told != wanted:
        yield f"{where} is {excerpt(str(told), SHOWN)!r}, not {excerpt(str(wanted), SHOWN)!r}"
