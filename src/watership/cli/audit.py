"""watership audit: the record that cannot be changed unnoticed."""

from __future__ import annotations

from pathlib import Path

import click

from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import show


@click.group()
def audit() -> None:
    """The audit log: every decision, act and measurement of releases, hash-chained."""


@audit.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--head", help="The head that was written down elsewhere: then a shortened log is noticed too.")
def verify(file: Path | None, head: str | None) -> int:
    """Check every entry of FILE (the environment's own log unless given). Exit 3 names the first bad one."""
    from watership.releases.audit import Broken
    from watership.wiring.auditing import verify_log

    path = file or Path(read_config().environment.state) / "audit.jsonl"
    found = verify_log(path, head)
    if isinstance(found, Broken):
        show(
            {"verified": False, "number": found.number, "reason": found.reason, "file": str(path)},
            f"BROKEN at entry {found.number}: {found.reason}",
        )
        return Exit.NOT_OK
    show(
        {"verified": True, "count": found.count, "head": found.head, "file": str(path)},
        f"verified: {found.count} entries, head {found.head}",
    )
    return Exit.OK
