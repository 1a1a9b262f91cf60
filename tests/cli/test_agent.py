"""watership agent compare tells what another build would change of the agents that are live."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.journeys.processes import processes
from watership.cli.main import run
from watership.testing.servers import free_port

BUILD = """
    from watership import Agent, App, tool

    app = App("shop")

    @tool(effect="pure")
    async def price(item: str) -> int:
        '''What it costs.'''
        return {price}

    app.add(Agent("buyer", model="echo", instructions="{instructions}", tools=[price]))

    @app.agent
    async def order(item: str) -> str:
        return item
    {more}
"""


def build(folder: Path, *, price: str = "1", instructions: str = "Buy.", more: str = "") -> Path:
    folder.mkdir()
    text = textwrap.dedent(BUILD).format(price=price, instructions=instructions, more=more)
    (folder / "app.py").write_text(text)
    return folder


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_another_builds_changes_are_told_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live, port = build(tmp_path / "live"), free_port()
    more = "\n@app.agent\nasync def refund(item: str) -> str:\n    return item\n"
    build(tmp_path / "next", price="2", instructions="Buy two.", more=more)
    monkeypatch.setenv("WATERSHIP_SERVER", f"http://127.0.0.1:{port}")
    environment = {"WATERSHIP_STORE_URL": f"sqlite:///{tmp_path}/runs.db"}
    with processes(1, live, "serve", "--app", "app.py:app", "--port", str(port), environment=environment):
        while not answers(f"http://127.0.0.1:{port}"):
            time.sleep(0.05)
        assert run(["agent", "compare", "--against", f"{tmp_path}/next", "--json"]) == 0
        told = msgspec.json.decode(capsys.readouterr().out)["agents"]
        assert run(["agent", "compare", "--against", f"{live}", "--json"]) == 0
        same = msgspec.json.decode(capsys.readouterr().out)["agents"]
    assert told == {
        "buyer": {"instructions": "changed", "tool price": "changed"},
        "order": {},
        "refund": "new",
    }
    assert same == {"buyer": {}, "order": {}}
