"""The migrations of a release, rehearsed on a copy that somebody restored, and put on record."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from watership.adapters.files.replace import replace_file
from watership.errors import BadInput, NotFound, Unavailable
from watership.releases.readiness.rehearsal import Copy, Rehearsal
from watership.wiring.desk import Desk


async def rehearsed(
    desk: Desk, release: str | None, *, url: str, copy: Copy, reads: Path | None, integrity: Path | None
) -> Rehearsal:
    """Try the migrations of the release that is named, or was last worked at, on the copy; it is changed by it.

    `url`: a reference to the copy's address (env:NAME, file:PATH), for that holds a password. The two files hold
    queries, each with a semicolon at the end of a line.
    """
    try:
        from watership.adapters.postgres.rehearsal import PostgresRehearsal, statements
    except ModuleNotFoundError:
        raise Unavailable(
            "A rehearsal on PostgreSQL needs the package asyncpg.", fix="pip install 'watership[servers]'"
        ) from None
    looking = desk.environment.instruments
    assert looking is not None, "a desk has instruments"
    scripts = desk.folder(release).draft().scripts
    if not scripts:
        raise BadInput("The plan holds no migration: there is nothing to rehearse.")
    rehearsal = PostgresRehearsal(
        looking.secrets.read(url),
        desk.environment.clock,
        reads=statements(_text(reads)),
        integrity=statements(_text(integrity)),
    )
    return await rehearsal.run(scripts, copy)


def put(desk: Desk, path: Path, tried: Rehearsal, person: str) -> None:
    """Put a rehearsal on record, in place of an earlier one."""
    content = msgspec.json.format(msgspec.json.encode(tried), indent=2) + b"\n"
    replace_file(path, content)
    facts = {"path": str(path), "sha256": hashlib.sha256(content).hexdigest(), "of": tried.copy.of}
    desk.environment.audit.append(person, "migrations.rehearsed", {**facts})


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.") from error
