"""squawk reads migrations for what they lock and break; it is a program of its own (pip install 'watership[lint]')."""

from __future__ import annotations

import asyncio
import shutil
import sysconfig
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from watership.releases.ddl import Statement, statements
from watership.releases.ports import Linted, Migration, Remark

PROGRAM: Final = "squawk"

INSTALL: Final = "pip install 'watership[lint]'"

SECONDS: Final = 30.0
"""It takes milliseconds, or it hangs."""

SMALL: Final = 10_000
"""Rows of a table that is scanned or rewritten within milliseconds, whatever lock that takes."""

BREAKS: Final = frozenset(
    {
        *(
            "adding-required-field",
            "ban-drop-column",
            "ban-drop-database",
            "ban-drop-not-null",
            "ban-drop-table",
        ),
        *("ban-truncate-cascade", "renaming-column", "renaming-table"),
    }
)
"""What clients of the old schema cannot live with: a contract may."""

LOCKS: Final = frozenset(
    {
        *("adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field"),
        *("adding-serial-primary-key-field", "changing-column-type", "constraint-missing-not-valid"),
        *(
            "disallowed-unique-constraint",
            "require-concurrent-index-creation",
            "require-concurrent-index-deletion",
        ),
        *(
            "require-concurrent-reindex",
            "require-concurrent-detach-partition",
            "ban-alter-domain-with-add-constraint",
        ),
    }
)
"""What others wait for: a migration that pauses writes may."""

BROKEN: Final = frozenset({"syntax-error"})


class Found(msgspec.Struct, frozen=True):
    """A finding as squawk tells it; `line` from 0."""

    line: int
    message: str
    rule_name: str
    help: str | None = None


class Rows(Protocol):
    def __call__(self, tables: Sequence[str], *, most: int) -> Awaitable[dict[str, int]]: ...


async def squawked(migrations: Sequence[Migration], *, version: int, rows: Rows) -> Linted:
    """What it finds in the forward scripts, by what each of them says of itself. `version`: of the server."""
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=sysconfig.get_path("scripts"))
    if program is None:
        return Linted(unknown=f"the program {PROGRAM} is not installed here", fix=INSTALL)
    remarks: list[Remark] = []
    for migration in migrations:
        try:
            found = await _asked(program, migration, version)
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            return Linted(
                unknown=f"{PROGRAM} said nothing of use: {str(error) or 'it took too long'}", fix=INSTALL
            )
        remarks += await _weighed(migration, found, rows)
    return Linted(remarks=tuple(remarks))


async def _asked(program: str, migration: Migration, version: int) -> list[Found]:
    with tempfile.TemporaryDirectory(prefix="watership-") as folder:
        script = Path(folder) / "forward.sql"
        script.write_text(migration.forward, encoding="utf-8")
        inside = [] if migration.header.outside else ["--assume-in-transaction"]
        process = await asyncio.create_subprocess_exec(
            *(program, "--reporter", "json", "--pg-version", f"{version}", *inside, str(script)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            cwd=folder,
        )
        try:
            async with asyncio.timeout(SECONDS):
                told, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return msgspec.json.decode(told, type=list[Found])


async def _weighed(migration: Migration, found: Sequence[Found], rows: Rows) -> list[Remark]:
    """Those that count for this migration: of locks only what larger tables meet."""
    head, there = migration.header, list(statements(migration.forward))
    locking = [each for each in found if each.rule_name in LOCKS]
    tables = sorted({table for each in locking if (table := _table(there, each.line + 1))})
    large = {table for table, count in (await rows(tables, most=SMALL)).items() if count > SMALL}

    def counting() -> Iterator[Found]:
        for each in found:
            if (
                each.rule_name in BROKEN
                or (each.rule_name in BREAKS and head.kind != "contract" and _meets(there, each))
                or (each.rule_name in LOCKS and not head.pauses and _table(there, each.line + 1) in large)
            ):
                yield each

    return [
        Remark(
            migration=migration.name,
            rule=each.rule_name,
            line=each.line + 1,
            words=" ".join(filter(None, [each.message, each.help])),
        )
        for each in counting()
    ]


def _table(there: Sequence[Statement], line: int) -> str:
    """What the statement at a line is done to; empty where that is a table which the script made itself."""
    return next((each.table for each in there if each.line <= line <= each.last and each.table), "")


def _meets(there: Sequence[Statement], found: Found) -> bool:
    """Whether it meets somebody: dropping a view names no table, and what the script made itself nobody uses."""
    at = [each for each in there if each.line <= found.line + 1 <= each.last]
    return not at or any(not each.own for each in at)
