"""The rehearsal of docs/golive.md runs exactly as it is printed, from nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs/golive.md"

PRINTED_PORT = "3999"

MINUTES = 600.0


def blocks() -> list[str]:
    """What is to be typed, terminal by terminal."""
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index("## Try it whole: a rehearsal") :].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def free_port() -> str:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return str(line.getsockname()[1])


@pytest.mark.usefixtures("long")
def test_the_rehearsal_runs_as_it_is_printed(tmp_path: Path, nightly: bool) -> None:
    if not nightly:
        pytest.skip("five minutes: at night; by day each of its commands is parsed, in test_documented")
    port = free_port()
    ours = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {"PATH": ours, "HOME": str(tmp_path)}
    make, traffic, release, everybody = (each.replace(PRINTED_PORT, port) for each in blocks())

    def typed(script: str, code: int = 0) -> None:
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{script}"],
            cwd=tmp_path,
            env=variables,
            timeout=MINUTES,
            check=False,
            capture_output=True,
        )
        assert done.returncode == code, done.stdout.decode()[-2000:] + done.stderr.decode()[-2000:]

    def begun(script: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["bash", "-c", f"exec {script.strip()}"], cwd=tmp_path, env=variables)

    typed(make)
    *before, start = release.strip().splitlines()
    client, controller = begun(traffic), None
    try:
        typed("\n".join(before))
        controller = begun(start)
        until_watched, leap, after = re.split(r"^(.*--to T\+26h.*)\n", everybody, flags=re.MULTILINE)
        typed(until_watched)
        typed(leap, 7)
        typed(after)
        assert controller.wait(MINUTES) == 0
    finally:
        for each in (client, controller):
            if each is not None and each.poll() is None:
                each.send_signal(signal.SIGTERM)
                each.wait()
        subprocess.run(["watership", "environment", "down"], cwd=tmp_path, env=variables, check=False)
    report = subprocess.run(
        ["watership", "release", "report", "--to", "json", "-o", "r1.json"],
        cwd=tmp_path,
        env=variables,
        check=True,
    )
    assert report.returncode == 0
    told = msgspec.json.decode((tmp_path / "r1.json").read_bytes())
    assert told["outcome"] == "promoted" and told["rehearsal"] and "cutover/dns-ttl" in told["left_out"]
