"""Settings that are staged for next, and the documentation of those that there are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

from watership.errors import BadInput
from watership.releases.book.quantity import listed
from watership.releases.checks.documents import present
from watership.releases.checks.kind import check
from watership.releases.checks.requests import at
from watership.releases.checks.scene import Scene
from watership.releases.checks.variables import assignments, offered
from watership.releases.measurement import Finding, failed, found


@check("settings.documented", good_for="48h", fix="Document each variable, and what happens without it.")
async def documented(
    scene: Scene, *, example: str = ".env.example", document: str, staged: str = ""
) -> Finding:
    """Each variable that the file `example` names, set or commented out, occurs in `document` as a word of its own; and
    so does each that is set in the file `staged`, whatever the example says."""
    there, told = await present(scene, example), await present(scene, document)
    if isinstance(there, Finding):
        return there
    if isinstance(told, Finding):
        return told
    names = offered(there.content.decode(errors="replace"))
    if not names:
        return failed(f"{example} names no variable.")
    if staged:
        ours = await present(scene, staged)
        if isinstance(ours, Finding):
            return ours
        names |= {name for name, _ in assignments(ours.content.decode(errors="replace"))}
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", told.content.decode(errors="replace")))
    lacks = sorted(names - words)
    good = f"{document} names all {len(names)} variables of {', '.join(filter(None, (example, staged)))}."
    return found(
        not lacks, f"{document} does not name {', '.join(lacks)}." if lacks else good, variables=len(names)
    )


@check("settings.value", good_for="24h", fix="Stage the value, and deploy next with it.")
async def value(scene: Scene, *, path: str, name: str, one_of: str) -> Finding:
    """The settings that are staged at `path` give `name` one of the values of `one_of` (commas between). A .toml
    file is asked for `a.b`, any other one for the variable NAME. What is not set there is not known."""
    document = await present(scene, path)
    if isinstance(document, Finding):
        return document
    text = document.content.decode(errors="replace")
    try:
        value = at(_tree(path, text), name) if path.endswith(".toml") else dict(assignments(text))[name]
    except LookupError:
        return failed(f"{path} does not set {name}.")
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return found(shown in listed(one_of), f"{path} sets {name} to {shown}; {one_of} is wanted.", value=shown)


def _tree(path: str, text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} is no TOML: {error}.") from error
