"""A service that was told to stop says so to a router that asks, before it takes no more connections."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx2
import pytest

from watership.testing.servers.ports import free_port

APP = Path(__file__).parents[2] / "examples" / "hello.py"
PATIENCE = 60.0
NOTICE = 3.0


async def test_a_router_sees_that_a_replica_drains_while_it_still_answers(tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "WATERSHIP_STORE_URL": f"sqlite:///{tmp_path / 'runs.db'}",
        "WATERSHIP_HTTP_NOTICE_SECONDS": str(NOTICE),
    }
    command = [sys.executable, "-m", "watership", "serve", "--app", f"{APP}:app", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **settings}, cwd=tmp_path)
    try:
        # A connection for each request: those that stand are answered on anyhow.
        anew = {"connection": "close"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=anew) as http:
            async with asyncio.timeout(PATIENCE):
                while not await _ready(http):
                    await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(NOTICE):
                while (told := await http.get("/readyz")).status_code != 503:
                    await asyncio.sleep(0.01)
            assert "draining" in told.text
            await asyncio.sleep(NOTICE / 3)  # longer than a listener takes to close
            sent = await http.post("/api/v1/messages", json={"agent": "hello", "input": {"name": "Ada"}})
            assert sent.status_code == 202
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _ready(http: httpx2.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False
