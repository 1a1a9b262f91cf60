"""A build's App is a file of its folder, or a module of a package that was installed into it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from watership.errors import NotFound
from watership.wiring.application import load_app

PACKAGE = """
from tillage.names import NAME
from watership import App

app = App(NAME)
"""

LOADED = """
import sys
from pathlib import Path
from watership.wiring.application import load_app
print(load_app(sys.argv[1], Path(sys.argv[2])).name)
"""


def test_a_module_is_looked_for_in_the_builds_folder_with_its_neighbours(tmp_path: Path) -> None:
    package = tmp_path / "tillage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "names.py").write_text('NAME = "furrow"\n')
    (package / "app.py").write_text(PACKAGE)
    # In a process of its own: a module that was imported once is there for every test after this one.
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "tillage.app:app", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "furrow\n"


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no module 'nowhere_at_all'"):
        load_app("nowhere_at_all:app", tmp_path)


def test_a_file_is_one_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=str(tmp_path / "app.py")):
        load_app("app.py:app", tmp_path)
