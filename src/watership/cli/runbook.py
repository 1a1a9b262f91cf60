"""watership runbook: what a release follows, as files that people and programs read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from watership.cli.exits import Exit
from watership.cli.output import put, say, show, table
from watership.errors import BadInput, Conflict

if TYPE_CHECKING:
    from watership.releases.book.imported.reading import Imported
    from watership.releases.book.lint import Remark
    from watership.releases.book.shelf import Source
    from watership.releases.checks.kind import CheckKind

SHIPPED = "agent-orchestrator"
"""The runbook that is meant where none is named."""


@click.group()
def runbook() -> None:
    """Runbooks: what a release does, who answers for it, and when it is taken back.

    By example: docs/runbook.md
    """


@runbook.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write a skeleton of a runbook."
)
def import_(file: Path, folder: Path | None) -> int:
    """Read a go-live that people wrote in Markdown, and count what it holds.

    Exit 3 where a section is missing or a line of it was not understood: stderr names each, and --json has them
    in `missing` and `unread`. The whole document is in `document`.

    \b
    watership runbook import PRODUCTION_DEPLOYMENT_RUNBOOK.md
    watership runbook import PRODUCTION_DEPLOYMENT_RUNBOOK.md --to ours
    """
    from watership.releases.book.imported.reading import load

    found = load(file)
    counts = msgspec.structs.asdict(found.counts)
    told = {
        **counts,
        "missing": [each.what for each in found.missing],
        "unread": found.unread,
        "notes": found.notes,
        "document": found.runbook,
    }
    rows = [{"count": number, "of": name.replace("_", " ")} for name, number in counts.items()]
    show(told, table(rows, ["count", "of"]))
    _explain(found, file)
    if folder is not None:
        _write(found, folder)
    return Exit.OK if found.whole else Exit.NOT_OK


def _write(found: Imported, folder: Path) -> None:
    """A skeleton, into a folder that has none of its files; read again at once, so that it is known to be one."""
    from watership.releases.book.imported.skeleton import skeleton
    from watership.releases.book.imported.text import slug
    from watership.releases.book.shelf import read

    files = skeleton(found.runbook, slug(folder.resolve().name))
    if there := next((name for name in files if (folder / name).exists()), None):
        raise Conflict(f"{folder / there} is there already.", fix="Name a folder that is not.")
    for name, text in files.items():
        put(folder / name, text)
    read(folder)
    say(f"{len(files)} files are written; next: watership runbook check {folder}")


def _explain(found: Imported, file: Path) -> None:
    """What a person has to look at before the document may be trusted."""
    for lack in found.missing:
        say(f"missing: {lack.what.replace('_', ' ')}: {lack.why}")
    for line in found.unread:
        say(f"unread: {file.name}:{line.line}: {line.text}")
    for note in found.notes:
        say(f"note: {note}")


class PerSecond(click.ParamType[float]):
    """Requests per second, as `240` or `240/s`."""

    name = "N/s"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(str(value).removesuffix("/s"))
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            self.fail(f"{value!r} is no number of requests per second, such as 240/s.", param, ctx)
        return number


@runbook.command()
@click.argument("name", default=SHIPPED, metavar="[NAME|FOLDER]")
@click.option("--traffic", type=PerSecond(), help="Requests to expect: then soaks are measured against them.")
@click.option(
    "--systems",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="systems.yaml: then each check is named whose system or secret is not there.",
)
def check(name: str, traffic: float | None, systems: Path | None) -> int:
    """Read a runbook strictly, and say of each line what will not work as it looks. Exit 2 if it cannot be used.

    \b
    watership runbook check ./my-runbook --traffic 240/s

    Errors end with exit 2. Warnings should be settled, notes are good to know; neither changes the exit code.
    docs/runbook.md explains each.
    """
    from watership.releases.book.lint import linted
    from watership.releases.book.shelf import find
    from watership.wiring.kinds import of_source

    source = find(name)
    kinds = of_source(source)
    remarks = linted(source, kinds, traffic)
    if systems is not None:
        remarks = (*_unseen(source, systems, kinds), *remarks)
    for remark in remarks:
        say(str(remark))
    if traffic is None:
        say(
            "not looked at: whether soaks are long enough. Say what traffic to expect, such as --traffic 240/s"
        )
    if systems is None:
        say(
            "not looked at: whether what the checks ask is named. Say where things are, with --systems systems.yaml"
        )
    errors = [each for each in remarks if each.weight == "error"]
    if errors:
        raise _unusable(errors)
    warnings = sum(each.weight == "warning" for each in remarks)
    told = {"runbook": source.runbook.name, "sha256": source.sha256, "warnings": warnings, "remarks": remarks}
    show(told, f"{source.runbook.name} can be used; {warnings} warning(s)")
    return Exit.OK


def _unseen(source: Source, systems: Path, kinds: Mapping[str, CheckKind]) -> Sequence[Remark]:
    """What its checks ask that is not named in the file, or whose secret cannot be read here."""
    from watership.releases.book.lint.unnamed import remarks
    from watership.releases.book.system import read
    from watership.releases.readiness.unseen import withheld
    from watership.wiring.instruments import ProjectInstruments

    there, secrets = read(systems), ProjectInstruments(Path.cwd()).secrets
    wanting = {name: words for name, each in there.items() if (words := withheld(each, secrets))}
    return tuple(remarks(source, there, wanting, kinds))


@runbook.command(name="add-check")
@click.argument("name")
@click.option("--section", required=True, help="The letter of a section of the checklist.")
@click.option("--item", required=True, help="An item of that section, by its id or number.")
@click.option("--text", default="", help="What the point says; made of the name unless given.")
@click.option(
    "--runbook",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Your runbook's folder; the working folder unless given.",
)
def add_check(name: str, section: str, item: str, text: str, folder: Path) -> None:
    """Begin a check of your own, in Python: its function, its test, and its point in the checklist.

    It is inconclusive until you have written it, so that no release passes by it.

    \b
    watership runbook add-check redis-memory --section B --item caching --runbook my-runbook
    """
    from watership.wiring.additions import begun

    made = begun(folder, name, section=section, item=item, text=text)
    told = {key: getattr(made, key) for key in ("kind", "point", "function", "test", "checklist")}
    words = f"created {made.function}, {made.test}, and one line in {made.checklist}"
    show(told, words)
    say(f"next: write {folder / made.function}, then: pytest {folder}   watership runbook check {folder}")


def _unusable(errors: Sequence[Remark]) -> BadInput:
    first, more = errors[0], len(errors) - 1
    others = f" (and {more} more)" if more else ""
    return BadInput(f"{first.file}:{first.line}: {first.words}{others}", fix="Mend the lines named above.")


@runbook.command()
@click.argument("name", default=SHIPPED)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to make; runbooks/NAME, where it is found by its name, unless given.",
)
def copy(name: str, folder: Path | None) -> None:
    """Copy a shipped runbook, to make it yours.

    \b
    watership runbook copy agent-orchestrator
    """
    from watership.releases.book.shelf import copied

    path = copied(name, folder or Path("runbooks") / name)
    show({"folder": str(path)}, str(path))
    say(f"next: fill in its team.yaml and comms.yaml, then: watership runbook check {path}")


@runbook.command()
@click.argument("kind", required=False, metavar="[runbook|team|checklist|systems|sla]")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write a file for each kind."
)
def schema(kind: str | None, folder: Path | None) -> None:
    """The JSON Schema of a runbook's files, for editors that complete and underline.

    \b
    watership runbook schema --to .schemas
    Then, as the first line of a file:  # yaml-language-server: $schema=.schemas/runbook.schema.json
    """
    from watership.releases.book.schema import FILES
    from watership.releases.book.schema import schema as drawn

    if kind is not None and kind not in FILES:
        raise BadInput(f"No file of a runbook is a '{kind}'.", fix=f"Choose one of: {', '.join(FILES)}.")
    schemas = {name: drawn(FILES[name]) for name in ([kind] if kind else FILES)}
    if folder is not None:
        paths = [folder / f"{name}.schema.json" for name in schemas]
        for path, one in zip(paths, schemas.values(), strict=True):
            put(path, msgspec.json.format(msgspec.json.encode(one), indent=2) + b"\n")
        show({"written": [str(path) for path in paths]}, "\n".join(map(str, paths)))
        return
    told = schemas[kind] if kind else schemas
    show(told, msgspec.json.format(msgspec.json.encode(told), indent=2).decode())


@runbook.command(name="show")
@click.argument("name", required=False, metavar="[NAME|FOLDER]")
def show_(name: str | None) -> None:
    """A runbook at a glance; without a name those that are shipped."""
    from watership.releases.book.shelf import find, names, shipped

    if name is None:
        rows = [{"name": each, "title": shipped(each).runbook.title} for each in names()]
        show({"shipped": rows}, table(rows, ["name", "title"]))
        return
    source = find(name)
    told = {"runbook": source.runbook, "sha256": source.sha256, "files": list(source.files)}
    show(told, _glance(source))


def _glance(source: Source) -> str:
    from watership.releases.book.procedure import window
    from watership.releases.judging.gate import guarantee
    from watership.releases.readiness.checklist import items_of, points_of

    book = source.runbook
    phases = [
        {
            "phase": str(each.number),
            "title": each.title,
            "when": window(each),
            "owner": each.owner,
            "items": len(each.items),
            "if it fails": each.on_failure.replace("_", " "),
        }
        for each in book.phases
    ]
    points = [point for _, point in points_of(book.checklist)]
    attested = sum(point.check is None for point in points)
    checklist = (
        f"{sum(1 for _ in items_of(book.checklist))} items, {len(points)} points, {attested} of them attested"
    )
    return "\n".join(
        [
            f"{book.name}: {book.title}",
            f"sha256     {source.sha256}",
            f"files      {', '.join(source.files)}",
            f"checklist  {checklist if points else 'none'}",
            f"sign-offs  {', '.join(book.signoffs.needed)}",
            f"fuses      {len(book.fuses)}",
            f"gate       {guarantee(book.gate)}",
            "",
            table(phases, ["phase", "title", "when", "owner", "items", "if it fails"]),
        ]
    )


@runbook.command()
@click.argument("name", default=SHIPPED, metavar="[NAME|FOLDER]")
@click.option(
    "--to",
    "kind",
    type=click.Choice(["md", "html", "checklist", "cutover"]),
    default="md",
    show_default=True,
    help="The whole for people, as Markdown or as a page; the printable checklist; the cutover procedures.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file; as a page to print where it ends in .html.",
)
def render(name: str, kind: str, output: Path | None) -> None:
    """Make the pages that people read and print of a runbook, so that paper and files cannot drift apart.

    \b
    watership runbook render --to checklist -o DEPLOYMENT_CHECKLIST.md
    watership runbook render --to cutover -o CUTOVER_PROCEDURES.html
    """
    from watership.releases.book.paper import PAPERS, page
    from watership.releases.book.shelf import find

    text = PAPERS["md" if kind == "html" else kind](find(name))
    if kind == "html" or (output is not None and output.suffix == ".html"):
        text = page(text)
    if output is None:
        show({"to": kind, "text": text}, text.rstrip("\n"))
        return
    put(output, text)
    show({"to": kind, "file": str(output), "bytes": len(text.encode())}, str(output))
