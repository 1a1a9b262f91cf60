"""Messages are prepared before they are needed: as templates that say what people must know, and can be filled."""

from __future__ import annotations

import re
from typing import Final

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from watership.releases.checks.documents import PLACEHOLDER, marks
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found
from watership.releases.quantity import listed

SPOKEN: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
"""Where a template takes facts in."""


@check("notice.written", good_for="48h", fix="watership notify preview NAME")
async def written(scene: Scene, *, path: str, mentions: str = "") -> Finding:
    """The template at `path` can be read by the program that fills it, has a subject, no placeholders that nobody
    fills, and takes in each of the facts in `mentions` (`release.version`, commas between)."""
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    text = document.content.decode(errors="replace")
    try:
        SandboxedEnvironment(autoescape=True).parse(text)
    except TemplateSyntaxError as error:
        return failed(f"{path}, line {error.lineno}: {error.message}.")
    places = " ".join(SPOKEN.findall(text))
    wrong = [
        f"it does not say {each}"
        for each in listed(mentions)
        if not re.search(rf"\b{re.escape(each)}\b", places)
    ]
    if not text.startswith("---\nsubject:"):
        wrong.append("it has no subject")
    if unfinished := PLACEHOLDER.search(SPOKEN.sub("", text)):
        wrong.append(f"'{unfinished[0]}' is filled in by nobody")
    return found(
        not wrong,
        f"{path}: {'; '.join(wrong) or f'a template of {len(text.split())} words'}.",
        **marks(document),
    )
