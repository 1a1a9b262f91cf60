"""Messages are prepared before they are needed: as templates that say what people must know, and can be filled."""

from __future__ import annotations

import re
from typing import Final

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from watership.releases.book.quantity import listed
from watership.releases.checks.documents import PLACEHOLDER
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found
from watership.releases.notices.comms import Comms

SPOKEN: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
"""Where a template takes facts in."""


@check("notice.written", good_for="48h", fix="watership notify preview NAME")
async def written(scene: Scene, *, path: str, mentions: str = "") -> Finding:
    """The template at `path` is sent to somebody by the plan, can be filled in every situation that it is meant for,
    has no placeholders that nobody fills, and takes in each of the facts in `mentions` (`release.version`, commas
    between).

    For a plan without messages it is the file at `path`, and has a subject.
    """
    comms = scene.plan.comms
    if not comms.send:
        document = await scene.look.documents.read(path)
        if document is None:
            return failed(f"There is no {path}.")
        text = document.content.decode(errors="replace")
        wrong, receivers = _as_file(text), ""
    elif path not in comms.texts:
        return failed(
            f"No message of the plan is written by {path}; there are {', '.join(sorted(comms.texts))}."
        )
    else:
        text = comms.texts[path]
        wrong, receivers = _as_sent(comms, path), f", sent to {', '.join(_receivers(comms, path))}"
    places = " ".join(SPOKEN.findall(text))
    wrong += [
        f"it does not say {each}"
        for each in listed(mentions)
        if not re.search(rf"\b{re.escape(each)}\b", places)
    ]
    if unfinished := PLACEHOLDER.search(SPOKEN.sub("", text)):
        wrong.append(f"'{unfinished[0]}' is filled in by nobody")
    return found(
        not wrong, f"{path}: {'; '.join(wrong) or f'a template of {len(text.split())} words{receivers}'}."
    )


def _as_sent(comms: Comms, path: str) -> list[str]:
    """What would go wrong when it is sent."""
    # Late: what messages are written from knows of releases, and these of checks.
    from watership.releases.notices.lint import check_template

    kinds = {sending.kind for sending in comms.send if sending.template == path}
    problems = {problem for kind in kinds for problem in check_template(comms.texts[path], kind, path)}
    return [
        f"line {each.line}: {each.text}" for each in sorted(problems, key=lambda each: (each.line, each.text))
    ]


def _as_file(text: str) -> list[str]:
    try:
        SandboxedEnvironment(autoescape=True).parse(text)
    except TemplateSyntaxError as error:
        return [f"line {error.lineno}: {error.message}"]
    return [] if text.startswith("---\nsubject:") else ["it has no subject"]


def _receivers(comms: Comms, path: str) -> list[str]:
    return sorted({channel for sending in comms.send if sending.template == path for channel in sending.to})
