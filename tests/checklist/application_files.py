"""The files of a project that is well prepared, and what may be wrong with them (items 13, 14, 16, 20, 22 to 26)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import msgspec

from tests.checklist.changes import edited, replaced, rewritten
from tests.checklist.image import IMAGE
from tests.checklist.papers import zap
from tests.checklist.world import Fault, World
from watership.releases.book.system import System

NEXT = "2.1.0"

PACKAGES = {"click": "8.5.0", "msgspec": "0.22.1", "pyyaml": "6.0.3"}


def now() -> datetime:
    return datetime.now(UTC)


def json(world: World, path: str, value: object) -> None:
    world.write(path, msgspec.json.encode(value))


def grown(world: World) -> None:
    """Everything that lies in files."""
    dependencies(world)
    history(world)
    tag(world)
    settings(world)
    load(world)
    scans(world)
    documents(world)
    backups(world)
    drills(world)


def dependencies(world: World) -> None:
    world.write(
        "pyproject.toml",
        '[project]\nname = "app"\ndependencies = ["click>=8.5", "msgspec>=0.22", "PyYAML>=6"]\n',
    )
    pins = (f"{name}=={version} \\\n    --hash=sha256:{'a' * 64}\n" for name, version in PACKAGES.items())
    world.write("requirements.txt", "# made by make lock\n" + "".join(pins))
    audited = [{"name": name, "version": version, "vulns": []} for name, version in PACKAGES.items()]
    json(world, "evidence/pip-audit.json", {"dependencies": audited, "fixes": []})
    licences = zip(PACKAGES.items(), ("BSD-3-Clause", "BSD License", "MIT License; BSD License"), strict=True)
    rows = [{"Name": name, "Version": version, "License": licence} for (name, version), licence in licences]
    json(world, "evidence/licences.json", rows)
    world.label("evidence/pip-audit.json")
    world.label("evidence/licences.json")
    vulnerability = {
        "id": "GHSA-xxxx",
        "fix_versions": ["8.5.1"],
        "aliases": ["CVE-2026-1"],
        "description": "…",
    }
    world.faults |= {
        "code-review/dependency-scan": edited(
            world,
            "evidence/pip-audit.json",
            lambda audit: audit["dependencies"][0].update(vulns=[vulnerability]),
        ),
        "code-review/licences": replaced(world, "evidence/licences.json", "BSD-3-Clause", "AGPL-3.0-only"),
        # Declared and not locked: audit and licences look at what is locked.
        "app-configuration/pinned": replaced(
            world, "pyproject.toml", '"click>=8.5"', '"click>=8.5", "rich>=15"'
        ),
    }


def history(world: World) -> None:
    world.write(
        "CHANGELOG.md",
        f"# Changelog\n\n## [Unreleased]\n\n## [{NEXT}] - {now():%Y-%m-%d}\n\n### Added\n- Topics of jobs.\n\n"
        "### Fixed\n- Queues are drained.\n\n## [2.0.5] - 2026-01-07\n\n### Removed\n- What nobody used.\n",
    )
    world.faults |= {
        "code-review/semantic-version": replaced(
            world, "CHANGELOG.md", "### Fixed", "### Removed\n- The old API.\n\n### Fixed"
        ),
        "code-review/changelog": rewritten(
            world,
            "CHANGELOG.md",
            lambda text: text.replace(f"[{NEXT}] - {now():%Y-%m-%d}", f"[{NEXT}] - soon"),
        ),
    }


def tag(world: World) -> None:
    """A repository whose tag is signed by SSH, which needs no keyring."""
    (world.root / ".github").mkdir(exist_ok=True)
    run = git(world)
    key = world.root / "signing"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "release", "-f", str(key)], check=True
    )
    public = key.with_suffix(".pub").read_text().split()
    world.write(".github/allowed_signers", f"release@example.com {public[0]} {public[1]}\n")
    run("init", "-q")
    run("commit", "-q", "--allow-empty", "-m", "The release")
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}")
    run(*signing, "tag", "-s", "-m", NEXT, f"v{NEXT}")

    @contextmanager
    def unsigned() -> Iterator[None]:
        run("tag", "-f", "-a", "-m", NEXT, f"v{NEXT}")
        try:
            yield
        finally:
            run(*signing, "tag", "-f", "-s", "-m", NEXT, f"v{NEXT}")

    world.faults["code-review/tag-signed"] = unsigned


def git(world: World) -> Callable[..., None]:
    who = ("-c", "user.name=Ada", "-c", "user.email=release@example.com", "-c", "commit.gpgsign=false")
    quiet = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

    def run(*words: str) -> None:
        command = ["git", *who, *words]
        subprocess.run(command, cwd=world.root, check=True, capture_output=True, env=quiet)

    return run


def settings(world: World) -> None:
    world.write(".env.example", "# How much is told\nWATERSHIP_LOG_LEVEL=info\n#WATERSHIP_SECRET=\n")
    world.write(".env.next", 'WATERSHIP_LOG_LEVEL="info"\nWATERSHIP_WORKER_SLOTS=64\n')
    world.write(
        "docs/configuration.md",
        "# Configuration\n\n`WATERSHIP_LOG_LEVEL`, `WATERSHIP_SECRET`, `WATERSHIP_WORKER_SLOTS`,\n"
        "`WATERSHIP_POSTGRES_URL`, and `WATERSHIP_LIMITS_REQUESTS_PER_MINUTE`.\n",
    )
    world.faults |= {
        "app-configuration/variables-documented": replaced(
            world, "docs/configuration.md", "WATERSHIP_WORKER_SLOTS", "the slots"
        ),
        "app-configuration/log-levels": replaced(world, ".env.next", '"info"', '"debug"'),
    }


def load(world: World) -> None:
    """k6's summary, as its handleSummary gets it, with the version and the time that the script adds."""

    def trend(p95: float, limit: str) -> dict[str, object]:
        values = {"avg": p95 / 2, "p(95)": p95, "max": p95 * 3}
        return {"type": "trend", "contains": "time", "values": values, "thresholds": {limit: {"ok": True}}}

    metrics = {
        "http_req_duration": trend(145.0, "p(95)<200"),
        "db_query_duration": trend(12.5, "p(95)<50"),
        "http_reqs": {
            "type": "counter",
            "contains": "default",
            "values": {"count": 1_200_000, "rate": 2_000.0},
        },
        "http_req_failed": {
            "type": "rate",
            "contains": "default",
            "values": {"rate": 0.0002, "passes": 240, "fails": 1_199_760},
        },
        "vus": {"type": "gauge", "contains": "default", "values": {"value": 0, "min": 0, "max": 1000}},
    }
    summary = {
        "metrics": metrics,
        "state": {"testRunDurationMs": 600_000.0},
        "version": NEXT,
        "ended_at": now().isoformat(),
    }
    path = "evidence/k6-load.json"
    json(world, path, summary)

    def slow(metric: str) -> Fault:
        return edited(
            world, path, lambda summary: summary["metrics"][metric]["values"].update({"p(95)": 400.0})
        )

    world.faults |= {
        "performance-testing/load-test": edited(
            world, path, lambda summary: summary["metrics"]["vus"]["values"].update(max=200)
        ),
        "performance-testing/queries": slow("db_query_duration"),
        "performance-testing/response-times": slow("http_req_duration"),
    }


def scans(world: World) -> None:
    json(
        world,
        "evidence/osv.json",
        {"results": [{"source": {"path": "requirements.txt", "type": "lockfile"}, "packages": [osv("7.5")]}]},
    )
    flaw = {"VulnerabilityID": "CVE-2026-2", "PkgName": "zlib", "Severity": "HIGH"}
    image = {
        "SchemaVersion": 2,
        "CreatedAt": now().isoformat(),
        "ArtifactName": "registry.example.com/app:2.1.0",
        "Metadata": {"RepoDigests": [f"registry.example.com/app@{IMAGE}"]},
        "Results": [{"Target": "debian", "Class": "os-pkgs", "Vulnerabilities": [flaw]}],
    }
    json(world, "evidence/trivy-image.json", image)
    driver = {"name": "bandit", "rules": [{"id": "B101", "properties": {"security-severity": "3.1"}}]}
    result = {"ruleId": "B101", "level": "warning", "message": {"text": "assert"}}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"sast/{NEXT}"},
        "invocations": [{"executionSuccessful": True, "endTimeUtc": now().isoformat()}],
        "results": [result],
    }
    json(world, "evidence/sast.sarif", {"version": "2.1.0", "runs": [run]})
    json(world, "evidence/gitleaks.json", [])
    json(world, "evidence/zap.json", zap(world.systems["next"].url))
    world.label("evidence/osv.json")
    world.label("evidence/gitleaks.json", looked_at=214)
    world.label("evidence/zap.json")
    leak = {"RuleID": "aws-access-token", "File": "deploy.sh", "StartLine": 3, "Secret": "…"}
    world.faults |= {
        "security-scans/dependencies": edited(
            world, "evidence/osv.json", lambda report: report["results"][0]["packages"].append(osv("9.8"))
        ),
        "security-scans/image": replaced(world, "evidence/trivy-image.json", f"@{IMAGE}", "@sha256:another"),
        "security-scans/sast": edited(
            world,
            "evidence/sast.sarif",
            lambda report: report["runs"][0]["invocations"][0].update(executionSuccessful=False),
        ),
        "security-scans/secrets": edited(world, "evidence/gitleaks.json", lambda report: report.append(leak)),
        "security-scans/dast": edited(
            world, "evidence/zap.json", lambda report: report["site"][0]["alerts"][0].update(riskcode="3")
        ),
    }


def osv(score: str) -> dict[str, object]:
    package = {"name": "click", "version": "8.5.0", "ecosystem": "PyPI"}
    return {
        "package": package,
        "vulnerabilities": [{"id": "GHSA-1"}],
        "groups": [{"ids": ["GHSA-1"], "max_severity": score}],
    }


WORDS = " and every step is written down, with who takes it and what is seen when it went well" * 4

DOCUMENTS = (
    # point, file, section, what is said there; the last word of each is the one that a fault takes away
    ("caching/invalidation", "docs/caching.md", "Invalidation", ("TTL", "deploy")),
    ("caching/warm-up", "docs/caching.md", "Warm-up", ("hit ratio",)),
    ("documentation/deployment-guide", "docs/deployment.md", "Deployment", ("rollback", NEXT)),
    ("documentation/faq", "docs/faq.md", "Questions and answers", (NEXT,)),
    (
        "documentation/troubleshooting",
        "docs/troubleshooting.md",
        "Troubleshooting",
        ("queue", "database", "rollback"),
    ),
    ("documentation/contacts", "docs/contacts.md", "Contacts", ("deployment lead", "operations", "on-call")),
    (
        "disaster-recovery/staff-procedures",
        "docs/disaster-recovery.md",
        "Staff procedures",
        ("on-call", "failover"),
    ),
)


def documents(world: World) -> None:
    texts: dict[str, str] = {}
    for point, path, section, words in DOCUMENTS:
        texts[path] = (
            texts.get(path, "# Title\n") + f"\n## {section}\n\n{section} of {', of '.join(words)}:{WORDS}.\n"
        )
        world.faults[point] = replaced(world, path, f"of {words[-1]}:", "of nothing:")
    texts["docs/caching.md"] += (
        "\n## Keys\n\n- `watership:limit:*` counts requests.\n- `cache:agent:*` holds answers.\n"
    )
    for path, text in texts.items():
        world.write(path, text)
    today, before = (f"{now() - timedelta(days=days):%Y-%m-%d}" for days in (0, 40))
    world.write("docs/contacts.md", texts["docs/contacts.md"] + f"\nGone through on {today}.\n")
    world.faults["documentation/contacts"] = replaced(world, "docs/contacts.md", today, before)


def backups(world: World) -> None:
    """A full backup each night, the log every three minutes, the state with the last full one."""
    last = now() - timedelta(minutes=1)
    rows = [entry("full", last - timedelta(hours=1, days=day)) for day in range(32)]
    rows += [entry("wal", last - timedelta(minutes=3 * number)) for number in range(500)]
    rows.append(entry("state", last - timedelta(hours=1)))
    path = "evidence/backups.json"
    json(world, path, {"backups": rows})
    world.systems["production-backups"] = System(url=f"file:{path}")

    def keep(good: Callable[[dict[str, str]], bool]) -> Fault:
        def change(manifest: dict[str, list[dict[str, str]]]) -> None:
            manifest["backups"] = [each for each in manifest["backups"] if good(each)]

        return edited(world, path, change)

    def other(kind: str, since: timedelta, until: timedelta) -> Callable[[dict[str, str]], bool]:
        """Not of that kind and time."""
        begin, end = (last - since).isoformat(), (last - until).isoformat()
        return lambda each: each["kind"] != kind or not begin < each["taken_at"] < end

    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    world.faults |= {
        "backup-recovery/full": keep(other("full", 5 * hour, -hour)),
        "backup-recovery/log": keep(other("wal", 60 * minute, 40 * minute)),
        "backup-recovery/state": keep(other("state", 5 * hour, -hour)),
        "backup-recovery/rpo": keep(other("wal", 5 * minute, -minute)),
        "backup-recovery/retention": keep(other("full", timedelta(days=90), timedelta(days=20))),
    }


def entry(kind: str, at: datetime) -> dict[str, object]:
    return {"kind": kind, "name": f"{kind}/{at:%Y%m%dT%H%M%S}", "taken_at": at.isoformat(), "bytes": 4_096}


def drills(world: World) -> None:
    drill(world, "backup-restore", "staging", hours=48, steps=("restore point", "replay", "compare"))
    first = drill(world, "failover", "alternate-site", hours=12, steps=("promote", "compare"))
    world.faults |= {
        "backup-recovery/rto": drilled(world, "backup-restore", "staging", seconds=2_400),
        "disaster-recovery/geo-redundancy": held_elsewhere(world, first),
        "disaster-recovery/failover-time": drilled(world, "failover", "elsewhere", seconds=600),
        "disaster-recovery/consistency": drilled(world, "failover", "elsewhere", steps=("promote",)),
    }


def drill(
    world: World,
    kind: str,
    environment: str,
    *,
    hours: float,
    steps: Sequence[str],
    seconds: float = 100.0,
    outcome: str = "passed",
    name: str = "",
) -> str:
    """A drill's record, and where it is."""
    began = now() - timedelta(hours=hours)
    record = {
        "schema": "watership/drill/v1",
        "kind": kind,
        "environment": environment,
        "began": began.isoformat(),
        "seconds": seconds,
        "rto_seconds": seconds,
        "by": "Ole Operator",
        "outcome": outcome,
        "facts": {"method": "pair"} if kind == "failover" else {"method": "archive"},
        "steps": [{"name": step, "seconds": 1.0, "passed": True} for step in steps],
    }
    path = f"evidence/drills/b-{name or kind}-{began:%Y%m%dT%H%M%S}.json"
    json(world, path, record)
    return path


def drilled(
    world: World,
    kind: str,
    environment: str,
    *,
    seconds: float = 100.0,
    steps: Sequence[str] = ("promote", "compare"),
) -> Fault:
    """A later drill, which did not go so well."""

    @contextmanager
    def fault() -> Iterator[None]:
        # Those of a batch begin one after the other: the last one is the one that is judged.
        name = f"later-{environment}-{seconds:g}-{len(steps)}"
        path = drill(world, kind, environment, hours=1, steps=steps, seconds=seconds, name=name)
        try:
            yield
        finally:
            (world.root / path).unlink()

    return fault


def held_elsewhere(world: World, path: str) -> Fault:
    """The drill was held at home."""

    @contextmanager
    def fault() -> Iterator[None]:
        before = (world.root / path).read_text()
        world.write(path, before.replace("alternate-site", "staging"))
        try:
            yield
        finally:
            world.write(path, before)

    return fault
