"""The tree keeps what no single module can: sizes, names, the kernel's imports, nothing of one machine."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
KERNEL = SOURCE / "watership" / "durable"
HOMES = (ROOT, SOURCE / "watership")

MAX_MODULE_LINES = 700  # beyond it a reader needs a table of contents: it is two ideas
MAX_FUNCTION_LINES = 80  # beyond it a function no longer fits on a screen

# Words that mean that the idea has no name yet.
NAMELESS = {"common", "handler", "handlers", "helper", "helpers", "manager", "misc", "util", "utils"}

# Put together from pieces, so that this file passes its own test.
INDEX_HOSTS = re.compile(
    "|".join(
        rf"\b{name}\.{rest}"
        for name, rest in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "(com|org)"),
            ("yarnpkg", "com"),
            ("debian", "org/(debian|security)"),
        )
    ),
    re.IGNORECASE,
)
ONE_MACHINE = re.compile(rf"(?<![\w.])/({'|'.join(('work', 'farm', 'root', 'Users'))})/")


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Every text file that git tracks and that is there, with its content."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield name, content.decode(errors="replace")


def modules(*folders: Path) -> Iterator[tuple[str, str, ast.Module]]:
    """Every Python module of our own in the folders: its path, its text, its tree."""
    for path in sorted(chain.from_iterable(folder.rglob("*.py") for folder in folders)):
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(ROOT).as_posix(), text, parsed(text)


def parsed(text: str) -> ast.Module:
    """Without a collection in between: a finalizer that parses too makes CPython 3.11 lose count of its depth."""
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        gc.enable()


def imported_modules(name: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that the module at this path imports, wherever in it that stands."""
    package = Path(name).relative_to("src").parent.parts if name.startswith("src/") else ()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package[: len(package) - level + 1] if level else ()
                origin = ".".join((*above, module) if module else above)
                yield from ((node.lineno, f"{origin}.{alias.name}") for alias in names)
            case _:
                pass


def part_of_the_house(module: str) -> str:
    """The name below `watership` that a path or a dotted name belongs to."""
    return module.removeprefix("src/").replace("/", ".").removeprefix("watership.").partition(".")[0]


def canonical(requirement: str) -> str:
    """The package a requirement names, spelt as locks spell it."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def test_no_tracked_file_names_a_package_index_or_a_place_on_one_machine() -> None:
    named = [
        f"{name}:{number} {line.strip()[:100]}"
        for name, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if INDEX_HOSTS.search(line) or ONE_MACHINE.search(line)
    ]
    assert named == []


def test_no_module_grows_into_two_ideas() -> None:
    sizes = {name: text.count("\n") for name, text, _ in modules(SOURCE)}
    assert {name: size for name, size in sizes.items() if size > MAX_MODULE_LINES} == {}


def test_no_function_outgrows_a_screen() -> None:
    long = [
        f"{name}:{node.lineno} {node.name}"
        for name, _, tree in modules(SOURCE)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_every_module_opens_with_a_sentence() -> None:
    silent = [
        name
        for name, _, tree in modules(SOURCE)
        if not (ast.get_docstring(tree) or "").partition("\n")[0].endswith((".", "?", ":"))
    ]
    assert silent == []


def test_no_module_hides_behind_a_name_without_an_idea() -> None:
    assert [name for name, _, _ in modules(SOURCE) if NAMELESS & set(Path(name).with_suffix("").parts)] == []


def test_the_kernel_needs_only_the_standard_library_and_msgspec() -> None:
    allowed = sys.stdlib_module_names | {"msgspec", "watership"}
    foreign = [
        f"{name}:{line} {package}"
        for name, _, tree in modules(KERNEL)
        for line, module in imported_modules(name, tree)
        if (package := module.partition(".")[0]) not in allowed
    ]
    assert foreign == []


def test_importing_the_packages_does_not_load_what_only_an_llm_agent_needs() -> None:
    script = """
import importlib, pkgutil, sys, watership
for module in pkgutil.iter_modules(watership.__path__, "watership."):
    if module.ispkg:
        importlib.import_module(module.name)
print([name for name in ("pydantic_ai", "pydantic") if name in sys.modules])
"""
    command = [sys.executable, "-W", "error", "-c", script]
    imported = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (imported.stdout.strip(), imported.stderr) == ("[]", "")


def test_every_folder_of_modules_is_a_package_so_that_the_arrows_see_it() -> None:
    # The demo's builds are applications, deployed from their folders: data of ours, no packages of ours.
    folders = {path.parent for path in (SOURCE / "watership").rglob("*.py") if "builds" not in path.parts}
    blind = [folder.name for folder in folders if not (folder / "__init__.py").exists()]
    assert blind == []


@pytest.mark.parametrize(
    ("part", "users"),
    [
        # Only wiring knows ports and adapters, and whoever builds another environment to rehearse in.
        ("adapters", {"adapters", "rehearsal", "testing", "wiring"}),
        (
            "testing",
            {"demo", "rehearsal", "testing"},
        ),  # virtual time and scripted models are no part of a live system
    ],
)
def test_a_part_is_imported_only_by_those_who_may_choose_it(part: str, users: set[str]) -> None:
    strangers = [
        f"{name}:{line} {module}"
        for name, _, tree in modules(SOURCE)
        if part_of_the_house(name) not in users
        for line, module in imported_modules(name, tree)
        if module.startswith(f"watership.{part}")
    ]
    assert strangers == []


def test_what_users_test_with_reaches_no_server_no_surface_and_no_release() -> None:
    allowed = {"adapters", "agents", "durable", "errors", "fleet", "testing"}
    reached = {
        f"{name}:{line} {module}"
        for name, _, tree in modules(SOURCE / "watership" / "testing")
        if not name.endswith("testing/checks.py")  # a check is what users write of a release
        for line, module in imported_modules(name, tree)
        if module.startswith("watership.")
        and (
            part_of_the_house(module) not in allowed
            or (
                part_of_the_house(module) == "adapters"
                and not module.startswith(("watership.adapters.memory", "watership.adapters.pydantic_ai"))
            )
        )
    }
    assert reached == set()


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-bench.txt"])
def test_a_lock_pins_every_package_by_hash_and_names_no_index(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    entries = re.findall(r"^\S(?:.*\\\n)*.*$", text, re.MULTILINE)
    assert len(entries) > 20
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted", text)


@pytest.mark.parametrize(
    ("file", "extras"),
    [("requirements.txt", ("agents", "build", "dev")), ("requirements-bench.txt", ("bench", "build"))],
)
def test_a_lock_covers_what_the_project_asks_for(file: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = chain(project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras))
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE))
    assert {canonical(requirement) for requirement in asked} - locked == set()


def test_the_index_of_the_release_system_names_every_module_and_no_other() -> None:
    folder = SOURCE / "watership" / "releases"
    index = ast.get_docstring(parsed((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    there = {
        path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert set(re.findall(r"`([a-z_]+)`", index)) == there - {"__init__"}


@pytest.mark.parametrize("page", ["docs/ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_a_place_in_the_tree_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.py)?)`", text))
    assert named
    assert {each for each in named if not any((home / each).exists() for home in HOMES)} == set()
