"""A program is found where its package put it; one that is missing is named, with the command that installs it."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from watership.errors import Unavailable

RUN_SECONDS = 180.0
"""How long a server's own tool may take: `rabbitmqctl` starts a runtime of its own, on a machine that may be busy."""


def find(program: str, places: Sequence[str], *, package: str, formula: str) -> Path:
    """The program in the first of the `places` (patterns; of several versions the newest), else on the PATH."""
    for place in places:
        for folder in sorted(glob.glob(place), key=_version, reverse=True):
            if os.access(found := Path(folder) / program, os.X_OK):
                return found
    if named := shutil.which(program):
        return Path(named)  # not where it points to: some programs go by the name they are called by
    install = f"brew install {formula}" if sys.platform == "darwin" else f"apt-get install {package}"
    raise Unavailable(f"{program} is not installed.", fix=f"Install it: {install}")


def _version(folder: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder)]


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    user: str | None = None,
) -> str:
    """Run a program to its end and return what it printed; what it complained of is in the error."""
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        user=user,
        group=group_of(user),
        extra_groups=None if user is None else [],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()
        raise Unavailable(f"{Path(command[0]).name} failed with {done.returncode}: {said}")
    return done.stdout


def group_of(user: str | None) -> int | None:
    """The main group of a user of this machine."""
    import pwd  # not on every system that imports this package

    return None if user is None else pwd.getpwnam(user).pw_gid
