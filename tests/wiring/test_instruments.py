"""The instruments together: made for nothing, each there when it is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from watership.errors import Unavailable
from watership.testing.servers import RedisServer, free_port
from watership.wiring.instruments import ProjectInstruments

HEAVY = ("asyncpg", "redis", "OpenSSL", "cryptography", "dns", "psutil", "websockets", "httpx2", "smtplib")


def test_making_them_imports_none_of_the_packages_behind_them() -> None:
    code = (
        "import sys; from pathlib import Path; from watership.wiring.instruments import ProjectInstruments;"
        f"ProjectInstruments(Path('.')); print([name for name in {HEAVY} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


async def test_each_looks_where_it_is_told_to(tmp_path: Path, redis_server: RedisServer) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    found = ProjectInstruments(tmp_path)
    document = await found.documents.read("kept.txt")
    assert document is not None
    assert (await found.commands.run(["cat", "kept.txt"])).output == "kept"
    assert (await found.redis.info(redis_server.url))["role"] == "master"
    assert await found.redis.call(redis_server.url, "PING") == "PONG"
    assert 0 < (await found.machine.load(seconds=0.01)).memory < 1


async def test_each_says_that_nobody_is_there(tmp_path: Path) -> None:
    found, address = ProjectInstruments(tmp_path), f"127.0.0.1:{free_port()}"
    for look in (
        found.http.request("GET", f"http://user:hush@{address}/"),
        found.sql.rows(f"postgresql://user:hush@{address}/x", "SELECT 1"),
        found.redis.info(f"redis://user:hush@{address}/0"),
        found.tls.look(address),
        found.dns.lookup(address, "example.org"),
        found.sockets.open(f"ws://user:hush@{address}/"),
        found.mail.greet(f"smtp://user:hush@{address}"),
    ):
        with pytest.raises(Unavailable, match=address) as caught:
            await look
        assert "hush" not in str(caught.value)


def test_a_package_that_is_not_installed_is_named_with_what_installs_it(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; sys.modules['OpenSSL'] = None; from pathlib import Path;"
        "from watership.wiring.instruments import ProjectInstruments;"
        "asyncio.run(ProjectInstruments(Path('.')).tls.look('127.0.0.1:1'))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'watership[checks]'" in told.stderr
