"""Labels of reports: what their formats have no place for, beside them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from watership.releases.checks.reports import LABEL, SCHEMA


def label(report: Path, build: str, *, looked_at: int = 0, **ago: float) -> bytes:
    """The label of a report as it is now, of a tool that ended an hour ago, or so long."""
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "sha256": sha256(report.read_bytes()).hexdigest(),
        "build": build,
        "ended_at": (datetime.now(UTC) - timedelta(**(ago or {"hours": 1}))).isoformat(),
        "looked_at": looked_at,
    }
    return json.dumps(told).encode()


def relabelled(file: Path) -> None:
    """The label of a report that was written again is of its bytes: a fault in a report is no fault of its label."""
    file = file.with_name(file.name.removesuffix(LABEL))
    there = file.with_name(file.name + LABEL)
    if there.exists() and file.exists():
        told = json.loads(there.read_bytes())
        if told.get("sha256") != (now := sha256(file.read_bytes()).hexdigest()):
            there.write_text(json.dumps(told | {"sha256": now}))
