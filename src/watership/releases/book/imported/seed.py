"""A seed runbook is a go-live as people wrote it down: its words are kept verbatim, its structure is typed."""

from __future__ import annotations

from msgspec import Struct


class Verification(Struct, frozen=True, kw_only=True):
    """How an item is shown to hold: by a command, or by somebody's word (`command` None)."""

    text: str
    command: str | None = None


class Item(Struct, frozen=True, kw_only=True):
    """An entry of the checklist with the points under it. `number` is the document's own."""

    id: str
    number: int
    section: str
    title: str
    points: tuple[str, ...]
    verification: Verification | None = None


class Section(Struct, frozen=True, kw_only=True):
    """A part of the checklist. `claims` is how many items its heading speaks of."""

    letter: str
    title: str
    claims: int | None = None


class Window(Struct, frozen=True, kw_only=True):
    """`text` as it stands; seconds from the moment that the document counts from, None where it states none."""

    text: str
    start: float | None = None
    end: float | None = None


class Step(Struct, frozen=True, kw_only=True):
    """A line of a timeline: `at` seconds from the start, and what is done."""

    at: float
    text: str


class Preparation(Struct, frozen=True, kw_only=True):
    """What has to be done by a moment before the start."""

    at: float
    duties: tuple[str, ...]


class Phase(Struct, frozen=True, kw_only=True):
    """A stretch of the go-live; a phase before the start has preparations instead of a timeline."""

    number: int
    title: str
    window: Window
    steps: tuple[Step, ...] = ()
    preparations: tuple[Preparation, ...] = ()
    actions: tuple[str, ...] = ()
    failure_handling: tuple[str, ...] = ()
    success_criteria: tuple[str, ...] = ()


class Field(Struct, frozen=True):
    """Something to fill in; `value` is None while it is not."""

    name: str
    value: str | None = None


class Role(Struct, frozen=True, kw_only=True):
    """A seat of the team, and its duties before, during and after."""

    number: int
    title: str
    remark: str | None = None
    fields: tuple[Field, ...] = ()
    responsibilities: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    during: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def duties(self) -> tuple[str, ...]:
        return self.before + self.during + self.after


class Approval(Struct, frozen=True, kw_only=True):
    """A signature that is needed, and what the signer fills in."""

    role: str
    fields: tuple[Field, ...]


class Template(Struct, frozen=True, kw_only=True):
    """A message to people, with its gaps as they stand in the document. `occasion` is its heading."""

    name: str
    occasion: str
    body: str


class Validation(Struct, frozen=True, kw_only=True):
    """What has to hold in a window after the go-live, and the command that looks."""

    title: str
    window: Window
    points: tuple[str, ...]
    command: str | None = None


class Criteria(Struct, frozen=True, kw_only=True):
    """Reasons to take a release back, of one urgency."""

    title: str
    consequence: str | None
    criteria: tuple[str, ...]


class Authority(Struct, frozen=True, kw_only=True):
    """Who may order a rollback, for one kind of reason."""

    title: str
    holders: tuple[str, ...]


class Contact(Struct, frozen=True, kw_only=True):
    """Somebody to reach, and by what."""

    seat: str
    remark: str | None
    fields: tuple[Field, ...]


class Level(Struct, frozen=True, kw_only=True):
    """A step of the escalation."""

    number: int
    who: str
    window: Window
    powers: tuple[str, ...]


class SeedRunbook(Struct, frozen=True, kw_only=True):
    """The whole document, in the order of its parts."""

    title: str
    sections: tuple[Section, ...] = ()
    items: tuple[Item, ...] = ()
    phases: tuple[Phase, ...] = ()
    roles: tuple[Role, ...] = ()
    templates: tuple[Template, ...] = ()
    criteria: tuple[Criteria, ...] = ()
    authorities: tuple[Authority, ...] = ()
    validations: tuple[Validation, ...] = ()
    contacts: tuple[Contact, ...] = ()
    levels: tuple[Level, ...] = ()
    triggers: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    go: tuple[str, ...] = ()
    no_go: tuple[str, ...] = ()


class Counts(Struct, frozen=True, kw_only=True):
    """How much of everything a document holds."""

    items: int
    points: int
    verifications: int
    phases: int
    timeline_steps: int
    preparations: int
    roles: int
    responsibilities: int
    role_duties: int
    templates: int
    rollback_criteria: int
    rollback_authorities: int
    validations: int
    contacts: int
    escalation_levels: int
    escalation_triggers: int
    approvals: int
    go_no_go_lines: int


def counted(seed: SeedRunbook) -> Counts:
    """Count what was read."""
    return Counts(
        items=len(seed.items),
        points=sum(len(item.points) for item in seed.items),
        verifications=sum(item.verification is not None for item in seed.items),
        phases=len(seed.phases),
        timeline_steps=sum(len(phase.steps) for phase in seed.phases),
        preparations=sum(len(each.duties) for phase in seed.phases for each in phase.preparations),
        roles=len(seed.roles),
        responsibilities=sum(len(role.responsibilities) for role in seed.roles),
        role_duties=sum(len(role.duties) for role in seed.roles),
        templates=len(seed.templates),
        rollback_criteria=sum(len(each.criteria) for each in seed.criteria),
        rollback_authorities=sum(len(each.holders) for each in seed.authorities),
        validations=sum(len(each.points) for each in seed.validations),
        contacts=len(seed.contacts),
        escalation_levels=len(seed.levels),
        escalation_triggers=len(seed.triggers),
        approvals=len(seed.approvals),
        go_no_go_lines=len(seed.go) + len(seed.no_go),
    )
