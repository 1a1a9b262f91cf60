"""Settings that are staged, and told of."""

from __future__ import annotations

from tests.releases.checks.scenes import Looker


def test_each_variable_of_the_example_has_to_be_told_of(looker: Looker) -> None:
    pair = {"example": ".env.example", "document": "docs.md"}
    looker.fails("settings.documented", "There is no .env.example", **pair)
    looker.write(".env.example", "APP_LEVEL=info\n# APP_SECRET=\nexport APP_PORT=1\n# some words\n")
    looker.fails("settings.documented", "There is no docs.md", **pair)
    looker.write("docs.md", "`APP_LEVEL` and APP_SECRET_FILE.")
    looker.fails("settings.documented", "does not name APP_PORT, APP_SECRET.", **pair)
    looker.write("docs.md", "`APP_LEVEL`, APP_SECRET; APP_PORT")
    looker.passes("settings.documented", **pair)
    looker.fails("settings.documented", "There is no .env", **pair, staged=".env")
    looker.write(".env", "APP_LEVEL=info\nAPP_SLOTS=8\n")
    looker.fails("settings.documented", "does not name APP_SLOTS.", **pair, staged=".env")
    looker.write("docs.md", "`APP_LEVEL`, APP_SECRET; APP_PORT, APP_SLOTS")
    looker.passes("settings.documented", **pair, staged=".env")
    looker.write(".env.example", "# nothing\n")
    looker.fails("settings.documented", "names no variable", **pair)


def test_a_value_is_one_of_those_that_are_wanted(looker: Looker) -> None:
    wish = {"path": ".env", "name": "LEVEL", "one_of": "info, warning"}
    looker.fails("settings.value", "There is no .env", **wish)
    looker.write(".env", "LEVEL=debug\n")
    looker.fails("settings.value", "LEVEL to debug; info, warning is wanted", **wish)
    looker.write(".env", "LEVEL=warning\n")
    looker.passes("settings.value", **wish)
    looker.write(".env", "OTHER=1\n")
    looker.fails("settings.value", "does not set LEVEL", **wish)


def test_toml_is_asked_by_path(looker: Looker) -> None:
    wish = {"path": "watership.toml", "name": "log.verbose", "one_of": "false"}
    looker.write("watership.toml", "[log]\nverbose = false\n")
    looker.passes("settings.value", **wish)
    looker.write("watership.toml", "[log\n")
    looker.unsure("settings.value", "is no TOML", **wish)
