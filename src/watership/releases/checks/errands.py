"""An errand is a message that an agent is sent, and whose run is followed to its end: it shows what the agents do."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import msgspec
from msgspec import Struct

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import spoken
from watership.releases.checks.kind import check
from watership.releases.checks.requests import sent_to
from watership.releases.checks.scene import POLL_SECONDS, Scene, json_of
from watership.releases.checks.smoke import lacking, sent
from watership.releases.measurement import Finding, excerpt, failed, found, inconclusive, passed
from watership.releases.smoke import Message

ENDED: Final = ("succeeded", "failed", "cancelled", "in_doubt", "stopped")
"""States in which a run moves no further by itself."""


@check("trial.flows", good_for="1h", fix="watership smoke next")
async def flows(scene: Scene, *, of: str) -> Finding:
    """Every message of the release's smoke test comes to the end that it is to come to, on `of` (live or next).

    Where an environment is open its run is pinned to that side; elsewhere it is sent over HTTP, and means nothing when
    it is given to another deployment: before the cutover new work still goes to live.
    """
    messages = scene.release.smoke.messages
    if not messages:
        return inconclusive("The release's smoke test has no message: no flow is known to be critical.")
    wrong = [words for each in messages for words in await _done(scene, of, each)]
    names = ", ".join(each.name for each in messages)
    return found(
        not wrong, "; ".join(wrong) or f"{names}: each came to its end on {scene.side(of).deployment}."
    )


@check(
    "trial.flag",
    good_for="1h",
    fix="Look at the agent that asks the flag, and at how its worker reads flags.",
)
async def flag(
    scene: Scene,
    *,
    of: str,
    flag: str,
    agent: str,
    on: str = '{"on": true}',
    off: str = '{"on": false}',
    input: str = "a probe",
    within: float = 8.0,
) -> Finding:
    """The flag changes what `of` does: `agent`, which asks it, gives a result that includes `on` (JSON) within `within`
    of its being switched on, and then `off` of its being switched off.

    Nothing else is to ask that flag, for it is switched for everybody; it is left off. The agent is sent messages as
    `trial.flows` sends them.
    """
    results = {True: meant(on), False: meant(off)}
    if not [*lacking(results[True], results[False])]:
        raise BadInput(f"{on} includes {off}: what the agent does would show nothing of the flag.")
    switched = False
    try:
        for wanted, result in results.items():
            switched = wanted
            name = f"{flag}-{'on' if wanted else 'off'}"
            probe = Message(name=name, program=agent, input=meant(input), includes=result, seconds=within)
            if wrong := await _set(scene, of, flag, wanted) or await _obeyed(scene, of, probe):
                return failed(f"With {flag} {'on' if wanted else 'off'}: {wrong}.")
    finally:
        if switched:
            await _set(scene, of, flag, False)
    return passed(f"{agent} did {on} within {spoken(within)} with {flag} on, and {off} with it off.")


async def _set(scene: Scene, of: str, flag: str, on: bool) -> str:
    """Switch it; what is wrong with the answer, if anything is."""
    body = {"on": on, "reason": "a release looks whether flags work"}
    answer = await sent_to(scene, "PUT", of, f"/api/v1/flags/{flag}", body)
    good = answer.status in (200, 201)
    return "" if good else f"it cannot be set, for {answer.status}: {excerpt(answer.body)}"


async def _obeyed(scene: Scene, of: str, message: Message) -> str:
    """Send it until it comes out as wanted; what is wrong when its time is over. Processes read flags now and then."""
    end, number = scene.clock.monotonic() + message.seconds, 0
    while wrong := await _done(scene, of, msgspec.structs.replace(message, name=f"{message.name}-{number}")):
        if scene.clock.monotonic() >= end:
            return "; ".join(wrong)
        await scene.clock.sleep(POLL_SECONDS)
        number += 1
    return ""


@check("trial.fallback", good_for="24h", fix="Look at what the agent does while its first choice is away.")
async def fallback(
    scene: Scene, *, of: str, off: str, agent: str, shows: str, input: str = "a probe", within: float = 30.0
) -> Finding:
    """Something stands in for a third party: `off`, where `of` looks for it, does not answer, and a message to `agent`,
    which needs it, succeeds all the same, with a result that includes `shows` (JSON), which only the stand-in says.

    `of` is a process of next's build that is configured so; were `off` there, it would prove nothing.
    """
    try:
        answer = await scene.get(off, timeout=2.0)
    except Unavailable:
        pass
    else:
        return failed(
            f"{off} answered {answer.status}: it is not switched off, so that no fallback was needed."
        )
    if another := await _another(scene, of):
        return failed(f"{of} is {another}, not next: it proves nothing of {scene.plan.next.build.version}.")
    wrong = await _flowed(
        scene,
        of,
        Message(name=agent, program=agent, input=meant(input), includes=meant(shows), seconds=within),
        "",
    )
    return found(
        not wrong, f"{off} is switched off; {wrong or f'{agent} answered all the same, with {shows}'}."
    )


class _Health(Struct):
    version: str
    build: str = ""


async def _another(scene: Scene, of: str) -> str:
    """Which build `of` is, where it is not next's."""
    answer, build = await sent_to(scene, "GET", of, "/health"), scene.plan.next.build
    if answer.status not in (200, 503):
        raise Unavailable(f"{of}/health answered {answer.status}: which build it is is not known.")
    there = msgspec.json.decode(answer.body, type=_Health)
    if there.version == build.version and there.build in ("", build.digest):
        return ""
    return f"{there.version} {there.build}".strip()


async def _done(scene: Scene, of: str, message: Message) -> list[str]:
    """What is wrong with the end to which a message comes on a side of the release."""
    side = scene.side(of)
    if scene.environment is None:
        wrong = await _flowed(scene, of, message, side.deployment)
        return [wrong] if wrong else []
    # Measured again it is another run: that of before has its end, and would only tell it once more.
    anew = dataclasses.replace(scene, key=f"{scene.key}-{scene.now():%Y%m%d-%H%M%S}")
    return await sent(anew, side, message)


async def _flowed(scene: Scene, of: str, message: Message, deployment: str) -> str:
    """The same over HTTP; it says nothing when another than that `deployment` is given the run."""
    body = {"agent": message.program, "input": message.input}
    answer = await sent_to(scene, "POST", of, "/api/v1/messages", body)
    if answer.status != 202:
        return f"{message.name}: answered {answer.status}: {excerpt(answer.body)}"
    accepted = msgspec.json.decode(answer.body, type=_Accepted)
    if deployment and accepted.deployment != deployment:
        raise Unavailable(
            f"{message.name}: run {accepted.run_id} was given to {accepted.deployment}, not to {deployment}.",
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
    return msgspec.convert(json_of(of, path, await sent_to(scene, "GET", of, path)), _Run)


def meant(text: str) -> object:
    """What a parameter means: JSON where it is that, else the text itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
