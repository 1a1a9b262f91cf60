"""A life is one process: started in a session of its own, known to be alive by a lock that only it holds."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

LOCK_FILE_NUMBER = 199
"""The number under which a child holds its lock: beyond those that programs expect to be theirs."""


ENDING_SECONDS = 0.05
ENDING_LOOKS = 10
"""For which an end is waited for, and how often it is looked for: the agent does nothing else meanwhile."""

BY_SIGNAL = 128
"""What shells add to the number of the signal that ended a process."""


class Life(msgspec.Struct, frozen=True):
    """A process that was started. `born` tells it from a later one with the same number."""

    pid: int
    born: str


def begin(argv: Sequence[str], *, environment: Mapping[str, str], lock: Path, log: Path) -> Life | None:
    """Start a process that holds `lock` until it ends; None when another one holds it already.

    The lock is taken before the process exists and is inherited by it, so that whoever starts a process and is
    killed in the next instant leaves no room for a second one.
    """
    held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        pid = os.posix_spawnp(
            argv[0],
            list(argv),
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.fspath(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, held, LOCK_FILE_NUMBER),
            ],
            setsid=True,
            # What the agent ignores or blocks must not be ignored by its children.
            setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGPIPE],
            setsigmask=[],
        )
    except BlockingIOError:
        return None
    finally:
        os.close(held)
    return Life(pid, birth(pid))


def alive(lock: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        file = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def holder(lock: Path) -> int | None:
    """The number of the process that holds the lock and leads its session, where the system tells."""
    for entry in Path("/proc").glob(f"[0-9]*/fd/{LOCK_FILE_NUMBER}"):
        pid = int(entry.parts[2])
        # Processes come and go while we look, and some are none of our business.
        with suppress(OSError):
            if entry.samefile(lock) and os.getsid(pid) == pid:
                return pid
    return None


def bury(pid: int) -> int | None:
    """Let the system forget a child that ended: how it ended, as shells count it, signals from 128 on. None for one
    that lives, or is somebody else's child."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    if not ended:
        return None
    code = os.waitstatus_to_exitcode(status)
    return BY_SIGNAL - code if code < 0 else code


def ending(pid: int) -> int | None:
    """How a child ended that no longer holds its lock: the system frees that a moment before it tells."""
    for _ in range(ENDING_LOOKS):
        if (code := bury(pid)) is not None:
            return code
        time.sleep(ENDING_SECONDS / ENDING_LOOKS)
    return None


def send(life: Life, number: signal.Signals, *, whole_session: bool = False) -> None:
    """Signal the process, or with it all that it started; nothing when it is no longer the same one."""
    if birth(life.pid) != life.born:
        return
    with suppress(ProcessLookupError, PermissionError):
        if whole_session:
            os.killpg(life.pid, number)
        else:
            os.kill(life.pid, number)


def birth(pid: int) -> str:
    """When the process began, as the system tells it; empty when there is no such process."""
    try:
        # The command's name stands in brackets and may contain anything; what is 22nd then counts from behind it.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return fields.split()[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    told = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return told.stdout.strip()
