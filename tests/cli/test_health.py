"""watership health: nine checks of a real environment's slot, and the SLA by its router or by a Prometheus."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.adapters.prometheus.api import Prometheus, constant, serving
from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import load
from watership.wiring.environment import Layout, LocalEnvironment

SLA = """
schema: watership/sla/v1
objectives:
  - { kind: uptime, id: availability, title: Availability, at_least: 99.95%, over: 30d, up: up }
  - { kind: errors, id: errors, title: Error rate, below: 0.1%, over: 30d, bad: bad, all: all }
"""


@pytest.fixture(scope="module")
def environment() -> Iterator[tuple[Path, str]]:
    """One that is up, with a build in green: its folder, and where its router listens."""
    with tempfile.TemporaryDirectory(prefix="w") as name:
        folder = Path(name)
        (folder / "one").mkdir()
        (folder / "one" / "app.py").write_text('from watership import App\n\napp = App("one")\n')
        (folder / "one" / "build.toml").write_text('version = "1.0.0"\nreads = [0, 0]\n')

        async def up() -> str:
            address = await local.up("127.0.0.1:0")
            try:
                await local.establish(folder / "one", layout=Layout(serve=1, workers=1))
            except BaseException:
                await local.down()
                raise
            return address

        local = LocalEnvironment(load(folder, {}))
        address = asyncio.run(up())
        yield folder, address
        asyncio.run(local.down())


@pytest.fixture
def here(environment: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(environment[0])
    return environment[1]


@pytest.fixture
def prometheus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prometheus]:
    """One that the working folder's settings name, and a little SLA."""
    with serving() as server:
        (tmp_path / "sla.yaml").write_text(SLA)
        (tmp_path / "watership.toml").write_text(f'[environment]\nprometheus = "{server.url}"\n')
        monkeypatch.chdir(tmp_path)
        yield server


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run(["--json", "health", *words])
    found: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return code, found


def test_a_sound_slot_passes_all_nine(here: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = told(capsys, "live")

    assert (code, found["passed"], found["failed"], found["unknown"]) == (Exit.OK, 9, 0, 0), found
    assert found["subject"].startswith("green (live), 1.0.0-")
    assert run(["health", "green"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "Checks Passed: 9\nChecks Failed: 0\nChecks Unknown: 0\nStatus: ✓ ALL CHECKS PASSED" in shown
    assert "ok (embedded: " in shown


def test_the_next_slot_is_meant_unless_another_is_named(
    here: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = told(capsys)

    assert (code, found["subject"], found["status"]) == (Exit.NOT_OK, "blue (next)", "failed")


def test_a_service_elsewhere_tells_nothing_of_its_processes(
    here: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = told(capsys, "--url", f"http://{here}")

    assert (code, found["passed"], found["unknown"]) == (Exit.INCONCLUSIVE, 7, 2)
    assert told(capsys, "--url", "http://127.0.0.1:9")[0] == Exit.NOT_OK


def test_a_month_is_not_known_from_a_router_that_has_just_begun(
    here: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = told(capsys, "--sla")

    verdicts = {each["id"]: each["verdict"] for each in found["objectives"]}
    assert code == Exit.INCONCLUSIVE
    assert verdicts["availability"] == verdicts["errors"] == verdicts["latency"] == "inconclusive"
    assert verdicts["throughput"] is verdicts["connections"] is None
    # Gauges are looked at once, which is no window.
    assert verdicts["queue-depth"] == verdicts["memory"] == "inconclusive"


@pytest.mark.parametrize(
    ("up", "bad", "code"),
    [
        ("1", "0", Exit.OK),
        ("0.9", "0", Exit.NOT_OK),
        ("1", "2", Exit.NOT_OK),
        ("NaN", "0", Exit.INCONCLUSIVE),
    ],
)
def test_the_sla_by_a_prometheus_needs_no_environment(
    prometheus: Prometheus, up: str, bad: str, code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    prometheus.says = {"up": constant(up), "bad": constant(bad), "all": constant("1000")}

    assert run(["health", "--sla", "--objectives", "sla.yaml"]) == code
    shown = capsys.readouterr().out
    assert "at least 99.95 % over 30d" in shown
    if code is Exit.OK:
        assert "21m 36s of 21m 36s, burning at 0" in shown
        assert "8,640 of 8,640 requests" in shown


@pytest.mark.parametrize(
    "words",
    [
        ["health", "--bogus"],
        ["health", "purple"],
        ["health", "live", "--sla"],
        ["health", "--over", "1m"],
        ["health", "live", "--url", "http://127.0.0.1:9"],
        ["health", "--url", "127.0.0.1:9"],
        ["health", "--sla", "--over", "soon"],
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], here: str) -> None:
    assert run(words) == Exit.USAGE


def test_where_nothing_is_up_one_learns_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(["health"]) == Exit.NOT_FOUND
    assert run(["health", "--sla"]) == Exit.NOT_FOUND
    assert "--prometheus URL" in capsys.readouterr().err
