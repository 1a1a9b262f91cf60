"""The oracle writes down every entry before the step's body goes on."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from watership.demo.oracle import VARIABLE, Oracle, entered, read_log


async def test_each_entry_is_in_the_log_when_the_body_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        log = Path(folder) / "log"
        oracle = Oracle(log)
        server = await asyncio.start_unix_server(oracle.hear, Path(folder) / "s")
        monkeypatch.setenv(VARIABLE, str(Path(folder) / "s"))

        await entered("run-1:search/0")
        assert [(each.run, each.key, each.attempt) for each in read_log(log)] == [("run-1", "search/0", 1)]
        await entered("run-1:@review:0/@1:call-1-1:0")
        await entered("run-1:search/0")
        assert [(each.key, each.attempt) for each in read_log(log)][1:] == [
            ("@review:0/@1:call-1-1:0", 1),
            ("search/0", 2),
        ]
        server.close()
        oracle.close()


async def test_a_body_that_cannot_tell_the_oracle_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        monkeypatch.setenv(VARIABLE, str(Path(folder) / "nobody"))
        with pytest.raises(OSError):
            await entered("run-1:search/0")
