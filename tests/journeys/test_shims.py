"""The six scripts with the old names: with each of their flags, where all is well and where it is not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib import resources

import pytest

from tests.journeys.golive import ROOT, GoLive, golive

Ended = subprocess.CompletedProcess[str]

SECTION = "schema: watership/checklist/v1\nsection: %s\nid: %s\ntitle: %s\nitems:"

ITEM = """
  - { id: %s, number: %s, title: %s, owner: operations, by: %s, verification: by a script, command: the same,
      points: [ { id: point, text: "It is so", %s } ] }"""

VALIDATION = """
  - { id: %s, title: %s, begins: %s, ends: %s, command: a script, owner: qa, points: [
      { id: point, text: "%s is calm", %s } ] }"""


def says(section: str) -> str:
    """A check that is good once the notes have that section."""
    return f"check: document.says, parameters: {{ path: notes.md, section: {section}, words: 2 }}"


ITEMS = {
    "infrastructure.yaml": SECTION % ("A", "infrastructure", "Infrastructure")
    + ITEM % ("hosts", 1, "Hosts", "T-24h", says("hosts"))
    + ITEM % ("staged", 7, "What is staged", "T-4h", says("staged")),
    "testing.yaml": SECTION % ("C", "testing", "Testing")
    + ITEM % ("loaded", 34, "What was loaded", "T+45m", says("loaded")),
    "operation.yaml": SECTION % ("D", "operation", "Operation")
    + ITEM % ("final", 60, "The end", "T+0m", "attest: Only people know."),
}

FEEDS = "include: [feeds.yaml]"
"""What the shipped runbook includes."""

WINDOWS = (("immediate", "0m", "30m"), ("short-term", "30m", "2h"), ("extended", "2h", "24h"))

VALIDATIONS = "validations:" + "".join(
    VALIDATION % (each, each, begins, ends, each, says(each)) for each, begins, ends in WINDOWS
)

NOTES = "".join(
    f"# {section}\n\nAll is well.\n\n"
    for section in ("hosts", "staged", "loaded", *(each for each, _, _ in WINDOWS))
)

APPROVERS = ["release_manager", "technical_lead", "product_manager", "security_lead", "operations_manager"]

FAR_FROM_READY = {
    # Nothing is written down, nobody has said or signed anything, blue is empty, and the schema is the old one.
    "pre-deployment-check.sh": (3, "0 of 3 points"),
    "pre-deployment-check.sh --check-infrastructure": (3, "0 of 2 points"),
    "pre-deployment-check.sh --config-validation": (3, "staged/point"),
    "pre-deployment-check.sh --config": (3, "loaded/point"),
    "pre-deployment-check.sh --final": (7, "final/point"),  # nobody has said that it is not so
    "deploy.sh --environment=blue": (4, "Sign-offs are missing"),
    "deploy.sh --environment=green": (6, "into blue, and not into green"),
    "health-check-dashboard.sh": (3, "blue (next)"),
    "health-check-dashboard.sh blue": (3, "blue (next)"),
    "post-deployment-verify.sh": (3, "✗ next: digest and version"),
    "post-deployment-verify.sh --db-validation": (3, "✗ schema version"),
    "post-deployment-verify.sh --immediate": (3, "✗ immediate is calm"),
    "post-deployment-verify.sh --short-term": (3, "✗ short-term is calm"),
    "post-deployment-verify.sh --extended": (3, "✗ extended is calm"),
    "verify-deployment.sh --environment=blue": (3, "✗ next: digest and version"),
    "rollback.sh --version=1.0.0 --immediate=true": (5, "nothing to take back"),
}
"""Scripts, and how they end where nothing is ready: with the exit code of their command, and what it says."""

READY = {
    "pre-deployment-check.sh": (0, "3 of 3 points are good"),
    "pre-deployment-check.sh --check-infrastructure": (0, "2 of 2 points are good"),
    "pre-deployment-check.sh --config-validation": (0, "1 of 1 points are good"),
    "pre-deployment-check.sh --config": (0, "1 of 1 points are good"),
    "pre-deployment-check.sh --final": (0, "1 of 1 points are good"),
    "deploy.sh --environment=blue": (0, "1.1.0 stands in blue and is ready"),
    "health-check-dashboard.sh": (0, "ALL CHECKS PASSED"),
    "health-check-dashboard.sh blue": (0, "blue (next), 1.1.0"),
    "post-deployment-verify.sh": (0, "✓ next: smoke tests"),
    "post-deployment-verify.sh --db-validation": (0, "✓ schema version"),
    "post-deployment-verify.sh --immediate": (0, "✓ immediate is calm"),
    "post-deployment-verify.sh --short-term": (0, "✓ short-term is calm"),
    "post-deployment-verify.sh --extended": (0, "✓ extended is calm"),
    "verify-deployment.sh --environment=green": (0, "✓ live: digest and version"),
    "rollback.sh --version=9.9.9 --immediate=true": (6, "The last safe version is 1.0.0"),
    "rollback.sh --version=1.0.0 --immediate=true": (0, "Back on 1.0.0"),
}
"""The same where everything is: the deployment before what looks at it, and the way back last."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoLive]:
    """1.0.0 is live, and 1.1.0 planned by a runbook with the items that the scripts name."""
    with golive(tmp_path_factory.mktemp("shims"), rate=0) as there:
        book = there.folder / "runbook"
        book.mkdir()
        shipped = resources.files("watership") / "runbooks" / "one-machine"
        text = (shipped / "runbook.yaml").read_text()
        assert FEEDS in text
        included = f"include: [{', '.join(['feeds.yaml', *ITEMS])}]"
        files = ITEMS | {
            "runbook.yaml": f"{text.replace(FEEDS, included)}\n{VALIDATIONS}\n",
            "feeds.yaml": (shipped / "feeds.yaml").read_text(),
        }
        for name, text in files.items():
            (book / name).write_text(text)
        plan = ("release", "plan", str(there.folder / "two"), "--runbook", str(book), "--name", "r1")
        there.must("operator", *plan, "--workers", "1")
        yield there


@pytest.fixture(scope="module")
def before(place: GoLive) -> dict[str, Ended]:
    """How every script ended before anything was ready."""
    return {line: place.script(*line.split()) for line in FAR_FROM_READY}


@pytest.fixture(scope="module")
def after(place: GoLive, before: dict[str, Ended]) -> dict[str, Ended]:
    """How every script ended once everything was."""
    (place.folder / "notes.md").write_text(NOTES)
    place.must("operations", "check", "attest", "final", "--words", "I am content")
    for role in APPROVERS:
        place.must(role, "signoff", "give", role)
    place.must("operator", "migrate", "up")
    return {line: place.script(*line.split()) for line in READY}


@pytest.mark.parametrize("line", FAR_FROM_READY)
def test_a_script_ends_with_the_code_of_its_command_where_all_is_not_well(
    before: dict[str, Ended], line: str
) -> None:
    _require(before[line], *FAR_FROM_READY[line])


@pytest.mark.parametrize("line", READY)
def test_a_script_ends_well_where_all_is_well(after: dict[str, Ended], line: str) -> None:
    _require(after[line], *READY[line])


def _require(ended: Ended, code: int, words: str) -> None:
    said = ended.stdout + ended.stderr
    assert ended.returncode == code, said
    assert words in said


def test_a_rollback_that_is_not_immediate_asks_first_and_ends_with_2_where_nobody_can_be_asked(
    place: GoLive,
) -> None:
    _require(place.script("rollback.sh", "--version=1.0.0", "--immediate=false"), 2, "say --now")


@pytest.mark.parametrize(
    "line",
    [
        "pre-deployment-check.sh --bogus",
        "pre-deployment-check.sh --final --bogus",
        "deploy.sh --bogus",
        "deploy.sh --environment=blue --bogus",
        "deploy.sh --environment=red",
        "deploy.sh",
        "health-check-dashboard.sh --bogus",
        "health-check-dashboard.sh blue --bogus",
        "post-deployment-verify.sh --bogus",
        "post-deployment-verify.sh --immediate --extended",
        "rollback.sh --bogus",
        "rollback.sh --version=1.0.0 --immediate=true --bogus",
        "rollback.sh --version=",
        "rollback.sh --immediate=perhaps",
        "verify-deployment.sh --bogus",
        "verify-deployment.sh --environment=blue --bogus",
        "verify-deployment.sh",
    ],
)
def test_what_a_script_does_not_know_ends_with_2_and_its_usage(line: str) -> None:
    name, *flags = line.split()
    ended = subprocess.run(
        [ROOT / "scripts" / name, *flags], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"usage: scripts/{name}" in ended.stderr


SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.sh"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_tells_how_it_is_used(name: str) -> None:
    for flag in ("--help", "-h"):
        ended = subprocess.run(
            [ROOT / "scripts" / name, flag], capture_output=True, text=True, timeout=60, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert f"usage: scripts/{name}" in ended.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("deploy.sh", "an option is missing"),
        ("deploy.sh --environment=purple", "--environment=purple takes no such value"),
        ("rollback.sh --immediate=perhaps", "--immediate=perhaps takes no such value"),
    ],
)
def test_a_script_says_what_it_did_not_take(line: str, words: str) -> None:
    name, *flags = line.split()
    ended = subprocess.run(
        [ROOT / "scripts" / name, *flags], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2 and words in ended.stderr
