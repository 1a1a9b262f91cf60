"""What the command line puts on record as evidence: the baseline of live, and a rehearsal of migrations."""

from __future__ import annotations

import asyncio
import hashlib
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
        (folder / "one" / "build.toml").write_text('version = "1.0.0"\nreads = [0, 1]\n')

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


def build(folder: Path) -> Path:
    """The next one, with a migration."""
    (folder / "migrations").mkdir(parents=True)
    (folder / "app.py").write_text('from watership import App\n\napp = App("one")\n')
    (folder / "build.toml").write_text('version = "1.1.0"\nreads = [0, 1]\n')
    (folder / "smoke.yaml").write_text("requests:\n  - { name: alive, path: /livez }\n")
    (folder / "migrations" / "forward_1.sql").write_text(
        "CREATE TABLE facts (id INTEGER PRIMARY KEY, text TEXT);\n"
    )
    (folder / "migrations" / "backward_1.sql").write_text("DROP TABLE facts;\n")
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object], str]:
    """How a command ended, the object that it printed, and its words to people."""
    code = run(["--json", *words])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out else {}, printed.err


def test_live_is_captured_shown_and_compared(
    here: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert told(capsys, "baseline", "show")[0] == Exit.NOT_FOUND

    # The router tells of whole seconds, and the first may not be over: ask until it knows of our requests.
    code, got = int(Exit.INCONCLUSIVE), dict[str, object]()
    for _ in range(TRIES):
        for _ in range(5):
            assert httpx2.get(f"http://{here}/livez").status_code == 200
        code, got, _ = told(capsys, "baseline", "capture", "--as", "mo")
        if code == Exit.OK:
            break
    assert code == Exit.OK, got
    assert (got["version"], got["by"]) == ("1.0.0", "mo")
    figures = msgspec.convert(got["figures"], dict[str, float | None])
    known = {name for name, value in figures.items() if value is not None}
    assert known == {"requests_per_second", "error_rate", "p50", "p95", "cpu", "memory", "disk_io", "network"}
    assert told(capsys, "baseline", "show") == (Exit.OK, got, "")

    code, compared, _ = told(capsys, "baseline", "compare", "--as", "mo")
    assert code == Exit.OK, compared
    (tmp_path / "baseline.yaml").write_text(MEMORY.replace("limits: { memory: { besides: 0.1% } }", ""))
    code, compared, _ = told(capsys, "baseline", "compare", "--runbook", str(tmp_path), "--as", "mo")
    assert code == Exit.INCONCLUSIVE, compared  # nothing has a limit, so nothing was judged

    (tmp_path / "baseline.yaml").write_text(MEMORY)
    better = msgspec.json.decode(EVIDENCE.read_bytes())
    better["figures"]["memory"] = 0.001
    EVIDENCE.write_bytes(msgspec.json.encode(better))
    code, compared, _ = told(capsys, "baseline", "compare", "--runbook", str(tmp_path), "--as", "mo")
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
    code, got, words = told(capsys, "baseline", "capture", *other)
    assert (
        code == Exit.INCONCLUSIVE and "connections is not known" in words and "No system 'database'" in words
    )
    assert list(msgspec.convert(got["unknown"], dict[str, str])) == ["connections"]
    assert told(capsys, "baseline", "compare", *other)[0] == Exit.INCONCLUSIVE


def test_a_file_that_is_none_is_refused(
    here: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "b.json").write_text("{}")
    code, _, words = told(capsys, "baseline", "compare", "--file", str(tmp_path / "b.json"), "--as", "mo")
    assert code == Exit.USAGE and "is no baseline" in words
    code, _, words = told(capsys, "baseline", "capture", "--runbook", "no-such-runbook", "--as", "mo")
    assert code == Exit.NOT_FOUND and "no-such-runbook" in words


def test_a_rehearsal_on_a_copy_is_put_on_record_with_the_digests_of_its_scripts(
    here: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COPY", postgres_url)
    code, _, words = told(capsys, "release", "plan", str(build(tmp_path / "next")), "--as", "mo")
    assert code == Exit.OK, words
    rehearse = ("migrate", "rehearse", "--on", "env:COPY", "--as", "mo")
    code, _, words = told(capsys, *rehearse)
    assert code == Exit.USAGE and "When was the copy taken?" in words

    wrong = tmp_path / "integrity.sql"
    wrong.write_text("SELECT 'never' WHERE false;\n")
    taken = ("--taken-at", "2026-11-28T02:00:00", "--integrity", str(wrong))
    code, tried, words = told(capsys, *rehearse, *taken)
    assert (code, tried["integrity"]) == (Exit.OK, []), words
    assert json.loads(Path("evidence/rehearsal.json").read_bytes()) == tried
    (script,) = msgspec.convert(tried["scripts"], list[dict[str, str]])
    forward = (tmp_path / "next" / "migrations" / "forward_1.sql").read_bytes()
    assert script["forward_sha256"] == hashlib.sha256(forward).hexdigest()

    wrong.write_text("SELECT 'always';\n")
    # The copy was left migrated: whoever rehearses again restores it first.
    code, tried, _ = told(capsys, *rehearse, *taken)
    assert code == Exit.NOT_OK and "already exists" in str(tried["forward"])
    monkeypatch.setenv("COPY", "")
    assert told(capsys, *rehearse, *taken)[0] == Exit.DEPENDENCY
