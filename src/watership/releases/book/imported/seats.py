"""Seats are the people of a document as our team file has them: roles, authorities, contacts, escalation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from watership.releases.book.imported.outline import plain
from watership.releases.book.imported.seed import Contact, Level, Role, SeedRunbook
from watership.releases.book.imported.text import quoted, scalar, slug
from watership.releases.book.quantity import written
from watership.releases.book.runbook import Runbook


class Seats:
    """The seats of a document. A role with the title of one of `base` has its id, by which its phases name an owner."""

    def __init__(self, seed: SeedRunbook, base: Runbook) -> None:
        known = {plain(role.title): role.id for role in base.roles}
        self._known = list(known.values())
        self.roles: dict[str, Role] = {}
        for role in seed.roles:
            name = known.get(plain(role.title), role.title)
            self.roles[slug(name, self.roles, joint="_")] = role
        self.first = next(iter(self.roles), "deployment_lead")
        self._seed = seed

    def owned(self, phases: str) -> str:
        """The phases of `base`, with the first seat in the place of those that the document does not have."""
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
        if powers := list(self._powers(role)):
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

    def _powers(self, role: Role) -> Iterator[str]:
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

    def _escalation(self, contacts: Mapping[str, Contact]) -> Iterator[str]:
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


def _level(level: Level, contacts: Mapping[str, Contact]) -> Iterator[str]:
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
