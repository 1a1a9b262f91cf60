"""A fence is the epoch that a machine keeps: what a controller tells it that was deposed does not begin there.

All that a machine is told at a time is one script, in which the epoch is compared, kept and acted upon under one lock:
between the comparison and the end of the last command nobody gets in.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Sequence
from typing import Final

import msgspec

from watership.adapters.ssh.command import Command

WAIT_SECONDS: Final = 60
"""How long a script waits for the one before: a stop takes its grace, and a controller must not wait for ever."""

KILL_SECONDS: Final = 5
"""Between the end of a command's time and the kill of what does not obey."""

STALE: Final = 76
BUSY: Final = 75
BROKEN: Final = 73

MARK: Final = "watership:"
"""What our own words begin with, so that no word of another program is taken for one."""

# In a function, so that a script of which a part was lost on the way does nothing. A command does not inherit the lock:
# what it leaves running does not hold it.
SCRIPT: Final = f"""\
broken() {{ echo "{MARK} $1" >&2; exit {BROKEN}; }}
step() {{
    number=$1 seconds=$2
    shift 2
    timeout -k {KILL_SECONDS} "$seconds" "$@" 9>&- && return
    code=$?
    echo "{MARK} command $number ended with $code" >&2
    exit $code
}}
main() {{
    umask 022
    mkdir -p "$folder" || broken "$folder cannot be made"
    exec 9>>"$folder/lock" || broken "$folder/lock cannot be written"
    flock -w {WAIT_SECONDS} 9 || {{ echo "{MARK} another command holds $folder/lock" >&2; exit {BUSY}; }}
    held=0
    if [ -e "$folder/epoch" ]; then held=$(cat "$folder/epoch") || broken "$folder/epoch cannot be read"; fi
    case $held in '' | *[!0-9]*) broken "$folder/epoch holds no number" ;; esac
    if [ "$epoch" -lt "$held" ]; then echo "{MARK} epoch $held" >&2; exit {STALE}; fi
    if [ "$epoch" -gt "$held" ]; then
        echo "$epoch" >"$folder/epoch.new" && sync "$folder/epoch.new" && mv "$folder/epoch.new" "$folder/epoch" ||
            broken "$folder/epoch cannot be written"
    fi
@STEPS@
}}
main
"""


class Refusal(msgspec.Struct, frozen=True):
    """What a script said of its end: the epoch that the machine holds, or which command failed, counted from 1."""

    epoch: int | None = None
    command: int | None = None


def script(commands: Sequence[Command], *, folder: str, epoch: int) -> bytes:
    """What a machine's shell reads to do the commands in order, up to the first that fails."""
    steps = "\n".join(_step(number, each) for number, each in enumerate(commands, 1))
    return f"folder={shlex.quote(folder)} epoch={epoch}\n{SCRIPT.replace('@STEPS@', steps)}".encode()


def seconds(commands: Sequence[Command]) -> float:
    """How long a script may take at most."""
    return WAIT_SECONDS + sum(each.seconds + KILL_SECONDS for each in commands)


def refusal(errors: str) -> Refusal:
    """What a script's last word of its own says."""
    said = re.findall(rf"^{MARK} (epoch|command) (\d+)", errors, re.MULTILINE)
    match said[-1:]:
        case [("epoch", number)]:
            return Refusal(epoch=int(number))
        case [("command", number)]:
            return Refusal(command=int(number))
        case _:
            return Refusal()


def _step(number: int, command: Command) -> str:
    step = f"step {number} {command.seconds:g} {shlex.join(command.words)}"
    if not command.given:
        return f"    {step} </dev/null"
    given = base64.b64encode(command.given).decode()
    # What a pipe's last part ends with is the pipe's, and ends only that part.
    return f"    base64 -d <<'END' | {step} || exit\n{given}\nEND"
