"""Calls to AWS: clients that give up in time, made in threads, and whose errors are ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from watership.errors import Unavailable

if TYPE_CHECKING:
    from botocore.config import Config

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 4.0
"""AWS answers in a tenth of a second; who waits longer has less left of the dead-man's switch."""

P = ParamSpec("P")
T = TypeVar("T")


def patience() -> Config:
    """How long a call may take. It is tried once: whoever calls looks first what became of it."""
    with importing():
        from botocore.config import Config
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1},
    )


@contextmanager
def importing() -> Iterator[None]:
    """Say what to install where boto3 is not there."""
    try:
        yield
    except ModuleNotFoundError as reason:
        if (reason.name or "").partition(".")[0] not in ("boto3", "botocore"):
            raise
        raise Unavailable(
            "What speaks to AWS needs the package boto3, which is not installed.",
            fix="pip install 'watership[aws]'",
        ) from None


async def called(call: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
    """What a client's method answers. Raises Unavailable in AWS's own words when it refuses, or does not answer."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return await asyncio.to_thread(call, *words, **named)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "?"))
        raise Unavailable(f"AWS refused it: {error}.", fix=_fix(code)) from None
    except BotoCoreError as error:
        raise Unavailable(f"AWS was not reached: {error}.") from None


def _fix(code: str) -> str:
    match code:
        case "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation":
            return "Give the agent's role that action: docs/releases.md has the list."
        case "Throttling" | "ThrottlingException" | "RequestLimitExceeded":
            return "Ask less often: others of this account use up what it may ask."
        case _:
            return ""
