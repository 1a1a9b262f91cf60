"""What stands on a host is asked there, by commands that only look: what a process loaded, and what it logs.

A host is a system of systems.yaml. Its facts: `run`, the words that go before each command (`ssh -o BatchMode=yes
next-1`, `kubectl exec deploy/next --`; empty for this machine), `name`, what it calls itself, `pid`, the process
that is meant, `logs`, the command that prints its latest log lines, and `secrets`, the files that are mounted for it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.reports import moment, report, too_old
from watership.releases.checks.scene import Scene
from watership.releases.checks.variables import assignments
from watership.releases.instruments import Finished
from watership.releases.measurement import Finding, ending, excerpt, failed, found, inconclusive

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "critical": 50, "fatal": 50}

HOUR: Final = 3600.0
"""Seconds that the last line may be old: what serves logs more often."""

MODE_SECRET: Final = 0o077
"""Bits that must not be set: nobody but the owner may read, write or run it."""


@check("host.reached", good_for="24h", fix="Add your key to the host: ssh-copy-id HOST")
async def reached(scene: Scene, *, on: str) -> Finding:
    """On each host a command can be run without a password being asked for, and it is the host that is meant."""
    wrong = []
    for name in listed(on):
        meant, there = scene.fact(name, "name"), await _ran(scene, name, ["hostname"])
        if there.strip() != meant:
            wrong.append(f"{name} calls itself '{excerpt(there.strip())}', not '{meant}'")
    return found(not wrong, "; ".join(wrong) or f"A command ran on {on}.")


@check(
    "host.variables",
    good_for="1h",
    fix="Deploy the staged file, and restart the process that still has the old one.",
)
async def variables(scene: Scene, *, on: str, file: str) -> Finding:
    """The running process has every variable of the staged `file` (NAME=value lines), with that very value. Values are
    compared and never shown: whatever its name is, one may be a secret."""
    staged = dict(assignments((await report(scene, file)).content.decode()))
    if not staged:
        return failed(f"{file} sets no variable.")
    loaded = await _environment(scene, on)
    wrong = [words for name, value in staged.items() if (words := _unlike(name, value, loaded))]
    return found(not wrong, "; ".join(wrong) or f"{', '.join(staged)} of {file} are loaded on {on}.")


def _unlike(name: str, value: str, loaded: Mapping[str, str]) -> str:
    if name not in loaded:
        return f"{name} is not loaded"
    return "" if loaded[name] == value else f"{name} has another value"


@check("host.bounds", good_for="1h", fix="Set it in the staged file, deploy that, and restart the process.")
async def bounds(scene: Scene, *, on: str, bounds: str) -> Finding:
    """The running process has each setting within its bounds: NAME=least..most, several with commas between."""
    loaded, wrong, told = await _environment(scene, on), [], []
    for each in listed(bounds):
        name, least, most = _bound(each)
        value = loaded.get(name)
        if value is None or not re.fullmatch(r"\d+(\.\d+)?", value):
            wrong.append(f"{name} is {'not set' if value is None else 'no number'}")
        elif not least <= float(value) <= most:
            wrong.append(f"{name} is {value}; {least:g} to {most:g} is wanted")
        told.append(f"{name} is {value}")
    return found(not wrong, f"{'; '.join(wrong or told)}.")


def _bound(text: str) -> tuple[str, float, float]:
    match = re.fullmatch(r"(\w+)=(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)", text)
    if match is None:
        raise BadInput(f"{text!r} are no bounds.", fix="Write NAME=least..most, such as POOL=10..50.")
    return match[1], float(match[2]), float(match[3])


@check(
    "host.secrets", good_for="1h", fix="chmod 0400 PATH, and give it to the user that the service runs as."
)
async def secrets(scene: Scene, *, on: str) -> Finding:
    """Each secret (the host's fact `secrets`, commas between) is a file that is not empty and that nobody but its
    owner may touch, who is the process's own user."""
    paths, wrong = scene.several(on, "secrets"), []
    owner = (await _ran(scene, on, ["stat", "-c", "%u", f"/proc/{_pid(scene, on)}"])).strip()
    for path in paths:
        told = (await _ran(scene, on, ["stat", "-L", "-c", "%a %u %s %F", "--", path])).split(maxsplit=3)
        if len(told) != 4:
            raise Unavailable(f"{on} does not say of what kind {path} is.")
        mode, user, size, kind = told
        if not kind.startswith("regular") or size == "0":
            wrong.append(f"{path} is {'empty' if size == '0' else kind}")
        if int(mode, 8) & MODE_SECRET:
            wrong.append(f"{path} has the mode {mode}: others than its owner may touch it")
        if user != owner:
            wrong.append(f"{path} belongs to user {user}, the process to {owner}")
    return found(not wrong, "; ".join(wrong) or f"{', '.join(paths)}: readable by the process's user alone.")


@check("host.levels", good_for="1h", fix="Set log.level, and restart the process.")
async def levels(scene: Scene, *, on: str, lowest: str, lines: int = 20, within: float = HOUR) -> Finding:
    """Of the latest log lines, `lines` at least and the last one `within` that time, none is below the level `lowest`:
    what is for developers costs disks and may hold what nobody is to see."""
    logged = await _logged(scene, on, within)
    if len(logged) < lines:
        return inconclusive(f"{on} logged {len(logged)} lines, {lines} are needed.")
    below = [line for level, line in logged if level < LEVELS[lowest]]
    words = f"{len(below)} of {len(logged)} lines are below {lowest}"
    return found(not below, f"{words}: {excerpt(below[0])}" if below else f"{words}.", lines=len(logged))


@check("host.quiet", good_for="1h", fix="Read them, with the command of the fact `logs`.")
async def quiet(
    scene: Scene, *, on: str, below: str = "error", lines: int = 20, within: float = HOUR
) -> Finding:
    """Of the latest log lines, `lines` at least and the last one `within` that time, none is of the level `below` or
    above."""
    logged = await _logged(scene, on, within)
    if len(logged) < lines:
        return inconclusive(f"{on} logged {len(logged)} lines, {lines} are needed.")
    loud = [line for level, line in logged if level >= LEVELS[below]]
    words = f"{len(loud)} of {len(logged)} lines are {below} or worse"
    return found(not loud, f"{words}: {excerpt(loud[0])}" if loud else f"{words}.", lines=len(logged))


class _Line(msgspec.Struct):
    level: str
    timestamp: str = ""


async def _logged(scene: Scene, on: str, within: float) -> list[tuple[int, str]]:
    """The latest lines with their levels. Raises Unavailable for one without, and when none is as late as that: an old
    log does not say what is logged now."""
    told = await _ran(scene, on, shlex.split(scene.fact(on, "logs")))
    logged, times = [], []
    for line in filter(None, told.splitlines()):
        try:
            there = msgspec.json.decode(line, type=_Line)
            level = LEVELS[there.level.lower()]
        except (msgspec.DecodeError, KeyError):
            raise Unavailable(f"{on} logged a line without a level: {excerpt(line)}") from None
        logged.append((level, line))
        times.append(moment(there.timestamp))
    if logged and (wrong := too_old(scene, max(filter(None, times), default=None), within)):
        raise Unavailable(f"Of the last line that {on} logged: {wrong[0]}.")
    return logged


async def _environment(scene: Scene, on: str) -> dict[str, str]:
    told = await _ran(scene, on, ["cat", f"/proc/{_pid(scene, on)}/environ"])
    if not told:
        raise Unavailable(f"{on} does not say what its process {_pid(scene, on)} loaded.")
    return dict(each.split("=", 1) for each in told.split("\0") if "=" in each)


def _pid(scene: Scene, on: str) -> str:
    pid = scene.fact(on, "pid")
    if not pid.isdigit():
        raise BadInput(f"The process of '{on}' is a number, not {pid!r}.", fix="Mend its fact `pid`.")
    return pid


async def ended(scene: Scene, on: str, words: Sequence[str]) -> Finished:
    """How a command ended there, well or not."""
    before = shlex.split(scene.fact(on, "run")) if "run" in scene.system(on).facts else []
    return await scene.look.commands.run([*before, *words], timeout=scene.timeout)


async def _ran(scene: Scene, on: str, words: Sequence[str]) -> str:
    """What a command printed there. Raises Unavailable when it did not end well."""
    finished = await ended(scene, on, words)
    if finished.code != 0:
        raise Unavailable(f"{words[0]} on {on} ended with {finished.code}: {ending(finished.errors.strip())}")
    return finished.output
