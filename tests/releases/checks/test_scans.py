"""Reports of scanners, in what each of them writes."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest

from tests.releases.checks.scenes import Looker, now

DAY = 86400.0


def wish(kind: str, **more: str) -> dict[str, str | float]:
    return {"kind": kind, "report": "report.json", "younger_than": DAY, **more}


def written(looker: Looker, value: object) -> None:
    looker.write("report.json", msgspec.json.encode(value))


def trivy(*severities: str) -> dict[str, Any]:
    flaws = [{"VulnerabilityID": f"CVE-{each}", "PkgName": "zlib", "Severity": each} for each in severities]
    return {
        "SchemaVersion": 2,
        "ArtifactName": "app",
        "Results": [{"Target": "os", "Vulnerabilities": flaws}, {"Target": "empty"}],
    }


def osv(*scores: str) -> dict[str, Any]:
    package = {"name": "click", "version": "8.5", "ecosystem": "PyPI"}
    rows = [
        {"package": package, "groups": [{"ids": [f"GHSA-{each}"], "max_severity": each}]} for each in scores
    ]
    return {"results": [{"source": {"path": "requirements.txt", "type": "lockfile"}, "packages": rows}]}


def sarif(*levels: str, score: str = "", ended: bool = True, **more: object) -> dict[str, Any]:
    rules = [{"id": "S1", "properties": {"security-severity": score} if score else {}}]
    results = [{"ruleId": "S1", "level": each, "message": {"text": "eval"}, **more} for each in levels]
    run = {"tool": {"driver": {"name": "bandit", "rules": rules}}, "results": results}
    return {"version": "2.1.0", "runs": [run | {"invocations": [{"executionSuccessful": ended}]}]}


def zap(*risks: str) -> dict[str, Any]:
    alerts = [{"alert": "Missing header", "riskcode": each} for each in risks]
    return {
        "@version": "2.16",
        "@generated": "Sun, 29 Nov 2026 10:00:00",
        "site": [{"@name": "https://next", "alerts": alerts}],
    }


LEAK = {"RuleID": "aws-access-token", "File": "a.sh", "StartLine": 3, "Secret": "hush", "Match": "hush"}


@pytest.mark.parametrize(
    ("kind", "severity", "report"),
    [
        ("trivy", "critical", trivy("HIGH", "LOW")),
        ("osv", "critical", osv("8.9", "0.1")),
        ("osv", "critical", {"results": []}),
        ("sarif", "high", sarif("warning", "note")),
        ("sarif", "critical", sarif("error", score="8.8")),
        ("sarif", "low", sarif("error", suppressions=[{"kind": "inSource"}])),
        ("gitleaks", "low", []),
        ("zap", "high", zap("0", "1", "2")),
    ],
)
def test_a_report_with_nothing_that_bad_passes(
    looker: Looker, kind: str, severity: str, report: object
) -> None:
    looker.fails("scan.clean", "There is no report.json", **wish(kind))
    written(looker, report)
    looker.passes("scan.clean", **wish(kind, severity=severity))


@pytest.mark.parametrize(
    ("kind", "severity", "report", "words"),
    [
        ("trivy", "critical", trivy("LOW", "CRITICAL"), "CVE-CRITICAL in zlib (critical)"),
        ("trivy", "critical", trivy("UNKNOWN"), "(critical)"),
        ("osv", "critical", osv("9.0"), "GHSA-9.0 in click 8.5 (critical)"),
        ("osv", "critical", osv(""), "(critical)"),
        ("sarif", "high", sarif("error"), "S1: eval (high)"),
        ("sarif", "critical", sarif("note", score="9.1"), "S1: eval (critical)"),
        ("sarif", "critical", sarif(ended=False), "bandit did not end well"),
        ("sarif", "critical", {"version": "2.1.0", "runs": []}, "a run without results"),
        ("gitleaks", "low", [LEAK], "aws-access-token in a.sh:3"),
        ("zap", "high", zap("3"), "Missing header at https://next (high)"),
        ("zap", "high", {"@generated": "", "site": []}, "no site was scanned"),
    ],
)
def test_what_is_as_bad_as_that_or_not_known_fails(
    looker: Looker, kind: str, severity: str, report: object, words: str
) -> None:
    written(looker, report)
    looker.fails("scan.clean", words, **wish(kind, severity=severity))
    assert "hush" not in looker.look("scan.clean", wish(kind, severity=severity)).evidence


def test_a_report_has_to_be_fresh_and_about_this_build(looker: Looker) -> None:
    written(looker, trivy() | {"Metadata": {"RepoDigests": ["app@sha256:2.1.0"]}})
    looker.passes("scan.clean", **wish("trivy", about="{digest}"))
    looker.fails("scan.clean", "does not name 3.0", **wish("trivy", about="3.0"))
    old = now().timestamp() - 2 * DAY
    os.utime(looker.root / "report.json", (old, old))
    looker.fails("scan.clean", "1d is the limit", **wish("trivy"))


@pytest.mark.parametrize("kind", ["trivy", "osv", "sarif", "gitleaks", "zap"])
def test_what_is_no_such_report_is_no_verdict(looker: Looker, kind: str) -> None:
    for content in ("<html>", '"text"', '{"some": "thing"}'):
        looker.write("report.json", content)
        looker.unsure("scan.clean", "cannot be read as such a report", **wish(kind))
    looker.unsure("scan.clean", "'bad' is no severity", **wish(kind, severity="bad"))
    looker.unsure("scan.clean", "No report is of kind 'nessus'", **wish("nessus"))
