"""What a process on a host loaded and logs, asked by commands that really run."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.checklist.papers import ago
from tests.checklist.world import World
from tests.releases.checks.looks import look
from watership.releases.book.quantity import Given
from watership.releases.book.system import System
from watership.releases.verdict import Verdict

PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One with a host on which a process runs that loaded two variables."""
    process = subprocess.Popen(
        ["/bin/sleep", "600"], env={"POOL": "10", "DATABASE_URL": "postgresql://a:b@c/d"}
    )
    facts: dict[str, Given] = {"name": socket.gethostname(), "pid": process.pid, "logs": "cat next.jsonl"}
    yield World(root=tmp_path, systems={"host": System(url="local:", facts={**facts, "secrets": "token"})})
    process.kill()
    process.wait()


def with_facts(world: World, **facts: Given) -> None:
    host = world.systems["host"]
    world.systems["host"] = replace(host, facts={**host.facts, **facts})


def test_every_staged_variable_has_to_be_loaded_as_it_is(world: World) -> None:
    world.write("next.env", "# staged\nexport POOL='10'\nDATABASE_URL=postgresql://a:b@c/d\n")
    assert look(world, "host.variables", on="host", file="next.env")[0] is PASSED
    world.write("next.env", "POOL=12\nDATABASE_URL=postgresql://a:other@c/d\nNEW=1\n")
    assert look(world, "host.variables", on="host", file="next.env") == (
        FAILED,
        "POOL has another value; DATABASE_URL has another value; NEW is not loaded",
    )
    world.write("next.env", "# nothing\n")
    assert look(world, "host.variables", on="host", file="next.env")[0] is FAILED
    assert look(world, "host.variables", on="host", file="other.env")[0] is INCONCLUSIVE
    world.write("next.env", "POOL=10\n")
    assert look(world, "host.variables", on="elsewhere", file="next.env")[0] is INCONCLUSIVE


def test_settings_keep_their_bounds(world: World) -> None:
    assert look(world, "host.bounds", on="host", bounds="POOL=10..50") == (PASSED, "POOL is 10.")
    assert look(world, "host.bounds", on="host", bounds="POOL=11..50")[0] is FAILED
    assert look(world, "host.bounds", on="host", bounds="DATABASE_URL=1..2")[0] is FAILED
    assert look(world, "host.bounds", on="host", bounds="OTHER=1..2") == (FAILED, "OTHER is not set.")
    assert look(world, "host.bounds", on="host", bounds="POOL")[0] is INCONCLUSIVE


def test_a_secret_is_its_owners_alone(world: World) -> None:
    assert look(world, "host.secrets", on="host")[0] is INCONCLUSIVE
    host = world.systems["host"]
    world.systems["host"] = replace(host, facts={**host.facts, "secrets": " , "})
    assert look(world, "host.secrets", on="host")[0] is INCONCLUSIVE, "none is named"
    world.systems["host"] = host
    token = world.write("token", "s3cret")
    token.chmod(0o400)
    assert look(world, "host.secrets", on="host")[0] is PASSED
    token.chmod(0o640)
    verdict, words = look(world, "host.secrets", on="host")
    assert verdict is FAILED and "has the mode 640" in words and "s3cret" not in words
    token.chmod(0o600)
    token.write_bytes(b"")
    assert look(world, "host.secrets", on="host") == (FAILED, "token is empty")


def lines(*levels: str, at: str = "") -> str:
    return "".join(f'{{"timestamp": "{at or ago(minutes=5)}", "level": "{level}"}}\n' for level in levels)


def test_log_lines_say_how_bad_it_is(world: World) -> None:
    quiet, levels = ("host.quiet", {"lines": 2}), ("host.levels", {"lines": 2, "lowest": "info"})
    world.write("next.jsonl", lines("info", "WARNING"))
    assert [look(world, check, on="host", **given)[0] for check, given in (quiet, levels)] == [PASSED, PASSED]
    world.write("next.jsonl", lines("info", "error"))
    verdict, words = look(world, "host.quiet", on="host", lines=2)
    assert verdict is FAILED and '"level": "error"' in words
    world.write("next.jsonl", lines("debug", "info"))
    assert [look(world, check, on="host", **given)[0] for check, given in (quiet, levels)] == [PASSED, FAILED]
    late = '{"level": "info"}\n'
    for text in (
        "",
        lines("info") + "Traceback (most recent call last):\n",
        lines("info", "info", at=ago(hours=2)),
        late + late,
    ):
        world.write("next.jsonl", text)
        for check, given in (quiet, levels):
            assert look(world, check, on="host", **given)[0] is INCONCLUSIVE, text


def test_a_host_has_to_be_the_one_that_is_meant(world: World) -> None:
    assert look(world, "host.reached", on="host")[0] is PASSED
    with_facts(world, run="env --")
    assert look(world, "host.reached", on="host")[0] is PASSED
    with_facts(world, name="next-1")
    assert look(world, "host.reached", on="host")[0] is FAILED
    with_facts(
        world, run="ssh -o BatchMode=yes -o ConnectTimeout=2 -o StrictHostKeyChecking=no -p 9 127.0.0.1"
    )
    verdict, words = look(world, "host.reached", on="host")
    assert verdict is INCONCLUSIVE and "ended with 255" in words


def test_a_process_that_is_gone_tells_nothing(world: World) -> None:
    with_facts(world, pid=2_000_000_000)
    world.write("next.env", "POOL=10\n")
    world.write("token", "s3cret").chmod(0o400)
    assert look(world, "host.variables", on="host", file="next.env")[0] is INCONCLUSIVE
    assert look(world, "host.bounds", on="host", bounds="POOL=1..2")[0] is INCONCLUSIVE
    assert look(world, "host.secrets", on="host")[0] is INCONCLUSIVE
    with_facts(world, pid="next")
    assert look(world, "host.variables", on="host", file="next.env")[0] is INCONCLUSIVE
