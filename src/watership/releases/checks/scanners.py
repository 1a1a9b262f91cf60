"""What scanners write, read as what they found and how bad that is, when, and what they did not look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct, field

from watership.releases.checks.reports import moment
from watership.releases.checks.shapes import decoded
from watership.releases.instruments import Document

SEVERITIES: Final = ("low", "medium", "high", "critical")

WORST: Final = "critical"
"""What a finding counts as whose severity its scanner does not know: unknown is never harmless."""


class Found(Struct, frozen=True):
    """One thing that a scanner found, and how bad it is."""

    what: str
    severity: str


class Scan(Struct, frozen=True, kw_only=True):
    """What a scanner's report says. `about`: the builds, images or sites that it names.

    `unknown`: why it does not show that anything was looked at; an empty report is no clean scan. `silent`: that of a
    clean scan is empty by its format, so that its label has to say at how many things the scanner looked.
    """

    found: tuple[Found, ...]
    at: datetime | None = None
    about: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    silent: bool = False

    def as_bad_as(self, severity: str) -> list[Found]:
        return [each for each in self.found if SEVERITIES.index(each.severity) >= SEVERITIES.index(severity)]


Reader = Callable[[Document], Scan]


def graded(severity: str) -> str:
    """A scanner's word as one of SEVERITIES."""
    word = severity.casefold()
    word = {
        "moderate": "medium",
        "informational": "low",
        "info": "low",
        "negligible": "low",
        "note": "low",
    }.get(word, word)
    return word if word in SEVERITIES else WORST


def scored(score: str) -> str:
    """A CVSS score as one of SEVERITIES (the bands of CVSS 3 and 4)."""
    try:
        number = float(score)
    except ValueError:
        return WORST
    return SEVERITIES[sum(number >= bound for bound in (4.0, 7.0, 9.0))]


class _Flaw(Struct, rename={"id": "VulnerabilityID", "package": "PkgName", "severity": "Severity"}):
    id: str
    package: str = ""
    severity: str = "UNKNOWN"


class _Leak(Struct, rename={"rule": "RuleID", "severity": "Severity"}):
    rule: str
    severity: str = "UNKNOWN"


class _Target(Struct, rename={"kind": "Class", "flaws": "Vulnerabilities", "leaks": "Secrets"}):
    kind: str = ""
    flaws: list[_Flaw] | None = None
    leaks: list[_Leak] | None = None


class _Metadata(Struct, rename={"digests": "RepoDigests"}):
    digests: list[str] | None = None


class _Trivy(
    Struct,
    rename={
        "version": "SchemaVersion",
        "at": "CreatedAt",
        "name": "ArtifactName",
        "metadata": "Metadata",
        "targets": "Results",
    },
):
    version: int
    name: str
    at: datetime | None = None
    metadata: _Metadata = field(default_factory=_Metadata)
    targets: list[_Target] | None = None


PACKAGES: Final = ("os-pkgs", "lang-pkgs")
"""The classes of what Trivy looks for vulnerabilities in."""


def trivy(document: Document) -> Scan:
    """Trivy's JSON. It is about the digests of its image; of a folder it names none."""
    told = decoded(document, _Trivy)
    targets = told.targets or []
    flaws = (each for target in targets for each in target.flaws or [])
    leaks = (each for target in targets for each in target.leaks or [])
    looked = any(target.kind in PACKAGES for target in targets)
    return Scan(
        found=(
            *(Found(f"{each.id} in {each.package}", graded(each.severity)) for each in flaws),
            *(Found(each.rule, graded(each.severity)) for each in leaks),
        ),
        at=told.at,
        about=tuple(each.rpartition("@")[2] for each in told.metadata.digests or []),
        unknown=() if looked else ("it names no packages: nothing was looked at",),
    )


class _Package(Struct):
    name: str
    version: str = ""


class _Group(Struct):
    ids: list[str]
    max_severity: str = ""


class _Vulnerable(Struct):
    package: _Package
    groups: list[_Group] = []


class _Source(Struct):
    packages: list[_Vulnerable]


class _Osv(Struct):
    results: list[_Source]


def osv(document: Document) -> Scan:
    """osv-scanner's JSON. Without --all-packages it names vulnerable packages alone, and a clean scan is like none."""
    packages = [each for source in decoded(document, _Osv).results for each in source.packages]
    return Scan(
        found=tuple(
            Found(
                f"{', '.join(group.ids)} in {each.package.name} {each.package.version}",
                scored(group.max_severity),
            )
            for each in packages
            for group in each.groups
        ),
        unknown=()
        if packages
        else ("it names no package (osv-scanner --all-packages): nothing was looked at",),
    )


class _Message(Struct, frozen=True):
    text: str = ""


class _Result(Struct, rename="camel"):
    rule_id: str = ""
    level: str = "warning"
    message: _Message = _Message()
    suppressions: list[object] = []


class _Rule(Struct):
    id: str
    properties: dict[str, object] = {}


class _Driver(Struct):
    name: str
    rules: list[_Rule] = []


class _Tool(Struct):
    driver: _Driver


class _Invocation(Struct, rename="camel"):
    execution_successful: bool
    end_time_utc: str = ""


class _Details(Struct):
    id: str = ""


class _Run(Struct, rename="camel"):
    tool: _Tool
    results: list[_Result] | None = None
    invocations: list[_Invocation] = []
    automation_details: _Details = field(default_factory=_Details)

    def found(self) -> Iterator[Found]:
        scores = {rule.id: rule.properties.get("security-severity") for rule in self.tool.driver.rules}
        for result in self.results or []:
            score = scores.get(result.rule_id)
            level = {"error": "high", "warning": "medium", "none": "low"}.get(result.level, result.level)
            if not result.suppressions:
                severity = graded(level) if score is None else scored(str(score))
                yield Found(f"{result.rule_id}: {result.message.text[:100]}", severity)

    def unknown(self) -> Iterator[str]:
        if self.results is None:
            yield f"a run of {self.tool.driver.name} has no results"
        if not self.invocations or not all(each.execution_successful for each in self.invocations):
            yield f"{self.tool.driver.name} does not say that it ended well"

    def ended(self) -> datetime | None:
        times = [moment(each.end_time_utc) for each in self.invocations]
        return max((each for each in times if each is not None), default=None)


class _Sarif(Struct):
    version: str
    runs: list[_Run]


def sarif(document: Document) -> Scan:
    """SARIF. A rule's security-severity counts, else the result's level; what was suppressed was judged by people. It
    is about each part of the id of its automationDetails (`sast/2.1.0`), and as old as its oldest run."""
    runs = decoded(document, _Sarif).runs
    ends = [run.ended() for run in runs]
    known = [each for each in ends if each is not None]
    unknown = [words for run in runs for words in run.unknown()]
    return Scan(
        found=tuple(each for run in runs for each in run.found()),
        at=min(known) if known and len(known) == len(ends) else None,
        about=tuple(part for run in runs for part in run.automation_details.id.split("/") if part),
        unknown=tuple(unknown) if runs else ("it has no run: nothing was looked at",),
    )


class _Secret(Struct, rename={"rule": "RuleID", "file": "File", "line": "StartLine"}):
    rule: str
    file: str
    line: int = 0


def gitleaks(document: Document) -> Scan:
    """Each secret that was found is critical: what it was is known to whoever reads the history."""
    leaks = decoded(document, list[_Secret])
    return Scan(
        found=tuple(Found(f"{each.rule} in {each.file}:{each.line}", WORST) for each in leaks),
        silent=not leaks,
    )


READERS: Final[Mapping[str, Reader]] = {"trivy": trivy, "osv": osv, "sarif": sarif, "gitleaks": gitleaks}
"""By the kind of the report."""
