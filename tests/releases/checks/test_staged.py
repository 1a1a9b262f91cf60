"""Variables that lie ready for next."""

from __future__ import annotations

import pytest

from tests.releases.checks.scenes import Looker

FILE = {"path": "app.env", "names": "DATABASE_URL, TOKEN_FILE"}


def test_each_variable_is_there_once_with_a_value(looker: Looker) -> None:
    looker.fails("staged.variables", "There is no app.env", **FILE)
    looker.write(
        "app.env", "# names\nexport DATABASE_URL='postgresql://db/app'\nTOKEN_FILE=/run/token\nOTHER=\n"
    )
    looker.passes("staged.variables", **FILE)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "TOKEN_FILE is missing"),
        ("# TOKEN_FILE=/run/token", "TOKEN_FILE is missing"),
        ("TOKEN_FILE=", "TOKEN_FILE is empty"),
        ("TOKEN_FILE=changeme", "is not filled in"),
        ("TOKEN_FILE=${TOKEN}", "is not filled in"),
        ("TOKEN_FILE=a\nTOKEN_FILE=b", "stands there 2 times"),
    ],
)
def test_a_variable_that_nobody_filled_in_is_named_and_no_value_is_shown(
    looker: Looker, line: str, words: str
) -> None:
    looker.write("app.env", f"DATABASE_URL=hush\n{line}\n")
    looker.fails("staged.variables", words, **FILE)
    assert "hush" not in looker.look("staged.variables", FILE).evidence


def test_a_file_outside_of_the_project_is_no_verdict(looker: Looker) -> None:
    looker.unsure("staged.variables", "BadInput", path="../app.env", names="A")
    looker.unsure("staged.variables", "an empty 'names'", path="app.env", names="")
