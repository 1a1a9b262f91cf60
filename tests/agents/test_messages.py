"""Messages: what is sent twice under one key counts once, and another body is refused."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.agents.stage import Stage, on_stage
from watership.agents.directory import Directory
from watership.agents.messages import Messages
from watership.durable.committer import WriteRefused
from watership.durable.ids import seeded_ids
from watership.fleet.identity import Identity


def desk(stage: Stage) -> tuple[Messages, Identity]:
    """The front desk of a stage, and somebody before it."""
    until = stage.clock.now() + timedelta(days=1)
    ada = Identity(person="ada", tenant="default", roles=frozenset({"writer"}), expires_at=until)
    return Messages(stage.committer, stage.store, Directory(), seeded_ids(2)), ada


def test_a_signal_again_under_its_key_changes_nothing_and_another_one_is_refused() -> None:
    async def play(stage: Stage) -> None:
        messages, ada = desk(stage)
        run_id = await stage.start("p")
        for spelt in (b'{"mm":3,"of":"rain"}', b'{"of": "rain", "mm": 3}'):
            await messages.signal(run_id, ada, "weather", msgspec.Raw(spelt), key="k")
        for name, value in (("weather", b"4"), ("rain", b'{"mm":3,"of":"rain"}')):
            with pytest.raises(WriteRefused) as refused:
                await messages.signal(run_id, ada, name, msgspec.Raw(value), key="k")
            assert refused.value.code == "key_reused"
        assert len(await stage.store.inbox(run_id)) == 1

    on_stage(play)
