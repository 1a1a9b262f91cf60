"""Scripts of the database are read, and shown to it: a way back for each way forward, queries that it understands."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from watership.errors import BadInput
from watership.releases.checks.documents import marks
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found

FORWARD: Final = "forward_"
BACKWARD: Final = "backward_"

COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)

NOTHING: Final = re.compile(r"(BEGIN|COMMIT|ROLLBACK|START TRANSACTION|SELECT 1)", re.IGNORECASE)
"""Statements that take nothing back."""


@check("scripts.paired", good_for="24h", fix="Write backward_VERSION.sql for each forward_VERSION.sql.")
async def paired(scene: Scene, *, folder: str) -> Finding:
    """Every forward_VERSION.sql in `folder` has a backward_VERSION.sql, with a statement that does something."""
    forward = await scene.look.documents.names(f"{folder}/{FORWARD}*.sql")
    if not forward:
        return failed(f"There is no {FORWARD}*.sql in {folder}.")
    wrong = []
    for name in forward:
        path = PurePosixPath(name)
        back = str(path.with_name(BACKWARD + path.name.removeprefix(FORWARD)))
        document = await scene.look.documents.read(back)
        if document is None:
            wrong.append(f"there is no {back}")
        elif not any(
            not NOTHING.fullmatch(each) for each in statements(document.content.decode(errors="replace"))
        ):
            wrong.append(f"{back} takes nothing back")
    return found(not wrong, "; ".join(wrong) or f"{len(forward)} scripts forward, each with its way back.")


@check("scripts.accepted", good_for="24h", fix="Correct the query: psql --command 'EXPLAIN …'")
async def accepted(scene: Scene, *, of: str, path: str, at_least: int = 1) -> Finding:
    """The SQL file at `path` has `at_least` queries, and the database `of` can plan each of them as it is now: its
    tables and columns are there. They are explained, not run."""
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    queries = statements(document.content.decode(errors="replace"))
    if len(queries) < at_least:
        return failed(f"{path} has {len(queries)} queries; {at_least} at least are wanted.")
    url = scene.address(of)
    await scene.look.sql.rows(url, "SELECT 1")
    wrong = []
    for query in queries:
        try:
            await scene.look.sql.rows(url, f"EXPLAIN {query}")
        except BadInput as error:
            wrong.append(f"{' '.join(query.split())[:60]}: {error}")
    return found(
        not wrong,
        f"{path}: {'; '.join(wrong) or f'{len(queries)} queries, planned by {of}'}.",
        **marks(document),
    )


def statements(text: str) -> list[str]:
    """The statements of a script without its comments. One in which a text holds a semicolon is not for us."""
    return [each.strip() for each in COMMENT.sub("", text).split(";") if each.strip()]
