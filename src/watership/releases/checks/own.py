"""Own checks are what a runbook's Python defines: loaded as it was planned, and refused with file and line.

To load is to run. Only `wiring` does it, and users' own tests.
"""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import CodeType, ModuleType
from typing import Final

from watership.errors import BadInput
from watership.releases.book.code import Code
from watership.releases.book.document import DocumentError
from watership.releases.checks.kind import CheckKind, collected
from watership.releases.plan import Plan

NAME: Final = re.compile(r"[a-z]+(\.[a-z_]+)*")
"""As a runbook can write it."""

PLAN_AGAIN: Final = "Plan again, and have it signed: watership release plan BUILD"

WORDS: Final = 300
"""Characters of an error that are told."""


def planned(plan: Plan, code: tuple[Code, ...]) -> tuple[Code, ...]:
    """The code that a plan names, each file compared with its digest. Raises BadInput."""
    there = {each.path: each for each in code}
    for wanted in plan.code:
        file = there.get(wanted.path)
        if file is None:
            raise BadInput(f"The check {wanted.path} was not handed over.", fix=PLAN_AGAIN)
        if file.sha256 != wanted.sha256:
            raise BadInput(f"The check {wanted.path} is not the one that was planned.", fix=PLAN_AGAIN)
    return tuple(there[wanted.path] for wanted in plan.code)


def loaded(files: tuple[Code, ...], known: Mapping[str, CheckKind]) -> dict[str, CheckKind]:
    """The kinds that files define, besides those that are known. Raises DocumentError with file and line."""
    found: dict[str, CheckKind] = {}
    for file in files:
        kinds = collected([_module(file)])
        if not kinds:
            raise DocumentError(
                file.path, 1, "defines no check; what is no check of this runbook belongs into another folder"
            )
        for kind in kinds.values():
            if wrong := _wrong(kind, known, found):
                raise DocumentError(file.path, _line(kind), wrong)
        found |= kinds
    return found


def _wrong(kind: CheckKind, known: Mapping[str, CheckKind], own: Mapping[str, CheckKind]) -> str:
    """Why a kind cannot be taken; nothing if it can."""
    if kind.name in known:
        return f"the check {kind.name} comes with Watership; name yours otherwise"
    if kind.name in own:
        return f"the check {kind.name} is defined twice"
    if not NAME.fullmatch(kind.name):
        return f"no runbook can write the name {kind.name!r}; small letters and dots are right: redis.memory"
    if not inspect.iscoroutinefunction(kind.run):
        return f"the check {kind.name} is no async function"
    return ""


def _line(kind: CheckKind) -> int:
    code = getattr(inspect.unwrap(kind.run), "__code__", None)
    return code.co_firstlineno if isinstance(code, CodeType) else 1


def _module(file: Code) -> ModuleType:
    """The module of a file, run once. Its name holds its digest, so that two versions of it do not meet."""
    module = ModuleType(f"own_checks.{file.sha256[:16]}.{PurePosixPath(file.path).stem}")
    sys.modules[module.__name__] = module  # what reads annotations looks for it there
    try:
        exec(compile(file.text, file.path, "exec", dont_inherit=True), vars(module))  # noqa: S102 - as planned
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        words = f"{type(error).__name__}: {error}"[:WORDS]
        raise DocumentError(file.path, _where(error, file), f"it cannot be loaded: {words}") from error
    return module


def _where(error: BaseException, file: Code) -> int:
    """The line of the file at which an error arose, or from which it came."""
    if isinstance(error, SyntaxError) and error.filename == file.path:
        return error.lineno or 1
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == file.path]
    return (lines[-1] if lines else None) or 1
