"""The kinds of checks that a release knows: those that are shipped, and those that its runbook brings.

The code of a runbook is run here and nowhere else: what was read with the runbook, or what its plan names by digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from watership.adapters.files.releases import latest
from watership.config import Config
from watership.errors import NotFound
from watership.releases.book.code import Code
from watership.releases.book.shelf import Source
from watership.releases.checks import CHECKS, CheckKind
from watership.releases.checks.own import loaded, planned
from watership.releases.order import Release
from watership.wiring.environment import Places


@cache
def known(code: tuple[Code, ...]) -> Mapping[str, CheckKind]:
    """Every kind, with those of the code. Raises DocumentError with file and line."""
    own = loaded(code, CHECKS)
    return dict(sorted({**CHECKS, **own}.items())) if own else CHECKS


def of_source(source: Source) -> Mapping[str, CheckKind]:
    """What a runbook may name. Raises DocumentError."""
    return known(source.code)


def of_latest(config: Config) -> Mapping[str, CheckKind]:
    """What the release that was last worked at here measures with; where there is none, what is shipped."""
    try:
        draft = latest(Places.of(config).releases).draft()
    except NotFound:
        return CHECKS
    return known(planned(draft.plan, draft.code))


def of_release(release: Release) -> Mapping[str, CheckKind]:
    """What a release measures with, by the code that was planned. Raises BadInput, DocumentError."""
    return known(planned(release.plan, release.code))
