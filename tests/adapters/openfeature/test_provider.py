"""An application asks OpenFeature, and gets what the flags of the store say, or its default and why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec.structs import replace
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider.in_memory_provider import InMemoryProvider
from openfeature.provider.no_op_provider import NoOpProvider

from tests.notes import Notes
from watership.adapters.memory import MemoryBell, MemoryStore
from watership.adapters.openfeature import provided
from watership.durable.clock import SystemClock
from watership.errors import Unavailable
from watership.fleet.board import FlagBoard
from watership.fleet.flags import READ_ONLY, Flag


class Mute(MemoryStore):
    """Never answers."""

    async def flags(self) -> Sequence[Flag]:
        raise Unavailable("Mute.")


@asynccontextmanager
async def providing(store: MemoryStore) -> AsyncIterator[FlagBoard]:
    async with FlagBoard(store, MemoryBell(), SystemClock(), Notes()) as board:
        with provided(board):
            yield board


async def test_a_client_gets_what_is_set_and_the_reason() -> None:
    store = MemoryStore()
    half = Flag(name="half", on=True, percent=50, tenants={"acme": True})
    await store.set_flag(half)
    async with providing(store) as board:
        client = api.get_client()
        split = client.get_boolean_details("half", False, EvaluationContext("somebody", {"tenant": "other"}))
        assert (split.reason, split.error_code) == (Reason.SPLIT, None)
        assert client.get_boolean_details("half", False, EvaluationContext("k", {"tenant": "acme"})).value
        assert client.get_boolean_value(READ_ONLY, True) is False
        await store.set_flag(replace(half, disabled=True))
        await board.look()
        found = client.get_boolean_details("half", True, EvaluationContext("k", {"tenant": "acme"}))
        assert (found.value, found.reason) == (False, Reason.DISABLED)


async def test_what_is_not_known_is_the_callers_default_and_says_why() -> None:
    store = MemoryStore()
    await store.set_flag(Flag(name="half", on=True, percent=50))
    async with providing(store):
        client = api.get_client()
        for default in (True, False):
            unknown = client.get_boolean_details("nothing", default)
            assert (unknown.value, unknown.error_code) == (default, ErrorCode.FLAG_NOT_FOUND)
            keyless = client.get_boolean_details("half", default)
            assert (keyless.value, keyless.error_code) == (default, ErrorCode.TARGETING_KEY_MISSING)
        other = client.get_string_details("half", "mine")
        assert (other.value, other.error_code) == ("mine", ErrorCode.TYPE_MISMATCH)


async def test_flags_that_were_never_read_are_the_default() -> None:
    async with providing(Mute()):
        found = api.get_client().get_boolean_details("f", True)
        assert (found.value, found.error_code) == (True, ErrorCode.PROVIDER_NOT_READY)


async def test_a_provider_that_the_application_set_stays() -> None:
    api.set_provider_and_wait(InMemoryProvider({}))
    try:
        async with providing(MemoryStore()):
            assert api.get_provider_metadata().name == "In-Memory Provider"
        assert api.get_provider_metadata().name == "In-Memory Provider"
    finally:
        api.set_provider_and_wait(NoOpProvider())


async def test_after_the_block_nobody_answers_for_the_board() -> None:
    async with providing(MemoryStore()):
        pass
    assert api.get_provider_metadata().name == NoOpProvider().get_metadata().name
