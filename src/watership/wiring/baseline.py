"""The baseline of an environment: captured at its desk, kept as a file, and by its digest in the audit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from watership.adapters.files.replace import replace_file
from watership.errors import BadInput, NotFound
from watership.releases.book.document import parse
from watership.releases.book.shelf import beside
from watership.releases.book.system import System
from watership.releases.checks import CHECKS, Scene
from watership.releases.service import capture
from watership.releases.service.baseline import Baseline, Sources, encoded, require_figures
from watership.wiring.desk import Desk

FILE = "baseline.yaml"
"""Beside a runbook."""


def sources(runbook: str) -> Sources:
    """Where a runbook's figures come from, by its name or path. Raises NotFound, DocumentError, BadInput."""
    found = parse(beside(runbook, FILE), Sources, source=FILE)
    require_figures(found)
    return found


async def captured(desk: Desk, sources: Sources, systems: Mapping[str, System], person: str) -> Baseline:
    """The figures of what is live in the environment now."""
    scene = Scene(
        key="baseline",
        clock=desk.environment.clock,
        environment=desk.environment,
        instruments=desk.environment.instruments,
        systems=systems,
        kinds=CHECKS,
    )
    return await capture.captured(scene, sources, await desk.live(), environment=desk.name, by=person)


def put(desk: Desk, path: Path, baseline: Baseline) -> None:
    """Put a baseline on record, in place of an earlier one."""
    content = encoded(baseline)
    replace_file(path, content)
    sha256 = hashlib.sha256(content).hexdigest()
    desk.environment.audit.append(
        baseline.by,
        "baseline.captured",
        {"path": str(path), "sha256": sha256, "build": baseline.digest, "unknown": [*baseline.unknown]},
    )


def recorded(path: Path) -> Baseline:
    """The baseline on record. Raises NotFound, BadInput."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline)
    except FileNotFoundError:
        raise NotFound(f"There is no baseline {path}.", fix="watership baseline capture") from None
    except msgspec.DecodeError as error:
        raise BadInput(f"{path} is no baseline: {error}.", fix="watership baseline capture") from error
