"""watership doctor: looks at everything that must be right here, and names the command that mends what is not."""

from __future__ import annotations

import asyncio

import click

from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import show

SIGNS = {"ok": "✓", "warning": "!", "problem": "✗"}


@click.command()
def doctor() -> int:
    """What is wrong here, and the exact command to repair it. Exit 10 if something must be mended."""
    from watership.wiring.examination import examine

    findings = asyncio.run(examine(read_config()))
    problems = sum(each.state == "problem" for each in findings)
    warnings = sum(each.state == "warning" for each in findings)
    lines = []
    for each in findings:
        lines.append(f" {SIGNS[each.state]} {each.what:<14} {each.detail}")
        if each.fix:
            lines.append(f"     fix  {each.fix}")
    lines.append(f"\n{problems} problem(s), {warnings} warning(s)")
    show({"problems": problems, "warnings": warnings, "findings": findings}, "\n".join(lines))
    return Exit.DEPENDENCY if problems else Exit.OK
