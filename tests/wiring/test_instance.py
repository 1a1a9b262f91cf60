"""An instance listens where it is told, and says over HTTP which build it is: one that serves, and a worker too."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from watership.adapters.files.builds import read_build
from watership.adapters.http.report import Report, reported
from watership.config import BadConfig, Config
from watership.errors import BadInput
from watership.releases.ports import InstanceState
from watership.testing.servers.ports import free_port
from watership.wiring.instance import settled

START_SECONDS = 60.0  # of interpreters that begin on a busy machine

EVERYWHERE = "0.0.0.0:3000"
SECRET = "a-secret-of-the-tests-that-is-long-enough"


def test_an_instance_that_is_told_no_address_takes_any_free_port() -> None:
    serve, worker = (settled(Config(), role, 4, None) for role in ("serve", "worker"))
    assert (serve.http.host, serve.http.port, serve.worker.slots) == ("127.0.0.1", 0, 4)
    assert worker.worker.http == ""


def test_one_that_is_told_one_listens_there_and_never_openly_without_tokens() -> None:
    with pytest.raises(BadConfig, match="everybody"):
        settled(Config(), "serve", 4, EVERYWHERE)
    config = msgspec.structs.replace(Config(), secret=SECRET)
    http = settled(config, "serve", 4, EVERYWHERE).http
    assert f"{http.host}:{http.port}" == EVERYWHERE
    # A worker has nothing to be asked for there but how it is.
    assert settled(Config(), "worker", 4, "0.0.0.0:9100").worker.http == "0.0.0.0:9100"
    with pytest.raises(BadInput, match="is no address"):
        settled(config, "serve", 4, "3000")


async def test_both_roles_say_which_build_they_are_and_when_they_are_ready(tmp_path: Path) -> None:
    source = tmp_path / "app"
    source.mkdir()
    (source / "build.toml").write_text('version = "1.2.3"\n')
    (source / "app.py").write_text('from watership import App\n\napp = App("little")\n')
    addresses = {role: f"127.0.0.1:{free_port()}" for role in ("serve", "worker")}
    words = ["--source", str(source), "--deployment", "d", "--slot", "blue", "--slots", "2"]
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watership.wiring.instance", role, *words, "--listen", address),
            cwd=tmp_path,
            env=os.environ | {"WATERSHIP_STORE_URL": f"sqlite:///{tmp_path}/store.db"},
        )
        for role, address in addresses.items()
    ]
    try:
        ready = Report(state=InstanceState.READY, digest=read_build(source).digest, version="1.2.3")

        async with asyncio.timeout(START_SECONDS):
            for each in addresses.values():
                while await reported(each) != ready:
                    await asyncio.sleep(0.1)
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        codes = [await process.wait() for process in started]
    assert codes == [0, 0]
    assert await reported(addresses["serve"]) == Report()
