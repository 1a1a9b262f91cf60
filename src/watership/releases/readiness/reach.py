"""Reach: whether everybody who may be needed is named, has more than one address, and has answered a test call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from watership.releases.plan import Plan
from watership.releases.readiness.records import Called, Record


def unreachable(plan: Plan, records: Sequence[Record], now: datetime) -> list[str]:
    """What is wrong with the contacts, each in words that name the seat; empty when everybody can be reached."""
    wrong = [
        f"{contact.seat}: nobody is named"
        if not contact.person
        else f"{contact.seat}: {contact.person} has one address"
        for contact in plan.contacts
        if not contact.reachable
    ]
    if not plan.contacts:
        wrong.append("the runbook names no contacts")
    if plan.on_call is None:
        return [*wrong, "the runbook has no on-call rota"]
    seats = dict.fromkeys((plan.on_call.primary, plan.on_call.secondary, plan.on_call.manager))
    people = {contact.seat: contact.person for contact in plan.contacts}
    oldest = now - timedelta(seconds=plan.on_call.test_call_within)
    return wrong + [
        words for seat in seats if (words := uncalled(seat, records, oldest, people.get(seat, "")))
    ]


def uncalled(seat: str, records: Sequence[Record], oldest: datetime, person: str) -> str:
    """Why a seat's test call does not count; empty when it does."""
    last = next((each for each in records[::-1] if isinstance(each, Called) and each.seat == seat), None)
    if last is None:
        return f"{seat}: no test call is on record"
    if person and last.person != person:
        return f"{seat}: {last.person or 'nobody'} was called, and {person} has the seat"
    if not last.reached:
        return f"{seat}: did not answer the test call of {last.at:%Y-%m-%d %H:%M} UTC"
    return "" if last.at >= oldest else f"{seat}: the last test call was on {last.at:%Y-%m-%d}"
