"""Every command that these pages show is a command, and takes the options that it is shown with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from watership.cli.main import root
from watership.releases.book import shelf
from watership.releases.readiness.checklist import chosen

ROOT = Path(__file__).resolve().parents[2]

PAGES = ["checks.md", "commands.md", "golive.md", "recovery.md", "releases.md"]

SHOWN = re.compile(r"^ *(?:watership|scripts/\S+\.sh)(?: .*)?$", re.MULTILINE)
"""A line of a block, or a piece of code in a sentence, that is a command."""


def shown(page: str) -> Iterator[str]:
    """The commands of a page, without what a comment says of them."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    fences = [block for language, block in blocks if language in ("", "sh")]
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for piece in (*fences, *re.findall(r"`([^`]+)`", rest)):
        yield from SHOWN.findall(piece.replace("\\\n", ""))


def fault(line: str) -> str | None:
    """What is wrong with a command line, as click would say it; None when it can be parsed."""
    name, *words = shlex.split(line, comments=True)
    if name != "watership":
        return None if (ROOT / name).is_file() else f"{line}: there is no such script"
    command: click.Command = root
    with click.Context(root, info_name="watership") as context:
        try:
            while isinstance(command, click.Group) and words:
                _, found, words = command.resolve_command(context, words)
                assert found is not None, "click refuses what is no command"
                command = found
            if not isinstance(command, click.Group):
                parse(click.Context(command, parent=context, info_name=command.name), words)
        except click.ClickException as error:
            return f"{line}: {error.format_message()}"
    return None


def parse(context: click.Context, words: list[str]) -> None:
    """Options and the number of arguments as they stand there, and words that have to be one of a few."""
    if "--json" in words:
        words.remove("--json")
    given, left, _ = context.command.make_parser(context).parse_args(list(words))
    if left:
        raise click.UsageError(f"{' '.join(left)} is too much")
    for parameter in context.command.params:
        value = given.get(parameter.name or "")
        if parameter.required and (not value or parameter.value_is_missing(value)):
            raise click.UsageError(f"{parameter.name} is missing")
        if isinstance(parameter.type, click.Choice) and isinstance(value, str):
            parameter.type.convert(value, parameter, context)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_can_be_given_as_it_is_shown(page: str) -> None:
    commands = list(shown(page))
    assert len(commands) > 5
    assert [wrong for line in commands if (wrong := fault(line))] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_is_measured_attested_and_waived_on_a_page_is_in_the_shipped_runbook(page: str) -> None:
    book = shelf.shipped("agent-orchestrator").runbook
    windows = {each.id for each in book.validations}
    for line in shown(page):
        match shlex.split(line, comments=True):
            case ["watership", "check", "run" | "show" | "attest" | "waive", *words]:
                named = list(takewhile(lambda word: not word.startswith("-"), words))
                chosen(book.checklist, [word for word in named if word not in windows])
            case ["watership", "verify", what]:
                assert what in windows | {"db", "blue", "green"}, line
            case _:
                pass


def test_a_command_that_cannot_be_given_is_found() -> None:
    lines = [
        "watership chek run",
        "watership check run --everything",
        "watership gate decide perhaps --reason x",
        "watership signoff give",
        "watership health live next",
        "scripts/nothing.sh",
        "watership check run  # all of it",
    ]
    assert [fault(line) is not None for line in lines] == [True] * 6 + [False]
