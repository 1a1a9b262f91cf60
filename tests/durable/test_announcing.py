"""What a program announces stands in its journal, under a topic that a broker can carry."""

from __future__ import annotations

import pytest

from tests.durable.stage import failure, live, pure
from watership.durable import announce, step
from watership.durable.events import StepDone


@pure
async def found() -> int:
    return 7


def test_an_announcement_and_a_step_with_a_topic_are_entries_that_name_it() -> None:
    async def body() -> object:
        await announce("orders.found", {"count": 7})
        return await step(found, topic="orders.counted")

    _, journal = live(body)
    told = [(event.topic, bytes(event.value)) for event in journal if isinstance(event, StepDone)]
    assert told == [("orders.found", b'{"count":7}'), ("orders.counted", b"7")]


@pytest.mark.parametrize("topic", ["a b", "a..b", ".a", "a.", "a/b", "#", "x" * 101, "ä"])
def test_a_topic_that_no_broker_can_match_by_stops_the_run(topic: str) -> None:
    async def body() -> object:
        await announce(topic, 1)
        return None

    run, _ = live(body)
    assert failure(run) == "ProgramError" and run.failure is not None and repr(topic) in run.failure.message
