"""Flags over HTTP: everybody may read them, operators set them, and the record says who did."""

from __future__ import annotations

from typing import Annotated

import msgspec

from watership.api.answer import Answer, reply
from watership.api.endpoint import Call, Endpoint
from watership.api.shapes import Page, Reason
from watership.errors import BadInput, Conflict, NotFound
from watership.fleet.flags import FLAGS_TOPIC, READ_ONLY, Flag, FlagChange
from watership.fleet.identity import ADMIN, OPERATOR, READER, Identity

PAGE = 50
PAGE_MOST = 200
"""Changes of one answer: the newest; nobody reads more."""

TRIES = 5
"""How often a change that names no version is made anew, when somebody else was quicker."""

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]


class FlagList(Page[Flag], frozen=True):
    pass


class ChangeList(Page[FlagChange], frozen=True):
    pass


class SetFlag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The flag as it shall be; what is left out stays as it is. `version`: only if it still has this one."""

    on: bool | msgspec.UnsetType = msgspec.UNSET
    percent: Percent | msgspec.UnsetType = msgspec.UNSET
    tenants: dict[str, bool] | msgspec.UnsetType = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET
    version: int | None = None
    reason: Reason = ""


async def list_flags(call: Call) -> Answer:
    flags = tuple(_shown(flag, call.identity) for flag in await call.service.flags.flags())
    return reply(FlagList(data=flags, next=None, total_count=len(flags)))


async def put_flag(call: Call) -> Answer:
    """Changes one flag as the body says; without a version whatever else was set meanwhile stays, and goes before."""
    name, body = call.path["name"], call.read(SetFlag)
    if name == READ_ONLY:
        # As at /admin/readonly: it stops all new work.
        call.identity.require(ADMIN)
    for left in reversed(range(TRIES)):
        there = await _find(call, name)
        try:
            stands = await _set(call, body, there or Flag(name=name))
        except Conflict:
            if body.version is not None or not left:
                raise
        else:
            call.service.bell.ring([FLAGS_TOPIC])
            call.service.observer.note("flag set", flag=name, by=stands.by, reason=stands.reason)
            return reply(stands, 200 if there else 201)
    raise AssertionError("the last try returns or raises")


async def _set(call: Call, body: SetFlag, present: Flag) -> Flag:
    given = {
        field: value
        for field in ("on", "percent", "tenants", "disabled")
        if (value := getattr(body, field)) is not msgspec.UNSET
    }
    wanted = msgspec.structs.replace(present, **given, by=call.identity.person, reason=body.reason)
    expected = present.version if body.version is None else body.version
    return await call.service.flags.set_flag(wanted, expected=expected)


async def list_changes(call: Call) -> Answer:
    limit = call.number("limit", PAGE, most=PAGE_MOST)
    if not limit:
        raise BadInput(f"limit must be a whole number from 1 to {PAGE_MOST}.")
    name = call.path["name"]
    flag = await _find(call, name)
    if flag is None:
        raise NotFound(f"There is no flag {name!r}.", fix="List them with `watership flag list`.")
    changes = await call.service.flags.flag_changes(name, limit=limit)
    # Each change has raised the flag's version by one.
    return reply(ChangeList(data=tuple(changes), next=None, total_count=flag.version))


def flag_endpoints() -> list[Endpoint]:
    """Everything under /api/v1/flags."""
    return [
        Endpoint(
            method="GET",
            path="/api/v1/flags",
            scope=READER,
            serve=list_flags,
            about="List the feature flags.",
            gives=FlagList,
        ),
        Endpoint(
            method="PUT",
            path="/api/v1/flags/{name}",
            scope=OPERATOR,
            serve=put_flag,
            about="Set a feature flag; it reaches every process within five seconds.",
            takes=SetFlag,
            gives=Flag,
        ),
        Endpoint(
            method="GET",
            path="/api/v1/flags/{name}/changes",
            scope=OPERATOR,
            serve=list_changes,
            about="List the changes of a flag, newest first: who, when, why, what was and what is.",
            gives=ChangeList,
            query=frozenset({"limit"}),
        ),
    ]


async def _find(call: Call, name: str) -> Flag | None:
    return next((flag for flag in await call.service.flags.flags() if flag.name == name), None)


def _shown(flag: Flag, identity: Identity) -> Flag:
    """The flag without the names of tenants that are none of the reader's business."""
    if identity.acts_as(OPERATOR):
        return flag
    own = {name: on for name, on in flag.tenants.items() if name == identity.tenant}
    return msgspec.structs.replace(flag, tenants=own)
