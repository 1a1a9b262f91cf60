"""What the release is built of: pinned in a lock, known to be sound, and allowed to be used."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping

from msgspec import Struct

from watership.errors import BadInput
from watership.releases.book.quantity import listed
from watership.releases.checks.documents import present
from watership.releases.checks.kind import check
from watership.releases.checks.reports import json_report, stale
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
CHOICE = re.compile(r"\s+OR\s+", re.IGNORECASE)
TOGETHER = re.compile(r"\s*;\s*|\s+AND\s+", re.IGNORECASE)

SHOWN = 10
"""Packages that are named."""


class Lock(Struct, frozen=True, kw_only=True):
    """`pins`: version by package. `wrong`: what is not nailed down, in words."""

    pins: Mapping[str, str]
    wrong: tuple[str, ...]


def plain(name: str) -> str:
    """A package's name as indexes compare it: `Foo_Bar` and `foo-bar` are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> Lock:
    """A requirements file as pip reads it with --require-hashes."""
    pins: dict[str, str] = {}
    wrong = []
    for line in text.replace("\\\n", " ").splitlines():
        words = line.partition(" #")[0].strip()
        if not words or words.startswith(("#", "-")):
            continue
        pin = PIN.match(words)
        if pin is None:
            wrong.append(f"'{words[:60]}' is no pinned version")
        else:
            pins[plain(pin[1])] = pin[2]
            if not HASH.search(words):
                wrong.append(f"{pin[1]} has no hash")
    return Lock(pins=pins, wrong=tuple(wrong))


def wanted(text: str, extras: Iterable[str]) -> set[str]:
    """The packages that a pyproject.toml asks for, with those of its `extras`. Raises BadInput."""
    try:
        project = tomllib.loads(text)["project"]
        asked = [
            *project.get("dependencies", []),
            *(each for name in extras for each in project["optional-dependencies"][name]),
        ]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise BadInput(f"The project's file does not tell its dependencies: {error}.") from error
    return {plain(name[1]) for each in asked if (name := NAME.match(each))}


@check("dependencies.locked", good_for="24h", fix="make lock, and commit the lock.")
async def pinned(
    scene: Scene, *, declared: str = "pyproject.toml", lock: str = "requirements.txt", extras: str = ""
) -> Finding:
    """The lock pins every dependency that the project declares (and those of its `extras`), each of them with its
    version and a hash."""
    project, there = await present(scene, declared), await _lock(scene, lock)
    if isinstance(project, Finding):
        return project
    if isinstance(there, Finding):
        return there
    lacks = sorted(wanted(project.content.decode(errors="replace"), listed(extras)) - there.pins.keys())
    wrong = [*there.wrong, *(f"{name} is declared and not locked" for name in lacks)]
    words = f"{lock} pins {len(there.pins)} packages with their hashes, all declared ones among them."
    return found(not wrong, _few(wrong) or words, packages=len(there.pins))


async def _lock(scene: Scene, path: str) -> Lock | Finding:
    document = await present(scene, path)
    if isinstance(document, Finding):
        return document
    there = locked(document.content.decode(errors="replace"))
    return there if there.pins else failed(f"{path} pins nothing.")


class _Vulnerability(Struct):
    id: str


class _Audited(Struct):
    name: str
    version: str | None = None
    vulns: list[_Vulnerability] = []
    skip_reason: str = ""


class _Audit(Struct):
    dependencies: list[_Audited]


@check("dependencies.audit", good_for="24h", fix="Raise the packages that it names: scripts/lock --upgrade.")
async def audit(
    scene: Scene, *, report: str, lock: str = "requirements.txt", younger_than: float = 86400.0
) -> Finding:
    """pip-audit (`pip-audit -r LOCK --format json`) knows no vulnerability of any package of the lock, and looked at
    each in the very version that is locked. It names no severity: each one counts. A label says of
    when it is, and of which build."""
    (document, told), there = await json_report(scene, report, _Audit), await _lock(scene, lock)
    if isinstance(there, Finding):
        return there
    seen = {plain(each.name): each for each in told.dependencies}
    wrong = await stale(scene, document, younger_than=younger_than)
    wrong += [
        f"{each.name} {each.version}: {', '.join(bad.id for bad in each.vulns)}"
        for each in seen.values()
        if each.vulns
    ]
    wrong += [f"{each.name} was skipped: {each.skip_reason}" for each in seen.values() if each.skip_reason]
    wrong += _strange(
        there, {name: each.version or "" for name, each in seen.items() if not each.skip_reason}
    )
    return found(
        not wrong,
        _few(wrong) or f"{len(there.pins)} packages have no known vulnerability.",
        packages=len(seen),
    )


def _strange(lock: Lock, seen: Mapping[str, str]) -> list[str]:
    """What a report says of another lock: packages that it lacks, or has in another version."""
    return [
        f"{name} {version} is locked, and the report knows {seen.get(name, 'it not')}"
        for name, version in lock.pins.items()
        if seen.get(name) != version
    ]


class _Licensed(Struct, rename="pascal"):
    name: str
    version: str
    license: str


@check("dependencies.licences", good_for="48h", fix="Replace the package, or have its licence allowed.")
async def licences(
    scene: Scene,
    *,
    report: str,
    allowed: str,
    lock: str = "requirements.txt",
    younger_than: float = 7 * 86400.0,
) -> Finding:
    """Each package of the lock has a licence of `allowed` (commas between), as pip-licenses (`--format=json`) says.
    Of several licences with OR between one suffices; of others each has to be allowed. A label says of when it is."""
    (document, told), there = await json_report(scene, report, list[_Licensed]), await _lock(scene, lock)
    if isinstance(there, Finding):
        return there
    rows = {plain(each.name): each for each in told}
    fine = {each.casefold() for each in listed(allowed)}
    wrong = await stale(scene, document, younger_than=younger_than)
    wrong += [
        f"{each.name} has '{each.license}'"
        for name, each in rows.items()
        if name in there.pins and not permitted(each.license, fine)
    ]
    wrong += _strange(there, {name: each.version for name, each in rows.items()})
    return found(
        not wrong,
        _few(wrong) or f"{len(there.pins)} packages have licences that are allowed.",
        packages=len(rows),
    )


def permitted(licence: str, allowed: set[str]) -> bool:
    """Whether a licence, or an expression of several, is allowed. One that is unknown is not."""
    if licence.casefold() in allowed:
        return True
    return any(
        all(part.strip(" ()").casefold() in allowed for part in TOGETHER.split(choice))
        for choice in CHOICE.split(licence)
    )


def _few(wrong: list[str]) -> str:
    if not wrong:
        return ""
    return "; ".join(wrong[:SHOWN]) + (f"; and {len(wrong) - SHOWN} more." if len(wrong) > SHOWN else ".")
