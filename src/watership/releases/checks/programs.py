"""Programs of the machine are run, and have to end well: the check for what only a tool knows."""

from __future__ import annotations

import shlex

from watership.errors import BadInput
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, ending, failed, passed

SHOWN = 500
"""Characters of what a program printed that become evidence."""


@check("program.ends", good_for="24h")
async def ends(scene: Scene, *, command: str, code: int = 0, prints: str = "", folder: str = "") -> Finding:
    """The command, words as in a shell and without one, ends with `code` and prints `prints`."""
    words = shlex.split(command)
    if not words:
        raise BadInput("The command is empty.")
    ended = await scene.look.commands.run(words, folder=folder, timeout=scene.timeout)
    told = (ended.output + ended.errors).strip()
    shown = ending(told, SHOWN)
    if ended.code != code:
        return failed(f"{words[0]} ended with {ended.code}, not {code}: {shown}")
    if prints not in told:
        return failed(f"{words[0]} did not print '{prints}': {shown}")
    return passed(f"{words[0]} ended with {code}: {shown}", code=ended.code)
