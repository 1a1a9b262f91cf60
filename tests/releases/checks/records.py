"""Records of drills, as a rehearsal writes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from tests.releases.checks.scenes import Looker, now
from watership.releases.auditing.audit import Plain
from watership.releases.readiness.drill import FOLDER, Drill, Kind, Step, encoded, file_name


def a_drill(
    kind: Kind,
    *,
    ago: timedelta = timedelta(hours=1),
    seconds: float = 40.0,
    outcome: Literal["passed", "failed"] = "passed",
    steps: tuple[Step, ...] = (Step(name="traffic", seconds=3.0, passed=True),),
    environment: str = "staging",
    build: str = "sha256:2.1.0",
    words: str = "",
    facts: dict[str, Plain] | None = None,
    rto: float | None = None,
    rpo: float | None = None,
) -> Drill:
    began = now() - ago
    return Drill(
        kind=kind,
        environment=environment,
        began=began,
        ended=began + timedelta(seconds=seconds),
        rto_seconds=rto,
        rpo_seconds=rpo,
        seconds=seconds,
        outcome=outcome,
        steps=steps,
        build=build,
        version="2.1.0",
        by="sam",
        words=words,
        facts=facts or {},
    )


def put(looker: Looker, drill: Drill) -> None:
    """Where the checks look for it."""
    looker.write(f"{FOLDER}/{file_name(drill)}", encoded(drill))
