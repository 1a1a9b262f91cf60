"""Settings that are staged for next, and the documentation of those that there are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

from watership.errors import BadInput
from watership.releases.book.quantity import listed
from watership.releases.checks.kind import check
from watership.releases.checks.reports import fresh
from watership.releases.checks.requests import at
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found

VARIABLE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")
OFFERED = re.compile(r"^\s*#?\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)=")
"""A variable of an example: a line that is commented out offers it too."""


def variables(text: str) -> dict[str, str]:
    """What a file of NAME=VALUE lines sets; the last line of a name counts, as in a shell."""
    found = {}
    for line in text.splitlines():
        if (there := VARIABLE.match(line)) is not None:
            value = there[2]
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[there[1]] = value[1:-1] if quoted else value.partition(" #")[0].rstrip()
    return found


@check("settings.documented", good_for="48h", fix="Document each variable, and what happens without it.")
async def documented(scene: Scene, *, example: str = ".env.example", document: str) -> Finding:
    """Each variable that the file `example` names, set or commented out, occurs in `document` as a word of its own."""
    offered, told = await fresh(scene, example), await fresh(scene, document)
    if isinstance(offered, Finding):
        return offered
    if isinstance(told, Finding):
        return told
    lines = offered.content.decode(errors="replace").splitlines()
    names = {there[1] for line in lines if (there := OFFERED.match(line))}
    if not names:
        return failed(f"{example} names no variable.")
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", told.content.decode(errors="replace")))
    lacks = sorted(names - words)
    good = f"{document} names all {len(names)} variables of {example}."
    return found(
        not lacks, f"{document} does not name {', '.join(lacks)}." if lacks else good, variables=len(names)
    )


@check("settings.value", good_for="24h", fix="Stage the value, and deploy next with it.")
async def value(scene: Scene, *, path: str, name: str, one_of: str) -> Finding:
    """The settings that are staged at `path` give `name` one of the values of `one_of` (commas between). A .toml
    file is asked for `a.b`, any other one for the variable NAME. What is not set there is not known."""
    document = await fresh(scene, path)
    if isinstance(document, Finding):
        return document
    text = document.content.decode(errors="replace")
    try:
        value = at(_tree(path, text), name) if path.endswith(".toml") else variables(text)[name]
    except LookupError:
        return failed(f"{path} does not set {name}.")
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return found(shown in listed(one_of), f"{path} sets {name} to {shown}; {one_of} is wanted.", value=shown)


def _tree(path: str, text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} is no TOML: {error}.") from error
