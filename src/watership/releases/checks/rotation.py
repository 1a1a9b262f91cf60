"""Logs are rotated by a rule that is there to be read: logrotate's own file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from watership.releases.checks.documents import present
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found

WHEN = ("hourly", "daily", "weekly", "size", "maxsize")
"""What lets a log be rotated before it is large; a month is too long."""

BLOCK = re.compile(r"([^{}]*)\{([^{}]*)\}", re.DOTALL)


@check(
    "logs.rotated", good_for="48h", fix="Write a block for the log: daily, rotate 14, maxsize 100M, compress."
)
async def rotated(scene: Scene, *, path: str, log: str, keep_at_least: int = 7) -> Finding:
    """The logrotate file at `path` has a block for the file `log`: rotated by time or size, and `keep_at_least` and not
    endlessly many old ones are kept."""
    document = await present(scene, path)
    if isinstance(document, Finding):
        return document
    rules = rules_of(document.content.decode(errors="replace"), log)
    if rules is None:
        return failed(f"{path} has no block for {log}.")
    kept = rules.get("rotate", "0")
    wrong = [] if any(word in rules for word in WHEN) else [f"it says none of {', '.join(WHEN)}"]
    if not kept.lstrip("-").isdigit() or int(kept) < 0:
        wrong.append(f"rotate {kept} bounds nothing")
    elif int(kept) < keep_at_least:
        wrong.append(f"{kept} old ones are kept, of {keep_at_least} at least")
    when = ", ".join(f"{word} {rules[word]}".strip() for word in WHEN if word in rules)
    return found(
        not wrong, f"{path}, {log}: {'; '.join(wrong)}." if wrong else f"{log}: {when}, {kept} are kept."
    )


def rules_of(text: str, log: str) -> dict[str, str] | None:
    """What holds for a file, with what is said for all files before; None when no block is for it."""
    plain = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    everywhere = dict(_directives(BLOCK.sub(lambda block: block[1], plain)))
    for names, body in BLOCK.findall(plain):
        # What stands before a block's names is said for all files.
        if any(
            fnmatchcase(log, name.strip('"')) for name in names.split() if name.strip('"').startswith("/")
        ):
            return everywhere | dict(_directives(body))
    return None


def _directives(body: str) -> Iterator[tuple[str, str]]:
    for line in body.splitlines():
        word, _, value = line.strip().partition(" ")
        if word and not word.startswith(("/", '"')):
            yield word, value.strip()
