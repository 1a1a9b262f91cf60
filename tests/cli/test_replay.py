"""watership run replay tells whether another build would go on with the runs that are under way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.cli.orders import begin, build, stranger
from watership.cli.main import run


@pytest.fixture
def under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with an order and a purchase that wait for somebody, made by the first build; the builds' folder."""
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.chdir(tmp_path)
    begin(build(tmp_path / "first", version="1"))
    return tmp_path


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
    other = stranger(under_way / "fourth", version="4")
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
