"""Reports of scanners, in what each of them writes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.releases.checks.scenes import Looker, now

DAY = 86400.0


def wish(kind: str, **more: str) -> dict[str, str | float]:
    return {"kind": kind, "report": "report.json", "younger_than": DAY, **more}


def written(looker: Looker, value: object) -> None:
    looker.write("report.json", msgspec.json.encode(value))


def trivy(*severities: str, made: timedelta = timedelta()) -> dict[str, Any]:
    flaws = [{"VulnerabilityID": f"CVE-{each}", "PkgName": "zlib", "Severity": each} for each in severities]
    return {
        "SchemaVersion": 2,
        "CreatedAt": (now() - made).isoformat(),
        "ArtifactName": "app",
        "Results": [
            {"Target": "lock", "Class": "lang-pkgs", "Vulnerabilities": flaws},
            {"Target": "empty", "Class": "lang-pkgs"},
        ],
    }


def osv(*scores: str) -> dict[str, Any]:
    """With --all-packages: what has no vulnerability is named too."""
    package = {"name": "click", "version": "8.5", "ecosystem": "PyPI"}
    rows: list[dict[str, Any]] = [
        {"package": package, "groups": [{"ids": [f"GHSA-{each}"], "max_severity": each}]} for each in scores
    ]
    source = {"path": "requirements.txt", "type": "lockfile"}
    return {"results": [{"source": source, "packages": [*rows, {"package": package}]}]}


def sarif(*levels: str, score: str = "", ended: bool | None = True, **more: object) -> dict[str, Any]:
    rules = [{"id": "S1", "properties": {"security-severity": score} if score else {}}]
    results = [{"ruleId": "S1", "level": each, "message": {"text": "eval"}, **more} for each in levels]
    end = {"executionSuccessful": ended, "endTimeUtc": now().isoformat()}
    run = {
        "tool": {"driver": {"name": "bandit", "rules": rules}},
        "automationDetails": {"id": "sast/2.1.0"},
        "results": results,
    }
    return {"version": "2.1.0", "runs": [run if ended is None else run | {"invocations": [end]}]}


LEAK = {"RuleID": "aws-access-token", "File": "a.sh", "StartLine": 3, "Secret": "hush", "Match": "hush"}


@pytest.mark.parametrize(
    ("kind", "severity", "report"),
    [
        ("trivy", "critical", trivy("HIGH", "LOW")),
        ("osv", "critical", osv("8.9", "0.1")),
        ("osv", "critical", osv()),
        ("sarif", "high", sarif("warning", "note")),
        ("sarif", "critical", sarif("error", score="8.8")),
        ("sarif", "low", sarif("error", suppressions=[{"kind": "inSource"}])),
        ("gitleaks", "low", []),
    ],
)
def test_a_report_with_nothing_that_bad_passes(
    looker: Looker, kind: str, severity: str, report: object
) -> None:
    looker.unsure("scan.clean", "There is no report report.json", **wish(kind))
    written(looker, report)
    looker.label("report.json", looked_at=214)
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
        ("gitleaks", "low", [LEAK], "aws-access-token in a.sh:3"),
    ],
)
def test_what_is_as_bad_as_that_or_of_an_unknown_severity_fails(
    looker: Looker, kind: str, severity: str, report: object, words: str
) -> None:
    written(looker, report)
    looker.label("report.json")
    looker.fails("scan.clean", words, **wish(kind, severity=severity))
    assert "hush" not in looker.look("scan.clean", wish(kind, severity=severity)).evidence


@pytest.mark.parametrize(
    ("kind", "report", "words"),
    [
        ("trivy", trivy() | {"Results": []}, "names no packages"),
        ("trivy", trivy() | {"Results": None}, "names no packages"),
        ("trivy", trivy() | {"Results": [{"Target": "a.tf", "Class": "config"}]}, "names no packages"),
        ("osv", {"results": []}, "names no package"),
        ("sarif", {"version": "2.1.0", "runs": []}, "has no run"),
        ("sarif", {"version": "2.1.0", "runs": [sarif()["runs"][0] | {"results": None}]}, "has no results"),
        ("sarif", sarif(ended=False), "does not say that it ended well"),
        ("sarif", sarif(ended=None), "does not say that it ended well"),
        ("gitleaks", [], "no label says at how many things"),
    ],
)
def test_a_report_of_nothing_is_no_clean_scan(looker: Looker, kind: str, report: object, words: str) -> None:
    written(looker, report)
    looker.label("report.json")
    looker.unsure("scan.clean", words, **wish(kind))


def test_the_time_and_the_build_stand_in_the_report_or_on_its_label(looker: Looker) -> None:
    written(looker, sarif())
    looker.passes("scan.clean", **wish("sarif"))
    for id_ in ("sast/2.1.01", "sast-2.1.0", "2.0.9"):
        another = sarif()
        another["runs"][0]["automationDetails"] = {"id": id_}
        written(looker, another)
        looker.fails("scan.clean", "does not say which build it is about", **wish("sarif"))
    written(looker, osv())
    looker.fails("scan.clean", "it does not say when it was written", **wish("osv"))
    looker.label("report.json", "2.0.9")
    looker.fails("scan.clean", "it is about 2.0.9, not about 2.1.0", **wish("osv"))
    looker.label("report.json", "sha256:2.1.0", days=2)
    looker.fails("scan.clean", "1d is the limit", **wish("osv"))
    looker.label("report.json", "sha256:2.1.0")
    looker.passes("scan.clean", **wish("osv"))


def test_a_fresh_label_makes_an_old_report_no_younger(looker: Looker) -> None:
    written(looker, trivy(made=timedelta(days=2)))
    looker.label("report.json")
    looker.fails("scan.clean", "it was written 2d ago; 1d is the limit", **wish("trivy"))


def test_a_label_is_of_the_very_bytes_of_its_report(looker: Looker) -> None:
    written(looker, osv())
    looker.label("report.json")
    (looker.root / "report.json").write_bytes(msgspec.json.encode(osv("1.0")))
    looker.unsure("scan.clean", "is the label of other bytes", **wish("osv"))
    looker.write("report.json.label.json", "{}")
    looker.unsure("scan.clean", "cannot be read", **wish("osv"))


@pytest.mark.parametrize("kind", ["trivy", "osv", "sarif", "gitleaks"])
def test_what_is_no_such_report_is_no_verdict(looker: Looker, kind: str) -> None:
    for content in ("<html>", '"text"', '{"some": "thing"}'):
        looker.write("report.json", content)
        looker.unsure("scan.clean", "cannot be read as such a report", **wish(kind))
    looker.unsure("scan.clean", "'bad' is no severity", **wish(kind, severity="bad"))
    looker.unsure("scan.clean", "No report is of kind 'nessus'", **wish("nessus"))
