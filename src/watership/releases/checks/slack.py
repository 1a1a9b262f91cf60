"""Slack has the channel, we are in it, and what our webhook sends arrives there."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlencode

from msgspec import Struct, field

from watership.errors import Unavailable
from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.mark import mark
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, excerpt, failed, found

T = TypeVar("T")

NOT_THERE = "channel_not_found"


class _Channel(Struct):
    name: str = ""
    is_archived: bool = False
    is_member: bool = False


class _Channels(Struct):
    channel: _Channel


class _Message(Struct):
    text: str = ""


class _Messages(Struct):
    messages: list[_Message] = field(default_factory=list)


@check(
    "slack.delivers",
    adapted=True,
    good_for="48h",
    fix="Make the incoming webhook anew, and keep its URL as a secret.",
)
async def delivers(scene: Scene, *, hook: str, api: str) -> Finding:
    """A test message that is posted to the webhook `hook` is found in the channel (its fact `channel`, an id) by the
    Web API."""
    name = mark(scene)
    text = f"A test of alerting before the release of {scene.plan.next.build.version}: nothing is wrong ({name})."
    try:
        answer = await scene.ask("POST", hook, body={"text": text})
    except Unavailable:
        # Its words hold the webhook's address, which is a secret.
        raise Unavailable(f"{hook} got no answer.") from None
    if answer.status != 200:
        return failed(f"{hook} answered {answer.status}: {excerpt(answer.body)}")
    channel = scene.fact(hook, "channel")

    async def there() -> bool:
        given = {"channel": channel, "limit": "50"}
        told = await _called(scene, api, "conversations.history", given, _Messages)
        return any(name in each.text for each in told.messages)

    seen = await scene.until(there, scene.timeout / 3)
    words = f"The test message {name} was posted, and {'stands' if seen else 'does not stand'} in {channel}."
    return found(seen, words)


@check(
    "slack.channel", adapted=True, good_for="24h", fix="Make the channel, and invite the application to it."
)
async def channel(scene: Scene, *, of: str, name: str) -> Finding:
    """The channel of that name (its id is the fact of the same name) is there, is not archived, and we are in it."""
    try:
        there = (
            await _called(scene, of, "conversations.info", {"channel": scene.fact(of, name)}, _Channels)
        ).channel
    except LookupError:
        return failed(f"{of} has no channel #{name}.")
    wrong = [] if there.name == name else [f"it is called #{there.name}, not #{name}"]
    wrong += ["it is archived"] if there.is_archived else []
    wrong += [] if there.is_member else ["we are not in it"]
    return judged([f"#{name}: {each}" for each in wrong], f"#{name} is there, and we are in it.")


async def _called(scene: Scene, of: str, method: str, given: dict[str, str], shape: type[T]) -> T:
    """What the Web API answers. It says 200 and `ok: false` for what it refuses: LookupError for no such channel."""
    told = await scene.json(of, f"/api/{method}?{urlencode(given)}")
    if not isinstance(told, dict) or told.get("ok") is not True:
        error = told.get("error") if isinstance(told, dict) else told
        if error == NOT_THERE:
            raise LookupError(given)
        raise Unavailable(f"{of} refuses {method}: {error}.")
    return shaped(of, told, shape)
