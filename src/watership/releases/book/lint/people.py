"""People: somebody sits on every seat that the runbook calls, and somebody may decide what it asks."""

from __future__ import annotations

from collections.abc import Iterator

from watership.releases.book.lint.place import Places
from watership.releases.book.lint.remark import Remark, remark
from watership.releases.book.runbook import Runbook
from watership.releases.book.team import Authority, Role


def remarks(book: Runbook, places: Places) -> Iterator[Remark]:
    for index, contact in enumerate(book.contacts):
        if not contact.person:
            words = f"nobody sits on the seat '{contact.seat}' ({contact.title})"
            yield remark("warning", "empty-seat", places.of("contacts", index), words)
        elif not contact.reachable:
            words = f"{contact.person} ({contact.seat}) can be reached in fewer than two ways"
            yield remark("warning", "unreachable-seat", places.of("contacts", index), words)
    yield from _escalations(book, places)
    if book.go_no_go and not any("go_no_go" in role.may for role in book.roles):
        words = "no role may decide GO or NO-GO: add 'go_no_go' to what one may"
        yield remark("warning", "no-decider", places.of("go_no_go"), words)
    holders: tuple[Role | Authority, ...] = (*book.roles, *book.authorities)
    if not any("roll_back_on_criteria" in each.may for each in holders):
        yield remark("warning", "no-decider", places.of("roles"), "nobody may order a rollback on criteria")


def _escalations(book: Runbook, places: Places) -> Iterator[Remark]:
    known = {role.id for role in book.roles} | {each.id for each in book.authorities}
    known |= {contact.seat for contact in book.contacts} | set(book.signoffs.needed)
    for index, phase in enumerate(book.phases):
        if phase.escalate_to is not None and phase.escalate_to not in known:
            words = f"the phase '{phase.id}' escalates to '{phase.escalate_to}', which is no seat"
            yield remark("warning", "empty-seat", places.of("phases", index, "escalate_to"), words)
