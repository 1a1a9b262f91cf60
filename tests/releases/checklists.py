"""A small checklist to try things on: one item that is measured, one that people attest."""

from __future__ import annotations

from msgspec.structs import replace

from tests.releases.plans import a_plan
from watership.releases.book.document import parse
from watership.releases.book.runbook import Condition
from watership.releases.plan import Plan
from watership.releases.readiness.checklist import Section

TEXT = """
schema: watership/checklist/v1
section: A
id: infrastructure
title: Infrastructure
items:
  - id: guide
    number: 1
    title: The guide
    owner: operations
    by: T-24h
    verification: read it
    command: watership check run guide
    points:
      - { id: says, text: "It says how", check: document.says, parameters: { path: guide.md, section: How, words: 2 } }
  - id: uat
    number: 2
    title: User acceptance
    owner: qa
    by: T-4h
    verification: sign-off document
    command: watership check show uat
    points:
      - { id: signed, text: "Stakeholders agree", attest: "Only they know what they think." }
      - { id: workflows, text: "Workflows tried", attest: "They were tried by hand." }
"""

CHECKLIST = (parse(TEXT, Section),)

CONDITIONS = (
    Condition(id="checklist", text="All checklist items complete", judged_by="checklist"),
    Condition(id="approvals", text="All approvals obtained", judged_by="approvals"),
    Condition(id="incidents", text="No critical issues", judged_by="incidents"),
    Condition(id="team", text="Team ready", judged_by="team"),
)


def a_checked_plan() -> Plan:
    """A plan with the small checklist, and the conditions of a GO."""
    return replace(a_plan(), checklist=CHECKLIST, go_no_go=CONDITIONS)
