"""watership doctor: looks at everything that must be right here, and names the command that mends what is not."""

from __future__ import annotations

import asyncio

import click

from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import SIGNS, show


@click.command()
@click.option("--prod", is_flag=True, help="Look at the servers that the configuration names.")
def doctor(prod: bool) -> int:
    """What is wrong here, and the exact command to repair it.

    Exit 10 if something must be mended, 7 if something could not be seen: unknown is never passed.

    \b
    watership doctor          this machine, and the embedded store
    watership doctor --prod   PostgreSQL, RabbitMQ and Redis, as a production needs them
    """
    from watership.wiring.embedded import SCHEME
    from watership.wiring.examination import examine, examine_servers

    config = read_config()
    servers = prod or not config.store.url.startswith(SCHEME)
    findings = asyncio.run(examine_servers(config) if servers else examine(config))
    problems = sum(each.state == "problem" for each in findings)
    warnings = sum(each.state == "warning" for each in findings)
    lines = []
    for each in findings:
        lines.append(f" {SIGNS[each.state]} {each.what:<14} {each.detail}")
        if each.fix:
            lines.append(f"     fix  {each.fix}")
    unknown = sum(each.state == "unknown" for each in findings)
    lines.append(f"\n{problems} problem(s), {warnings} warning(s), {unknown} unknown")
    told = {"problems": problems, "warnings": warnings, "unknown": unknown, "findings": findings}
    show(told, "\n".join(lines))
    if problems:
        return Exit.DEPENDENCY
    return Exit.INCONCLUSIVE if unknown else Exit.OK
