"""What scanners write, read as what they found and how bad that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from watership.releases.checks.shapes import decoded
from watership.releases.instruments import Document

SEVERITIES: Final = ("low", "medium", "high", "critical")

WORST: Final = "critical"
"""What a finding counts as whose severity its scanner does not know: unknown is never harmless."""


class Found(Struct, frozen=True):
    """One thing that a scanner found, and how bad it is."""

    what: str
    severity: str


Reader = Callable[[Document], Iterator[Found]]


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


class _Target(Struct, rename={"flaws": "Vulnerabilities", "leaks": "Secrets"}):
    flaws: list[_Flaw] | None = None
    leaks: list[_Leak] | None = None


class _Trivy(Struct, rename={"version": "SchemaVersion", "name": "ArtifactName", "targets": "Results"}):
    version: int
    name: str
    targets: list[_Target] = []


def _trivy(document: Document) -> Iterator[Found]:
    for target in decoded(document, _Trivy).targets:
        yield from (
            Found(f"{each.id} in {each.package}", graded(each.severity)) for each in target.flaws or []
        )
        yield from (Found(each.rule, graded(each.severity)) for each in target.leaks or [])


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


def _osv(document: Document) -> Iterator[Found]:
    for source in decoded(document, _Osv).results:
        for each in source.packages:
            name = f"{each.package.name} {each.package.version}"
            yield from (
                Found(f"{', '.join(group.ids)} in {name}", scored(group.max_severity))
                for group in each.groups
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


class _Run(Struct):
    tool: _Tool
    results: list[_Result] | None = None
    invocations: list[_Invocation] = []


class _Sarif(Struct):
    version: str
    runs: list[_Run]


def _sarif(document: Document) -> Iterator[Found]:
    """A rule's security-severity counts, else the result's level; what was suppressed was judged by people."""
    runs = decoded(document, _Sarif).runs
    if not runs or any(run.results is None for run in runs):
        yield Found("a run without results", WORST)
    for run in runs:
        scores = {rule.id: rule.properties.get("security-severity") for rule in run.tool.driver.rules}
        if any(not each.execution_successful for each in run.invocations):
            yield Found(f"{run.tool.driver.name} did not end well", WORST)
        for result in run.results or []:
            score = scores.get(result.rule_id)
            level = {"error": "high", "warning": "medium", "none": "low"}.get(result.level, result.level)
            if not result.suppressions:
                yield Found(
                    f"{result.rule_id}: {result.message.text[:100]}",
                    graded(level) if score is None else scored(str(score)),
                )


class _Secret(Struct, rename={"rule": "RuleID", "file": "File", "line": "StartLine"}):
    rule: str
    file: str
    line: int = 0


def _gitleaks(document: Document) -> Iterator[Found]:
    """Each secret that was found is critical: what it was is known to whoever reads the history."""
    yield from (
        Found(f"{each.rule} in {each.file}:{each.line}", WORST) for each in decoded(document, list[_Secret])
    )


class _Alert(Struct):
    alert: str
    riskcode: str


class _Site(Struct, rename={"name": "@name"}):
    name: str
    alerts: list[_Alert]


class _Zap(Struct, rename={"generated": "@generated"}):
    generated: str
    site: list[_Site]


def _zap(document: Document) -> Iterator[Found]:
    sites = decoded(document, _Zap).site
    if not sites:
        yield Found("no site was scanned", WORST)
    for site in sites:
        for each in site.alerts:
            if each.riskcode != "0":
                yield Found(
                    f"{each.alert} at {site.name}",
                    {"1": "low", "2": "medium", "3": "high"}.get(each.riskcode, WORST),
                )


READERS: Final[Mapping[str, Reader]] = {
    "trivy": _trivy,
    "osv": _osv,
    "sarif": _sarif,
    "gitleaks": _gitleaks,
    "zap": _zap,
}
