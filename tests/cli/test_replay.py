"""watership run replay tells whether another build would go on with the runs that are under way."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from tests.at_work import at_work
from watership.agents.app import App
from watership.cli.main import run
from watership.durable.ids import RunId
from watership.durable.states import RunState
from watership.wiring.application import load_app

BUILD = """
    from watership import Agent, App, approval_tool, approve, step, tool
    from watership.testing.scripted import scripted

    app = App("shop", version="{version}")

    @tool(effect="pure")
    async def price(item: str) -> int:
        '''What it costs.'''
        return len(item)

    @tool(effect="pure")
    async def stock(item: str) -> int:
        '''How many there are.'''
        return 3

    @app.agent
    async def order(item: str) -> str:
        cents = await step(price, item)
        {more}
        answer = await approve("Pay?", cents)
        return "paid" if answer.granted else "refused"

    turns = [[("price", {{"item": "tea"}})], [("ask_approval", {{"question": "Buy?"}})], "Bought."]
    app.add(Agent("buyer", model=scripted(turns), tools=[{tools}, approval_tool()]))
"""


def build(folder: Path, *, version: str, more: str = "", tools: str = "price, stock") -> Path:
    folder.mkdir()
    (folder / "app.py").write_text(textwrap.dedent(BUILD).format(version=version, more=more, tools=tools))
    return folder


@pytest.fixture
def under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with an order and a purchase that wait for somebody, made by the first build; the builds' folder."""
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.chdir(tmp_path)
    app = load_app(f"{build(tmp_path / 'first', version='1')}/app.py:app")
    asyncio.run(work(app))
    return tmp_path


async def work(app: App) -> None:
    """Start both, and work until they wait."""
    given = {"order": {"item": "tea"}, "buyer": {"prompt": "Tea!"}}
    async with at_work(app, given) as kernel, asyncio.timeout(30):
        for name in given:
            while (await kernel.store.get(RunId(name))).state is not RunState.WAITING:  # type: ignore[union-attr]
                await asyncio.sleep(0.02)


def told(folder: Path, capsys: pytest.CaptureFixture[str], *runs: str) -> tuple[int, dict[str, str]]:
    """The exit code, and each run's verdict."""
    code = run(["--json", "run", "replay", "--against", str(folder), *runs])
    found = msgspec.json.decode(capsys.readouterr().out)
    return code, {each["run_id"]: each["verdict"] for each in found["runs"]}


def test_the_build_that_began_them_fits(under_way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(under_way / "first", capsys) == (0, {"order": "fits", "buyer": "fits"})


def test_a_build_that_asks_for_more_in_the_middle_diverges(
    under_way: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = build(under_way / "other", version="2", more="await approve('Sure?')")
    assert told(other, capsys) == (0, {"order": "fits", "buyer": "fits"})  # at the same wait it stands
    other = build(under_way / "third", version="3", more="await step(stock, item)")
    assert told(other, capsys) == (0, {"order": "fits", "buyer": "fits"})  # a step after all that is recorded
    other = build(under_way / "fourth", version="4", more="")
    text = (other / "app.py").read_text().replace("step(price, item)", "step(stock, item)")
    (other / "app.py").write_text(text)
    assert told(other, capsys) == (3, {"order": "diverges", "buyer": "fits"})


def test_another_order_of_tools_drifts(under_way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = build(under_way / "other", version="2", tools="stock, price")
    assert told(other, capsys, "buyer") == (0, {"buyer": "drifts"})


def test_a_build_without_the_agent_diverges(under_way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = build(under_way / "other", version="2")
    text = (other / "app.py").read_text().replace('Agent("buyer"', 'Agent("shopper"')
    (other / "app.py").write_text(text)
    assert told(other, capsys, "buyer") == (3, {"buyer": "diverges"})


def test_a_run_that_is_not_there_is_named(under_way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "replay", "--against", str(under_way / "first"), "nobody"]) == 5
    assert "no run nobody" in capsys.readouterr().err


def test_an_exported_test_names_no_path_of_the_machine_that_it_was_made_on(
    under_way: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for where, module in ((under_way, "first.app"), (under_way / "first", "app"), (Path("/"), None)):
        monkeypatch.chdir(where)
        assert run(["run", "export", "order", "--app", f"{under_way / 'first' / 'app.py'}:app"]) == 0
        line = capsys.readouterr().out.splitlines()[2]
        assert line == f"from {module} import app" if module else line.startswith("from ")


def exported(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> Path:
    """The test of a run, beside the application that it is of."""
    assert run(["run", "export", name, "--app", "app.py:app"]) == 0
    made = folder / f"test_{name}.py"
    made.write_text(capsys.readouterr().out)
    return made


def passes(made: Path) -> subprocess.CompletedProcess[str]:
    """Run the test by itself, in its own folder."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", made.name]
    return subprocess.run(words, cwd=made.parent, capture_output=True, text=True, check=False)


def test_an_exported_run_is_a_test_that_passes_until_its_agent_changes(
    under_way: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = exported(under_way / "first", capsys, "buyer")
    done = passes(made)
    assert done.returncode == 0, done.stdout
    app = made.parent / "app.py"
    app.write_text(app.read_text().replace("tools=[price, stock,", "tools=[stock, price,"))
    done = passes(made)
    assert done.returncode == 1
    assert "a model would be shown something else" in done.stdout


def test_an_exported_run_of_a_function_fails_when_it_takes_other_steps(
    under_way: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = exported(under_way / "first", capsys, "order")
    assert passes(made).returncode == 0
    app = made.parent / "app.py"
    app.write_text(app.read_text().replace("step(price, item)", "step(stock, item)"))
    done = passes(made)
    assert done.returncode == 1
    assert "diverges" in done.stdout
