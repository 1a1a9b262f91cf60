"""What a recording program keeps: every call in a file, the faults that a test orders, and the processes it started.

Each machine has a folder by the address that its sshd was reached at. The programs stand for Docker's and systemd's.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTANCE = Path(__file__).with_name("instance.py")
PATIENCE = 30.0


def folder() -> Path:
    """Of the machine that this process is on."""
    machine = os.environ["SSH_CONNECTION"].split()[2]
    found = Path(os.environ["RECORDS"]) / machine
    found.mkdir(parents=True, exist_ok=True)
    return found


def record(program: str) -> None:
    """Keep the call, and do what a test ordered for it: `fail` with words, or `hang`."""
    words = [program, *sys.argv[1:]]
    with (folder() / "calls").open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(words) + "\n")
    faults = folder() / "faults.json"
    if not faults.exists():
        return
    for match, fault in json.loads(faults.read_text()).items():
        if match in " ".join(words):
            if fault == "hang":
                time.sleep(600)
            sys.stderr.write(f"{fault}\n")
            sys.exit(1)


@contextmanager
def alone() -> Iterator[None]:
    """One call at a time changes a machine, as with the engine's daemon."""
    with (folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def started(words: list[str], variables: dict[str, str], log: Path) -> int:
    """A process that outlives this call; its pid."""
    with log.open("ab") as output:
        return subprocess.Popen(
            words, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, close_fds=True,
        ).pid  # fmt: skip


def alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def ended(pid: int, seconds: float) -> None:
    """SIGTERM, and SIGKILL after the grace."""
    if alive(pid):
        os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid), seconds)
    if alive(pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), PATIENCE)


def until(holds: object, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    assert callable(holds)
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
