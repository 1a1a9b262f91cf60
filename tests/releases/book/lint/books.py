"""A small runbook in three files that nothing is to be said of, and changed copies of it."""

from __future__ import annotations

from pathlib import Path

from watership.releases.book.lint import Remark, linted
from watership.releases.book.shelf import read
from watership.releases.checks import CHECKS

FILES = {
    "runbook.yaml": """\
schema: watership/runbook/v1
name: small
title: A small go-live
include: [team.yaml, checklist/a.yaml]
signoffs: { needed: [technical_lead], expires: 24h }
go_no_go:
  - { id: all, text: Everything is done, judged_by: checklist }
gate:
  min_samples: 3000
  arms: [{ against: live, of: errors, sees: 1% }, { against: limit, of: slow, limit: 5%, sees: 15% }]
watch: { length: 24h, gate: { arms: [{ against: limit, of: errors, limit: 2%, sees: 5% }] } }
standby: { at_least: 24h, at_most: 48h }
rollback: { traffic: 2m, all: 5m }
fuses:
  - { watches: error_rate, above: 10%, window: 60s, then: roll_back }
  - { watches: error_rate, above: 5%, up_to: 10%, window: 5m, then: page }
  - { watches: level, of: cpu, above: 95%, window: 60s, then: roll_back }
  - { watches: lost, of: database, window: 30s, then: roll_back }
  - { watches: event, of: out_of_memory, then: roll_back }
phases:
  - number: 1
    id: before
    title: Before
    at: T-1h
    budget: 1h
    owner: lead
    on_failure: stop
    items:
      - { do: check, id: disk, check: disk.free, at: T-30m, title: Room, parameters: { used_below: 90% } }
      - { do: check, id: all, check: checklist.complete, at: T-20m, title: All, parameters: { by: T-30m } }
      - { do: check, id: go, check: gate.decided, at: T-10m, title: GO }
  - number: 5
    id: cutover
    title: Cutover
    at: T+0m
    budget: 20m
    owner: lead
    escalate_to: technical_lead
    on_failure: roll_back
    items:
      - { do: shift, id: half, at: T+1m, weight: 50%, title: Half }
      - { do: soak, id: soak, at: T+2m, length: 2m, give_up: 10m, title: Soak }
      - { do: shift, id: full, at: T+4m, weight: 100%, title: All }
""",
    "team.yaml": """\
schema: watership/team/v1
roles:
  - { id: lead, title: Lead, duty: Leads., may: [go_no_go, roll_back_on_criteria] }
contacts:
  - { seat: lead, title: Lead, person: Ada, email: ada@example.com, slack: "@ada" }
""",
    "checklist/a.yaml": """\
schema: watership/checklist/v1
section: A
id: infrastructure
title: Infrastructure
items:
  - id: room
    number: 1
    title: Room
    owner: lead
    by: T-30m
    verification: Look
    command: watership check run room
    points:
      - { id: disk, text: There is room, check: disk.free, parameters: { used_below: 90% } }
      - { id: rack, text: The rack is locked, attest: No program sees a rack. }
""",
}


def changed(folder: Path, *changes: tuple[str, str, str]) -> Path:
    """The runbook in a folder; each change is a file, what it holds, and what it is to hold instead."""
    files = dict(FILES)
    for name, was, becomes in changes:
        assert was in files[name], f"{name} does not hold {was!r}"
        files[name] = files[name].replace(was, becomes)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def remarks(folder: Path, *changes: tuple[str, str, str], per_second: float | None = None) -> list[Remark]:
    """What is said of a changed copy."""
    return list(linted(read(changed(folder, *changes)), CHECKS, per_second))
