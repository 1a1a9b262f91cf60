"""A skeleton is a runbook in our files, made of a document: what people wrote is in it, what had to be chosen says so.

Every point is attested until somebody says which check measures it. What a document in words cannot say, the acts of
the phases and their gates, is that of the shipped runbook BASE; the document's own timeline stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from watership.releases.book.imported.outline import plain
from watership.releases.book.imported.seats import Seats
from watership.releases.book.imported.seed import Item, SeedRunbook, Validation
from watership.releases.book.imported.text import quoted, scalar, slug
from watership.releases.book.quantity import written
from watership.releases.book.shelf import FILE, shipped

BASE: Final = "one-machine"
"""Whose phases, gates and fuses a skeleton has: what can be done and measured anywhere."""

DUE: Final = "T-1h"
"""When an item is due whose document does not say so: while there is still time to say NO-GO."""

ATTEST: Final = "Imported: say which check measures it, or why no program can see it."
KEPT: Final = ("gate", "watch", "standby", "rollback", "fuses")

_KEY: Final = re.compile(r"^([a-z_]+):", re.MULTILINE)


def skeleton(seed: SeedRunbook, name: str) -> dict[str, str]:
    """The files of a runbook called `name`, by their paths."""
    team = Seats(seed, shipped(BASE).runbook)
    files = {
        f"checklist/{section.letter.lower()}.yaml": _section(seed, section.letter, team)
        for section in seed.sections
    }
    files = {path: text for path, text in files.items() if text}
    files["team.yaml"] = team.file()
    for template in seed.templates:
        files[f"comms/{slug(template.name)}.md"] = _message(template.occasion, template.body)
    included = ["team.yaml", *(path for path in files if path.startswith("checklist/"))]
    return {FILE: _book(seed, name, included, team), **files}


def _book(seed: SeedRunbook, name: str, included: list[str], team: Seats) -> str:
    blocks = _blocks()
    lines = [
        f"# Made of '{seed.title}'. Look through it all; `watership runbook check` says what is still to be done.",
        "",
        "schema: watership/runbook/v1",
        f"name: {name}",
        f"title: {scalar(seed.title or name)}",
        "include:",
        *(f"  - {path}" for path in included),
        "",
        *_signoffs(seed),
        *_decision(seed),
        *(blocks[key].rstrip() + "\n" for key in KEPT),
        *_timeline(seed),
        team.owned(_with_gates(blocks["phases"], seed)).rstrip(),
        *_validations(seed, team),
    ]
    return "\n".join(lines) + "\n"


def _blocks() -> dict[str, str]:
    """The text of BASE by its outermost keys, comments included."""
    text = shipped(BASE).files[FILE].decode()
    found = list(_KEY.finditer(text))
    ends = [each.start() for each in found[1:]] + [len(text)]
    return {each[1]: _uncommented(text[each.start() : end]) for each, end in zip(found, ends, strict=True)}


def _uncommented(block: str) -> str:
    """A block without the comments at its end, which belong to the next one."""
    lines = block.rstrip().split("\n")
    while lines[-1].startswith("#") or not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"


def _with_gates(phases: str, seed: SeedRunbook) -> str:
    """The phases of BASE, that also ask for the checklist and for the decision."""
    first = phases.index("\n  - number: ", phases.index("\n  - number: ") + 1)
    second = phases.index("\n  - number: ", first + 1)
    checklist = (
        "      - { do: check, id: checklist, at: T-1h, check: checklist.complete, timeout: 1h,\n"
        f'          title: "What is due is attested or measured", parameters: {{ by: {DUE} }} }}\n'
    )
    decision = (
        "      - { do: check, id: decision, at: T+5m, check: gate.decided, timeout: 2m,\n"
        '          title: "GO is decided, and every condition still holds" }\n'
    )
    return (
        phases[: first + 1].rstrip("\n")
        + "\n"
        + (checklist if seed.items else "")
        + phases[first:second].rstrip("\n")
        + "\n"
        + (decision if seed.go else "")
        + phases[second:]
    )


def _timeline(seed: SeedRunbook) -> Iterator[str]:
    """What the document itself says of its phases, as a comment."""
    yield f"# The phases, their acts and their gates are those of the shipped runbook '{BASE}'. The document says:"
    for phase in seed.phases:
        yield f"#   Phase {phase.number}: {phase.title} ({phase.window.text})"
        yield from (
            f"#     {written('offset', each.at)}: {duty}"
            for each in phase.preparations
            for duty in each.duties
        )
        yield from (f"#     {written('offset', step.at)}: {step.text}" for step in phase.steps)
        yield from (f"#     on failure: {line}" for line in phase.failure_handling)
        yield from (f"#     good when: {line}" for line in phase.success_criteria)
    for criteria in seed.criteria:
        yield from (f"#   {criteria.title}: {line}" for line in criteria.criteria)


def _signoffs(seed: SeedRunbook) -> Iterator[str]:
    roles = {slug(each.role, joint="_"): each.role for each in seed.approvals} or {
        "release_manager": "Release Manager"
    }
    yield "signoffs:"
    yield f"  needed: [{', '.join(roles)}]"
    yield "  titles:"
    yield from (f"    {role}: {scalar(title)}" for role, title in roles.items())
    yield "  at_start: false"
    yield "  expires: 24h"
    yield ""


def _decision(seed: SeedRunbook) -> Iterator[str]:
    """`judged_by` is chosen by a condition's words, which the file says."""
    taken: list[str] = []
    if seed.go:
        yield "go_no_go:                          # by what each is judged was chosen by its words: look at it"
    for text in seed.go:
        taken.append(slug(text, taken))
        yield f"  - {{ id: {taken[-1]}, text: {scalar(text)}, judged_by: {_judge(text)} }}"
    if seed.no_go:
        yield "no_go_record:"
        yield from (f"  - {scalar(text.replace('_', '').strip().removesuffix(':'))}" for text in seed.no_go)
    yield ""


def _judge(text: str) -> str:
    words = plain(text).split()
    for word, judge in (("approvals", "approvals"), ("issues", "incidents"), ("team", "team")):
        if word in words:
            return judge
    return "checklist"


def _validations(seed: SeedRunbook, team: Seats) -> Iterator[str]:
    known = [
        each for each in seed.validations if each.window.start is not None and each.window.end is not None
    ]
    if known:
        yield "\nvalidations:"
    taken: list[str] = []
    for validation in known:
        taken.append(slug(validation.title, taken))
        yield from _validation(validation, taken[-1], team)


def _validation(validation: Validation, name: str, team: Seats) -> Iterator[str]:
    yield f"  - id: {name}"
    yield f"    title: {scalar(validation.title)}"
    yield f"    begins: {written('duration', validation.window.start or 0.0)}"
    yield f"    ends: {written('duration', validation.window.end or 0.0)}"
    yield f"    command: {scalar(validation.command or f'watership verify {name}')}"
    yield f"    owner: {team.first}"
    yield "    points:"
    yield from _points(validation.points, "      ")


def _section(seed: SeedRunbook, letter: str, team: Seats) -> str:
    """The file of a section; empty where it holds no item."""
    items = [item for item in seed.items if item.section == letter]
    if not items:
        return ""
    title = next(section.title for section in seed.sections if section.letter == letter)
    lines = [
        "schema: watership/checklist/v1",
        f"section: {letter}",
        f"id: {slug(title)}",
        f"title: {scalar(title)}",
        "items:",
    ]
    for item in items:
        lines += _item(item, team)
    return "\n".join(lines) + "\n"


def _item(item: Item, team: Seats) -> Iterator[str]:
    verification = item.verification.text if item.verification else "The document does not say."
    yield f"  - id: {item.id}"
    yield f"    number: {item.number}"
    yield f"    title: {scalar(item.title)}"
    yield f"    owner: {team.first}"
    yield f"    by: {DUE}"
    yield f"    verification: {scalar(verification)}"
    yield f"    command: watership check run {item.id}"
    yield "    points:"
    # An item without points is one point by itself.
    yield from _points(item.points or (item.title,), "      ")


def _points(texts: Iterable[str], indent: str) -> Iterator[str]:
    taken: list[str] = []
    for text in texts:
        taken.append(slug(text, taken))
        yield f"{indent}- {{ id: {taken[-1]}, text: {scalar(text)}, attest: {scalar(ATTEST)} }}"


def _message(occasion: str, body: str) -> str:
    """A template whose gaps are still those of the document; what would be Jinja is kept as text."""
    kept = f"{{% raw %}}{body}{{% endraw %}}" if "{" in body else body
    return f"---\nsubject: {quoted(occasion)}\n---\n{kept}\n"
