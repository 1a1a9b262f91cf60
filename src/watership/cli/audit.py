"""watership audit: the record that cannot be changed unnoticed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, calling
from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import say, show, table
from watership.errors import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watership.releases.auditing.audit import Broken, Entry, Verified
    from watership.releases.auditing.export import Format
    from watership.wiring.auditing import Agreement

FACTS = 100
"""Characters of an entry's facts in a line for people."""


@click.group()
def audit() -> None:
    """The audit log: every decision, act and measurement of releases, hash-chained. See docs/audit.md."""


def _file(command: click.decorators.FC) -> click.decorators.FC:
    return click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)(command)


def _place(file: Path | None) -> tuple[Path, str]:
    """The log that is meant, and the secret of this configuration."""
    from watership.wiring.auditing import log_of

    config = read_config()
    return file or log_of(config), config.secret


@audit.command()
@_file
@click.option(
    "--head", help="A head that was noted elsewhere: then a log taken back as a whole is noticed too."
)
def verify(file: Path | None, head: str | None) -> int:
    """Check every entry of FILE (the environment's own log unless given), and the head beside it.

    Then the records of releases beside the log (releases/NAME/records.jsonl), line by line. Exit 3 names the first bad
    entry, and the first bad line of each file; 7: the head is signed, and there is no secret here to check it with.
    """
    from watership.releases.auditing.audit import Broken
    from watership.wiring.auditing import agreement, records_beside, verify_log

    path, secret = _place(file)
    found = verify_log(path, head, secret=secret)
    if isinstance(found, Broken):
        return _broken(found, path)
    folder = records_beside(path, read_config())
    return _whole(found, path, agreement(path, folder, secret=secret) if folder is not None else None)


def _broken(found: Broken, path: Path) -> int:
    show(
        {"verified": False, "number": found.number, "reason": found.reason, "file": str(path)},
        f"BROKEN at entry {found.number}: {found.reason}",
    )
    return Exit.NOT_OK


def _whole(found: Verified, path: Path, records: Agreement | None) -> int:
    unknown, wrong = found.seal == "unchecked", bool(records and records.astray)
    shown: dict[str, object] = {"verified": False if wrong else None if unknown else True, "records": records}
    shown |= {"count": found.count, "head": found.head, "seal": found.seal, "after_head": found.after}
    words = {
        "none": "its head is not signed",
        "signed": "its head is signed",
        "unchecked": "its head is signed, which was NOT CHECKED: there is no secret here",
    }
    after = f", {found.after} of them after the head" if found.after else ""
    begin = "inconclusive" if unknown else "the log itself is whole" if wrong else "verified"
    lines = [f"{begin}: {found.count} entries{after}, head {found.head}; {words[found.seal]}"]
    show(shown | {"file": str(path)}, "\n".join([*lines, *_agreeing(records)]))
    if unknown:
        say("Set WATERSHIP_SECRET, or WATERSHIP_SECRET_FILE, to check it.")
    return Exit.NOT_OK if wrong else Exit.INCONCLUSIVE if unknown else Exit.OK


def _agreeing(records: Agreement | None) -> Iterator[str]:
    """What is to be said of the records, file by file."""
    if records is None:
        yield "no records of releases lie beside it: they were not compared"
        return
    for name, astray in records.astray.items():
        yield f"ASTRAY: {name}, line {astray.line} was {astray.what}: {astray.words}"
    for name, line in records.unbound.items():
        yield f"not counted: {name}, line {line} is in no entry: a crash came between, or somebody added it"
    if not records.astray:
        yield "the records of releases agree with it"


@audit.command(name="list")
@_file
@click.option("--release", help="Of this release.")
@click.option("--actor", help="By this person or program; may hold *.")
@click.option("--action", help="Of this kind, such as release.ended or authority.*")
@click.option("--since", help="From then on: 2026-11-23T12:00 (UTC), or 90m, 24h, 7d ago.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="The newest.")
def list_entries(
    file: Path | None,
    release: str | None,
    actor: str | None,
    action: str | None,
    since: str | None,
    limit: int,
) -> int:
    """Entries of FILE (the environment's own log unless given), the newest last. Refused where it is broken."""
    from watership.durable.clock import SystemClock
    from watership.releases.auditing.audit import Broken
    from watership.releases.auditing.excerpt import Wanted, excerpt, moment
    from watership.wiring.auditing import read_log

    path, secret = _place(file)
    after = moment(since, SystemClock().now()) if since else None
    entries, state = read_log(path, secret=secret)
    if isinstance(state, Broken):
        return _broken(state, path)
    found = excerpt(entries, Wanted(release=release, actor=actor, action=action, since=after))
    shown = found[-limit:]
    rows = [
        {
            "no": each.number,
            "at": f"{each.at:%Y-%m-%d %H:%M:%S}",
            "actor": _plain(each.actor),
            "action": _plain(each.action),
            "facts": _facts(each),
        }
        for each in shown
    ]
    show(
        {"entries": shown, "found": len(found), "of": len(entries)},
        table(rows, ["no", "at", "actor", "action", "facts"]),
    )
    if len(found) > len(shown):
        say(f"{len(found) - len(shown)} older ones are left out; --limit shows more")
    return Exit.OK


@audit.command()
@_file
@click.option("--follow", "-f", is_flag=True, help="Go on with entries as they come, until Ctrl-C.")
@click.option("--lines", "-n", type=click.IntRange(0, 100_000), default=10, show_default=True)
def tail(file: Path | None, follow: bool, lines: int) -> int:
    """The last entries, one a line; each that comes later is checked to follow the one before, else exit 3."""
    from watership.releases.auditing.audit import Broken
    from watership.wiring.auditing import follow_log, read_log

    path, secret = _place(file)
    entries, state = read_log(path, secret=secret)
    if isinstance(state, Broken):
        return _broken(state, path)
    for entry in entries[-lines:] if lines else []:
        show(entry, _line(entry))
    for news in follow_log(path, entries[-1]) if follow else ():
        if isinstance(news, Broken):
            return _broken(news, path)
        show(news, _line(news))
    return Exit.OK


@audit.command()
@_file
@click.option("--to", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="A file; stdout unless given."
)
def export(file: Path | None, to: Format, output: Path | None) -> int:
    """The whole log, once it is verified, with the digest of what was written. Refused where it is broken.

    As jsonl it is verified as the log itself: watership audit verify FILE. In a sheet, text that a spreadsheet would
    take for a formula begins with an apostrophe.
    """
    from watership.releases.auditing.audit import Broken
    from watership.wiring.auditing import export_file, export_log

    path, secret = _place(file)
    if output is None:
        found = export_log(path, sys.stdout.buffer, to, secret=secret)
    else:
        found = export_file(path, output, to, secret=secret)
    if isinstance(found, Broken):
        return _broken(found, path)
    words = f"{found.count} entries, sha256 {found.sha256}, head {found.head}"
    if output is None:
        say(words)
        return Exit.OK
    show(
        {"file": str(output), "count": found.count, "sha256": found.sha256, "head": found.head},
        f"{output}: {words}",
    )
    return Exit.OK


@audit.command()
@acting
def seal(name: str | None, token: str | None) -> None:
    """Put a new head beside the environment's log: after the secret was set or changed, or the head was lost.

    Refused where the log does not bear its old head out. Who did it is the next entry. Needs an administrator.
    """
    from watership.fleet.identity import ADMIN
    from watership.wiring.auditing import seal_log

    caller = calling(name, token)
    if not caller.open and not caller.identity.acts_as(ADMIN):
        raise NotAllowed(f"To seal the audit log needs the role {ADMIN}.", fix="Ask an administrator.")
    path, secret = _place(None)
    entry = seal_log(path, secret=secret, by=caller.person)
    words = "signed with this secret" if secret else "not signed: there is no secret"
    show(entry, f"sealed at entry {entry.number} by {entry.actor}; {words}")


def _line(entry: Entry) -> str:
    what = f"{_plain(entry.actor)}  {_plain(entry.action)}  {_facts(entry)}"
    return f"{entry.number:>6}  {entry.at:%Y-%m-%d %H:%M:%S}  {what}"


def _facts(entry: Entry) -> str:
    words = _plain(" ".join(f"{name}={value}" for name, value in sorted(entry.facts.items())))
    return words if len(words) <= FACTS else f"{words[: FACTS - 1]}…"


def _plain(words: str) -> str:
    """One line, without what would move a terminal's cursor."""
    return "".join(sign if sign.isprintable() else "�" for sign in words)
