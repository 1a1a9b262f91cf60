"""watership baseline, of an environment that is up: captured, on record, compared."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from watership.cli.exits import Exit
from watership.cli.main import run
from watership.config import load
from watership.wiring.environment import Layout, LocalEnvironment

EVIDENCE = Path("evidence/baseline.json")

TRIES = 20

MEMORY = """
schema: watership/baseline/v1
figures: { memory: { check: machine.figure, parameters: { figure: memory } } }
limits: { memory: { besides: 0.1% } }
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
            await local.establish(folder / "one", layout=Layout(serve=1, workers=1))
            return address

        local = LocalEnvironment(load(folder, {}))
        try:
            yield folder, asyncio.run(up())
        finally:
            asyncio.run(local.down())


@pytest.fixture
def here(environment: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(environment[0])
    return environment[1]


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object], str]:
    """How a command ended, the object that it printed, and its words to people."""
    code = run(["--json", "baseline", *words])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out else {}, printed.err


def test_live_is_captured_shown_and_compared(
    here: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert told(capsys, "show")[0] == Exit.NOT_FOUND

    # The router tells of whole seconds, and the first may not be over: ask until it knows of our requests.
    code, got = int(Exit.INCONCLUSIVE), dict[str, object]()
    for _ in range(TRIES):
        for _ in range(5):
            assert httpx2.get(f"http://{here}/livez").status_code == 200
        code, got, _ = told(capsys, "capture", "--as", "mo")
        if code == Exit.OK:
            break
    assert code == Exit.OK, got
    assert (got["version"], got["by"]) == ("1.0.0", "mo")
    figures = msgspec.convert(got["figures"], dict[str, float | None])
    known = {name for name, value in figures.items() if value is not None}
    assert known == {"requests_per_second", "error_rate", "p50", "p95", "cpu", "memory", "disk_io", "network"}
    assert told(capsys, "show") == (Exit.OK, got, "")

    code, compared, _ = told(capsys, "compare", "--as", "mo")
    assert code == Exit.OK, compared

    (tmp_path / "baseline.yaml").write_text(MEMORY)
    better = msgspec.json.decode(EVIDENCE.read_bytes())
    better["figures"]["memory"] = 0.001
    EVIDENCE.write_bytes(msgspec.json.encode(better))
    code, compared, _ = told(capsys, "compare", "--runbook", str(tmp_path), "--as", "mo")
    changes = msgspec.convert(compared["figures"], list[dict[str, object]])
    assert code == Exit.NOT_OK
    assert [each["name"] for each in changes if each["change"] == "worse"] == ["memory"]

    log = Path(".watership").rglob("audit*")
    assert any(b"baseline.captured" in file.read_bytes() for file in log if file.is_file())


def test_a_figure_that_cannot_be_had_is_on_record_as_not_known(
    here: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "baseline.yaml").write_text(
        "schema: watership/baseline/v1\n"
        "figures:\n"
        "  cpu: { check: machine.figure, parameters: { figure: cpu } }\n"
        "  connections: { check: sql.figure, parameters: { of: database, query: SELECT 1 } }\n"
        "limits:\n"
        "  connections: { by: 20% }\n"
    )
    other = ("--runbook", str(tmp_path), "--as", "mo")
    code, got, words = told(capsys, "capture", *other)
    assert (
        code == Exit.INCONCLUSIVE and "connections is not known" in words and "No system 'database'" in words
    )
    assert list(msgspec.convert(got["unknown"], dict[str, str])) == ["connections"]
    assert told(capsys, "compare", *other)[0] == Exit.INCONCLUSIVE


def test_a_file_that_is_none_is_refused(
    here: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "b.json").write_text("{}")
    code, _, words = told(capsys, "compare", "--file", str(tmp_path / "b.json"), "--as", "mo")
    assert code == Exit.USAGE and "is no baseline" in words
    code, _, words = told(capsys, "capture", "--runbook", "no-such-runbook", "--as", "mo")
    assert code == Exit.NOT_FOUND and "no-such-runbook" in words
