"""The topology commands against a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watership.cli.exits import Exit
from watership.cli.main import run
from watership.testing.servers.ports import free_port

HELLO = str(Path(__file__).parents[2] / "examples" / "hello.py") + ":app"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WATERSHIP_BROKER_URL", raising=False)


def test_the_plan_is_printed_without_a_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topology", "plan", "--deployment", "green-1", "--pool", "research"]) == Exit.OK
    assert "watership.v1.wakeups.green-1.research.high" in capsys.readouterr().out


def test_what_is_missing_is_judged_and_applied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rabbit_url: str
) -> None:
    monkeypatch.setenv("WATERSHIP_BROKER_URL", rabbit_url)
    assert run(["topology", "verify"]) == Exit.NOT_OK
    assert run(["topology", "apply", "--deployment", "green-1"]) == Exit.OK
    capsys.readouterr()
    # Nobody has looked at the bindings, and unknown is never passed.
    assert run(["topology", "verify", "--deployment", "green-1", "--json"]) == Exit.INCONCLUSIVE
    found = json.loads(capsys.readouterr().out)
    assert {row["standing"] for row in found if row["kind"] != "binding"} == {"same"}


def test_without_a_broker_the_command_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["topology", "apply"]) == Exit.USAGE
    monkeypatch.setenv("WATERSHIP_BROKER_URL", f"amqp://127.0.0.1:{free_port()}/")
    assert run(["topology", "apply"]) == Exit.DEPENDENCY


def test_the_document_is_exported(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topology", "export", "--asyncapi", "--app", HELLO]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["asyncapi"] == "3.0.0"
