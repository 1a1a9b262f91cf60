"""The desk at which commands about releases work, and who stands at it."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from watership.cli.options import read_config
from watership.cli.output import say
from watership.errors import BadInput, NotAllowed

if TYPE_CHECKING:
    from watership.releases.warrant import Caller
    from watership.wiring.desk import Desk

T = TypeVar("T")
R = TypeVar("R")


def at_desk(work: Callable[[Desk], Awaitable[T]]) -> T:
    """Do something with the environment of the working folder."""
    from watership.wiring.controller import open_desk

    async def opened() -> T:
        async with open_desk(read_config()) as desk:
            return await work(desk)

    return asyncio.run(opened())


def calling(name: str | None, token: str | None) -> Caller:
    """Who acts: the token's person where tokens are asked for; on open loopback whoever is named."""
    from watership.durable.clock import SystemClock
    from watership.fleet.identity import Tokens, everybody
    from watership.releases.warrant import Caller

    config = read_config()
    if config.open:
        if token is not None:
            say("note: no token is asked for here, since there is no WATERSHIP_SECRET; yours proves nothing")
        return Caller(everybody(name or _account(), SystemClock()), open=True)
    if token is None:
        raise NotAllowed("A token is needed to act here.", fix="Set WATERSHIP_TOKEN, or pass --token.")
    return Caller(Tokens(config.secret, SystemClock()).verify(token), open=False)


def _account() -> str:
    """Whose process this is, where USER is not set: in containers, and when cron starts it."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise BadInput("Who are you?", fix="Say it with --as NAME, or set USER.") from None


def acting(command: click.decorators.FC) -> click.decorators.FC:
    command = click.option("--token", envvar="WATERSHIP_TOKEN", help="Who you are; or set WATERSHIP_TOKEN.")(
        command
    )
    return click.option(
        "--as", "name", envvar="USER", help="Who you are, where no tokens are asked for; $USER unless given."
    )(command)


def of_release(command: click.decorators.FC) -> click.decorators.FC:
    """--release NAME, which every command takes that is about a release."""
    return click.option(
        "--release", metavar="NAME", help="The release; the one that was last worked at unless given."
    )(command)


def one(command: Callable[..., R]) -> Callable[..., R]:
    """The release, by --release or by its name alone."""
    return of_release(alone("release", "RELEASE")(command))


def alone(option: str, metavar: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Let a command take by place too what its option of that name says: after its other words, where it has any."""

    def taken(command: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(command)
        def named(*args: object, by_place: str | None, **given: object) -> R:
            said = given.pop(option)
            if said and by_place and said != by_place:
                raise click.UsageError(f"Two are named: {by_place} and {said}.")
            return command(*args, **{option: said or by_place}, **given)

        return click.argument("by_place", required=False, metavar=f"[{metavar}]")(named)

    return taken
