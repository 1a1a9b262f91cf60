"""The command line: noun and verb, results on stdout, words on stderr, exit codes that mean something."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from watership.agents.app import App


def main(app: App) -> NoReturn:
    """The command line on an application of its own: `python my_agents.py dev`."""
    from watership.cli.main import run

    sys.exit(run(sys.argv[1:], app))
