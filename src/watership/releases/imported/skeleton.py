"""A skeleton is a runbook in our files, made of a document: what people wrote is in it, what had to be chosen says so.

Every point is attested until somebody says which check measures it. What a document in words cannot say, the acts of
the phases and their gates, is that of the shipped runbook BASE; the document's own timeline stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from watership.releases.imported.outline import plain
from watership.releases.imported.seed import Contact, Item, Level, Role, SeedRunbook, Validation
from watership.releases.quantity import written
from watership.releases.shelf import FILE, shipped

BASE: Final = "one-machine"
"""Whose phases, gates and fuses a skeleton has: what can be done and measured anywhere."""

DUE: Final = "T-1h"
"""When an item is due whose document does not say so: while there is still time to say NO-GO."""

ATTEST: Final = "Imported: say which check measures it, or why no program can see it."
KEPT: Final = ("gate", "watch", "standby", "rollback", "fuses")

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9 /&()._'<>+-]*")
_KEY: Final = re.compile(r"^([a-z_]+):", re.MULTILINE)
_WORDS: Final = ("true", "false")


def skeleton(seed: SeedRunbook, name: str) -> dict[str, str]:
    """The files of a runbook called `name`, by their paths."""
    team = _Team(seed)
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


def slug(words: str, taken: Iterable[str] = (), *, joint: str = "-", most: int = 50) -> str:
    """An id of these words that is not taken yet."""
    joined = plain(words).replace(" ", joint)[:most].strip(joint)
    first = joined if joined[:1].isalpha() else f"x{joint}{joined}".strip(joint)
    others = set(taken)
    numbered = (f"{first}{joint}{number}" for number in range(2, len(others) + 3))
    return next(each for each in (first, *numbered) if each not in others)


def scalar(text: str) -> str:
    """Text as a single value that the strict loader reads as this very text."""
    if _PLAIN.fullmatch(text) and text not in _WORDS and not text.endswith(" "):
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """Text between quotation marks; what cannot be seen is escaped."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _book(seed: SeedRunbook, name: str, included: list[str], team: _Team) -> str:
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


def _validations(seed: SeedRunbook, team: _Team) -> Iterator[str]:
    known = [
        each for each in seed.validations if each.window.start is not None and each.window.end is not None
    ]
    if known:
        yield "\nvalidations:"
    taken: list[str] = []
    for validation in known:
        taken.append(slug(validation.title, taken))
        yield from _validation(validation, taken[-1], team)


def _validation(validation: Validation, name: str, team: _Team) -> Iterator[str]:
    yield f"  - id: {name}"
    yield f"    title: {scalar(validation.title)}"
    yield f"    begins: {written('duration', validation.window.start or 0.0)}"
    yield f"    ends: {written('duration', validation.window.end or 0.0)}"
    yield f"    command: {scalar(validation.command or f'watership verify {name}')}"
    yield f"    owner: {team.first}"
    yield "    points:"
    yield from _points(validation.points, "      ")


def _section(seed: SeedRunbook, letter: str, team: _Team) -> str:
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


def _item(item: Item, team: _Team) -> Iterator[str]:
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


class _Team:
    """The seats of a document. A role with the title of one of BASE has its id: the phases of BASE name it as owner."""

    def __init__(self, seed: SeedRunbook) -> None:
        known = {plain(role.title): role.id for role in shipped(BASE).runbook.roles}
        self._known = list(known.values())
        self.roles: dict[str, Role] = {}
        for role in seed.roles:
            name = known.get(plain(role.title)) or slug(role.title, self.roles, joint="_")
            self.roles[name] = role
        self.first = next(iter(self.roles), "deployment_lead")
        self._seed = seed

    def owned(self, phases: str) -> str:
        """The phases of BASE, with the first seat in the place of those that the document does not have."""
        for name in self._known:
            if name not in self.roles:
                phases = re.sub(rf"\bowner: {name}\b", f"owner: {self.first}", phases)
        return phases

    def file(self) -> str:
        lines = ["schema: watership/team/v1", "roles:"]
        for name, role in self.roles.items():
            lines += self._role(name, role)
        if not self.roles:
            lines.append(f"  - {{ id: {self.first}, title: Deployment lead, duty: Leads. }}")
        lines += self._authorities()
        contacts = self._contacts()
        lines += ["contacts:"] if contacts else []
        lines += [line for seat, contact in contacts.items() for line in _contact(seat, contact)]
        lines += self._escalation(contacts)
        return "\n".join(lines) + "\n"

    def _role(self, name: str, role: Role) -> Iterator[str]:
        yield f"  - id: {name}"
        yield f"    title: {scalar(role.title)}"
        yield f"    duty: {scalar(role.remark or role.title)}"
        if powers := self._powers(role):
            yield f"    may: [{', '.join(powers)}]"
        lists = {
            "responsibilities": role.responsibilities,
            "before": role.before,
            "during": role.during,
            "after": role.after,
        }
        for key, lines in lists.items():
            if lines:
                yield f"    {key}:"
                yield from (f"      - {scalar(line)}" for line in lines)

    def _powers(self, role: Role) -> Iterable[str]:
        """Of the one who decides by the document's own words, and of those whom it names as an authority."""
        if any("go no go" in plain(line) for line in role.responsibilities):
            yield "go_no_go"
        for authority in self._seed.authorities:
            if plain(role.title) in {plain(holder) for holder in authority.holders}:
                yield _power(authority.title)

    def _authorities(self) -> Iterator[str]:
        """Those who may order a rollback and are no role."""
        titles = {plain(role.title) for role in self.roles.values()}
        taken: list[str] = list(self.roles)
        others = [
            (holder, _power(authority.title))
            for authority in self._seed.authorities
            for holder in authority.holders
            if plain(holder) not in titles
        ]
        if others:
            yield "authorities:"
        for holder, power in others:
            taken.append(slug(holder, taken, joint="_"))
            yield f"  - {{ id: {taken[-1]}, title: {scalar(holder)}, may: [{power}] }}"

    def _contacts(self) -> dict[str, Contact]:
        """By seat. Whoever an escalation calls is a contact, even one that nobody listed."""
        found: dict[str, Contact] = {}
        for contact in self._seed.contacts:
            found[slug(contact.seat, found, joint="_")] = contact
        listed = {plain(contact.seat) for contact in found.values()}
        for level in self._seed.levels:
            if plain(level.who) not in listed:
                found[slug(level.who, found, joint="_")] = Contact(seat=level.who, remark=None, fields=())
                listed.add(plain(level.who))
        return found

    def _escalation(self, contacts: dict[str, Contact]) -> Iterator[str]:
        if not self._seed.levels:
            return
        yield "escalation:"
        yield "  levels:"
        for level in self._seed.levels:
            yield from _level(level, contacts)
        yield "  triggers:" if self._seed.triggers else "  triggers: []"
        yield from (f"    - {scalar(trigger)}" for trigger in self._seed.triggers)


def _power(title: str) -> str:
    return "roll_back_on_criteria" if "automatic" in plain(title) else "roll_back_by_decision"


def _level(level: Level, contacts: dict[str, Contact]) -> Iterator[str]:
    seat = next(seat for seat, contact in contacts.items() if plain(contact.seat) == plain(level.who))
    yield f"    - level: {level.number}"
    yield f"      title: {scalar(level.who)}"
    yield f"      seat: {seat}"
    yield f"      after: {written('duration', level.window.start or 0.0)}"
    yield f"      powers: [{', '.join(quoted(power) for power in level.powers)}]"


def _contact(seat: str, contact: Contact) -> Iterator[str]:
    """Telephone numbers are left out: a file names only where a number is to be found."""
    yield f"  - seat: {seat}"
    yield f"    title: {scalar(contact.seat)}"
    if contact.remark:
        yield f"    authority: {scalar(contact.remark)}"
    for field in contact.fields:
        key = {"name": "person", "email": "email", "slack": "slack"}.get(plain(field.name))
        if key and field.value:
            yield f"    {key}: {scalar(field.value)}"
