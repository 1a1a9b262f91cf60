"""Rules say how each part of a document becomes a piece of the seed runbook; what no rule takes up is unread."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from watership.releases.book.imported.moment import moment, window
from watership.releases.book.imported.outline import Group, Line, Outline, Part, plain
from watership.releases.book.imported.seed import (
    Approval,
    Authority,
    Contact,
    Criteria,
    Field,
    Item,
    Level,
    Phase,
    Preparation,
    Role,
    Section,
    SeedRunbook,
    Step,
    Template,
    Validation,
    Verification,
)

CHECKLIST = "Pre-Deployment Checklist"
TIMELINE = "Deployment Timeline & Phases"
ROLES = "Team Roles & Responsibilities"
MESSAGES = "Communication Plan"
CRITERIA = "Automatic Rollback Criteria"
AUTHORITY = "Rollback Decision Authority"
VALIDATION = "Post-Deployment Validation"
CONTACTS = "On-Call Team"
ESCALATION = "Escalation Procedure"
APPROVALS = "Pre-Deployment Approvals"
DECISION = "Go/No-Go Decision"

_SECTION = re.compile(r"(?P<letter>[A-Z])\.\s+(?P<title>.+?)(?:\s+\((?P<claims>\d+)\+? items?\))?")
_ITEM = re.compile(r"\[[ xX]*\]\s*(?P<number>\d+)\.\s+(?P<title>.+)")
_BOXED = re.compile(r"\[[ xX]*\]")
_VERIFICATION = re.compile(r"(?:\*\*)?Verification:(?:\*\*)?\s*(?P<text>.*)", re.IGNORECASE)
_COMMAND = re.compile(r"`(?P<command>[^`]+)`")
_PHASE = re.compile(r"Phase\s+(?P<number>\d+):\s*(?P<title>.+?)(?:\s+\((?P<window>.+)\))?", re.IGNORECASE)
_STEP = re.compile(r"(?P<at>T[+-]\d+\s*\w*)\s*:\s*(?P<text>.+)")
_NUMBERED = re.compile(r"(?P<number>\d+)\.\s+(?P<title>.+?)(?:\s+\((?P<remark>.+)\))?")
_REMARKED = re.compile(r"(?P<title>.+?)(?:\s+\((?P<remark>.+)\))?")
_LEVEL = re.compile(r"Level\s+(?P<number>\d+):\s*(?P<title>.+?)(?:\s+\((?P<window>.+)\))?", re.IGNORECASE)
_APPROVAL = re.compile(r"(?P<role>.+?)\s+Approval", re.IGNORECASE)
_FIELD = re.compile(r"(?P<name>[^:]+):\s*(?P<value>.*)")
_BLANK = re.compile(r"[_\s]*")


_OF_A_PHASE = ("timeline", "actions", "failure handling", "success criteria")
_STAGES = ("pre deployment", "during deployment", "post deployment")


class Unread(Struct, frozen=True, kw_only=True):
    """A line that stands in a section that is read, and that no rule takes up."""

    line: int
    text: str


class Reader:
    """Reads the parts of one outline, and keeps the lines that no rule takes up."""

    def __init__(self, document: Outline) -> None:
        self._document = document
        self.unread: list[Unread] = []

    def seed(self) -> SeedRunbook:
        titles = [part.title for part in self._document.parts if part.level == 1]
        sections, items = self._checklist()
        levels, triggers = self._escalation()
        go, no_go = self._decision()
        return SeedRunbook(
            title=titles[0] if titles else "",
            sections=sections,
            items=items,
            phases=tuple(self._phases()),
            roles=tuple(self._roles()),
            templates=tuple(self._templates()),
            criteria=tuple(self._criteria()),
            authorities=tuple(self._authorities()),
            validations=tuple(self._validations()),
            contacts=tuple(self._contacts()),
            levels=levels,
            triggers=triggers,
            approvals=tuple(self._approvals()),
            go=go,
            no_go=no_go,
        )

    # ---------------------------------------------------------------------------------------- the checklist

    def _checklist(self) -> tuple[tuple[Section, ...], tuple[Item, ...]]:
        sections: list[Section] = []
        items: list[Item] = []
        for part in self._document.under(CHECKLIST):
            head = _SECTION.fullmatch(part.title)
            if head is not None:
                claims = int(head["claims"]) if head["claims"] else None
                sections.append(Section(letter=head["letter"], title=head["title"], claims=claims))
            for group in part.groups:
                # A box outside a list was meant as an item, and what follows it would pass as the item's before it.
                self.unread += [
                    Unread(line=line.number, text=line.text)
                    for line in group.prose
                    if _BOXED.match(line.text)
                ]
                found = _ITEM.fullmatch(group.label)
                if found is None or head is None:
                    self._skip(group)
                else:
                    items.append(
                        self._item(found, head["letter"], group.entries, {item.id for item in items})
                    )
        return tuple(sections), tuple(items)

    def _item(self, found: re.Match[str], section: str, entries: Sequence[Line], taken: set[str]) -> Item:
        points: list[str] = []
        verification: Verification | None = None
        for line in entries:
            stated = _VERIFICATION.fullmatch(line.text)
            if stated is None:
                points.append(line.text)
            elif verification is None and stated["text"]:
                command = _COMMAND.fullmatch(stated["text"])
                verification = Verification(
                    text=stated["text"], command=command["command"] if command else None
                )
            else:
                self.unread.append(Unread(line=line.number, text=line.text))
        return Item(
            id=_id(found["title"], taken),
            number=int(found["number"]),
            section=section,
            title=found["title"],
            points=tuple(points),
            verification=verification,
        )

    # -------------------------------------------------------------------------------------------- the phases

    def _phases(self) -> Iterator[Phase]:
        for part, head in self._parts(TIMELINE, _PHASE):
            groups = _by_label(part)
            preparations: list[Preparation] = []
            for label, group in groups.items():
                at = moment(group.label)
                if at is not None and group.entries:
                    preparations.append(Preparation(at=at, duties=_texts(group)))
                elif label not in _OF_A_PHASE:
                    self._skip(group)
            yield Phase(
                number=int(head["number"]),
                title=head["title"],
                window=window(head["window"] or ""),
                steps=tuple(self._steps(groups.get("timeline"))),
                preparations=tuple(preparations),
                actions=_entries(groups, "actions"),
                failure_handling=_entries(groups, "failure handling"),
                success_criteria=_entries(groups, "success criteria"),
            )

    def _steps(self, group: Group | None) -> Iterator[Step]:
        lines = [line for fence in group.fences for line in fence.lines] if group else []
        for line in lines:
            found = _STEP.fullmatch(line.text.strip())
            at = moment(found["at"]) if found else None
            if found is not None and at is not None:
                yield Step(at=at, text=found["text"])
            elif line.text.strip():
                self.unread.append(Unread(line=line.number, text=line.text))

    # -------------------------------------------------------------------------------------------- the people

    def _roles(self) -> Iterator[Role]:
        for part, head in self._parts(ROLES, _NUMBERED):
            groups = _by_label(part)
            for label, group in groups.items():
                if label not in ("responsibilities", *_STAGES):
                    self._skip(group)
            before, during, after = (_entries(groups, stage) for stage in _STAGES)
            yield Role(
                number=int(head["number"]),
                title=head["title"],
                remark=head["remark"],
                fields=tuple(_field(group.label, group.rest) for group in part.groups if group.rest),
                responsibilities=_entries(groups, "responsibilities"),
                before=before,
                during=during,
                after=after,
            )

    def _contacts(self) -> Iterator[Contact]:
        for group in self._groups(CONTACTS):
            fields = _fields(group)
            if group.label and any(plain(field.name) == "name" for field in fields):
                seat, remark = _remarked(group.label)
                yield Contact(seat=seat, remark=remark, fields=fields)
            else:
                self._skip(group)

    def _escalation(self) -> tuple[tuple[Level, ...], tuple[str, ...]]:
        levels: list[Level] = []
        triggers: tuple[str, ...] = ()
        for group in self._groups(ESCALATION):
            texts = _texts(group)
            if found := _LEVEL.fullmatch(group.label):
                reach = window(found["window"] or "")
                levels.append(
                    Level(number=int(found["number"]), who=found["title"], window=reach, powers=texts)
                )
            elif plain(group.label) in ("escalation trigger", "escalation triggers"):
                triggers += texts
            else:
                self._skip(group)
        return tuple(levels), triggers

    def _approvals(self) -> Iterator[Approval]:
        for group in self._groups(APPROVALS):
            if found := _APPROVAL.fullmatch(group.label):
                yield Approval(role=found["role"], fields=_fields(group))
            else:
                self._skip(group)

    def _decision(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        said: dict[str, tuple[str, ...]] = {"go decision": (), "no go decision": ()}
        for group in self._groups(DECISION):
            if plain(group.label) in said:
                said[plain(group.label)] += _texts(group)
            else:
                self._skip(group)
        return said["go decision"], said["no go decision"]

    # ------------------------------------------------------------------------- the rest, group after group

    def _templates(self) -> Iterator[Template]:
        for part in self._document.under(MESSAGES):
            for group in part.groups:
                for fence in group.fences:
                    name = group.label.removesuffix("Template").strip() or part.title
                    yield Template(name=name, occasion=part.title, body=fence.text)

    def _criteria(self) -> Iterator[Criteria]:
        for group in self._listed(CRITERIA):
            title, consequence = _remarked(group.label)
            yield Criteria(title=title, consequence=consequence, criteria=_texts(group))

    def _authorities(self) -> Iterator[Authority]:
        for group in self._listed(AUTHORITY):
            yield Authority(title=group.label, holders=_texts(group))

    def _validations(self) -> Iterator[Validation]:
        for part in self._document.under(VALIDATION):
            groups = _by_label(part)
            for label, group in groups.items():
                if label not in ("validations", "command"):
                    self._skip(group)
            if points := _entries(groups, "validations"):
                title, reach = _remarked(part.title)
                fences = groups["command"].fences if "command" in groups else ()
                command = "\n".join(fence.text for fence in fences) or None
                yield Validation(title=title, window=window(reach or ""), points=points, command=command)

    # ---------------------------------------------------------------------------------------------- the lines

    def _parts(self, heading: str, shape: re.Pattern[str]) -> Iterator[tuple[Part, re.Match[str]]]:
        """The parts below a heading whose own headings have the shape; the others are not read."""
        for part in self._document.under(heading)[1:]:
            if found := shape.fullmatch(part.title):
                yield part, found
            else:
                for group in part.groups:
                    self._skip(group)

    def _groups(self, heading: str) -> Iterator[Group]:
        return (group for part in self._document.under(heading) for group in part.groups)

    def _listed(self, heading: str) -> Iterator[Group]:
        """Groups with a label and a list."""
        for group in self._groups(heading):
            if group.label and group.entries:
                yield group
            else:
                self._skip(group)

    def _skip(self, group: Group) -> None:
        """Say of a group that no rule took it up; prose and empty groups hold nothing to count."""
        self.unread += [Unread(line=line.number, text=line.text) for line in group.entries]
        self.unread += [
            Unread(line=fence.lines[0].number, text=fence.text) for fence in group.fences if fence.lines
        ]


def _id(title: str, taken: set[str]) -> str:
    """An id of a title's words that no earlier item has."""
    words = plain(title).replace(" ", "-")[:50].strip("-")
    first = words if words[:1].isalpha() else f"item-{words}".strip("-")
    numbered = (f"{first}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (first, *numbered) if each not in taken)


def _remarked(title: str) -> tuple[str, str | None]:
    """`Deployment Lead (Decision Maker)` → its two halves."""
    found = _REMARKED.fullmatch(title)
    return (found["title"], found["remark"]) if found else (title, None)


def _fields(group: Group) -> tuple[Field, ...]:
    found = (_FIELD.fullmatch(line.text) for line in group.entries)
    return tuple(_field(each["name"], each["value"]) for each in found if each)


def _field(name: str, value: str) -> Field:
    """`Name: ______` → a field that nobody has filled in."""
    return Field(name, None if _BLANK.fullmatch(value) else value)


def _by_label(part: Part) -> dict[str, Group]:
    """The groups of a part by their plain labels; two of the same label are one."""
    found: dict[str, Group] = {}
    for group in part.groups:
        before = found.get(plain(group.label))
        found[plain(group.label)] = (
            replace(before, entries=before.entries + group.entries, fences=before.fences + group.fences)
            if before
            else group
        )
    return found


def _entries(groups: dict[str, Group], label: str) -> tuple[str, ...]:
    return _texts(groups[label]) if label in groups else ()


def _texts(group: Group) -> tuple[str, ...]:
    return tuple(line.text for line in group.entries)
