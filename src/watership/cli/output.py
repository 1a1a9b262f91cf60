"""What a command says: data to stdout, as a table or as JSON; everything else to stderr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from watership.errors import BadInput, WatershipError

SCHEMA = "watership.cli/v1"

SIGNS = {
    "passed": "✓",
    "failed": "✗",
    "inconclusive": "?",
    "waived": "~",
    "expired": "!",
    "open": "·",
    "running": "▶",
    "waiting": "·",
    "kept": "✓",
    "worse": "✗",
    "unknown": "?",
    "recorded": "·",
    "ok": "✓",
    "warning": "!",
    "problem": "✗",
}
"""How a state is shown at the beginning of a line: verdicts, items of a checklist, of a release, figures, doctors."""


def wants_json() -> bool:
    """Whether the command was given --json."""
    return bool(click.get_current_context().find_root().meta.get("json"))


def show(value: object, text: str) -> None:
    """The command's result: `value` as one JSON object, or `text` for people."""
    if wants_json():
        click.echo(msgspec.json.encode(value).decode())
    else:
        click.echo(text)


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Rows under aligned headings; one line that says so when there are none."""
    if not rows:
        return "none"
    cells = [[str(row.get(column, "") or "") for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]
    lines = ["  ".join(column.upper().ljust(width) for column, width in zip(columns, widths, strict=True))]
    lines += [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def put(file: Path, content: str | bytes) -> None:
    """Write a file that was asked for, and the folders above it. Raises BadInput when that cannot be."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.", fix="Name another file.") from None


def say(text: str) -> None:
    """A word to the person, not part of the result."""
    click.echo(text, err=True)


def complain(error: WatershipError, as_json: bool) -> None:
    """What happened, why, and what mends it."""
    if as_json:
        shown = {"schema": SCHEMA, "error": error.code, "message": error.message, "fix": error.fix}
        click.echo(msgspec.json.encode(shown).decode(), err=True)
        return
    click.echo(f"error: {error.message}", err=True)
    if error.fix:
        click.echo(f"  fix: {error.fix}", err=True)
