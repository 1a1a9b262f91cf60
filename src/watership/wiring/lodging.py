"""What `watership doctor` finds of the hosts: who answers, and what was never tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import assert_never

from watership.config import Config
from watership.errors import WatershipError
from watership.fleet.finding import Finding
from watership.wiring.embedded import SCHEME
from watership.wiring.hosts import compose, kubernetes, systemd

WHAT = "Hosts"

TRY = "Try it: ssh -o BatchMode=yes MACHINE true; then: watership doctor"


async def examine_hosts(config: Config) -> list[Finding]:
    """What is found of the hosts; of engines that the adapter was not tried on, that is said too."""
    found = await _found(config)
    if config.hosts.kind == "processes" or not config.store.url.startswith(SCHEME):
        return found
    fix = "Set store.url to postgresql://user:password@host/database, here and among hosts.variables"
    detail = "a file of this machine, which instances elsewhere do not see"
    return [*found, Finding(what="store.url", state="problem", detail=detail, fix=fix)]


async def _found(config: Config) -> list[Finding]:
    match config.hosts.kind:
        case "processes":
            return [Finding(what=WHAT, state="ok", detail="processes of this machine, kept by an agent")]
        case "compose":
            from watership.adapters.compose import UNTRIED

            versions = compose(config).versions
            return [_untried("Docker Compose", UNTRIED), *await _each(versions, _compose_finding)]
        case "systemd":
            from watership.adapters.systemd import UNTRIED as UNTRIED_UNITS

            versions = systemd(config).versions
            return [_untried("systemd", UNTRIED_UNITS), *await _each(versions, _systemd_finding)]
        case "kubernetes":
            from watership.adapters.kubernetes import UNTRIED as UNTRIED_CLUSTER

            return [_untried("Kubernetes", UNTRIED_CLUSTER), await _cluster_finding(config)]
        case _:
            assert_never(config.hosts.kind)


def _untried(name: str, words: str) -> Finding:
    """A statement about ourselves and not about what is here: it stands whatever is found, and nothing mends it."""
    return Finding(what=WHAT, state="ok", detail=f"{name}: {words}")


async def _each(
    ask: Callable[[], Awaitable[Mapping[str, str]]], finding: Callable[[str, str], Finding]
) -> list[Finding]:
    try:
        return [finding(machine, said) for machine, said in (await ask()).items()]
    except WatershipError as error:
        return [Finding(what="Machines", state="problem", detail=error.message, fix=error.fix or TRY)]


def _compose_finding(machine: str, said: str) -> Finding:
    engine, _, version = said.strip().partition("\n")
    if int(version.lstrip("v").partition(".")[0] or 0) < 2:
        return Finding(
            what=machine,
            state="problem",
            detail=f"Compose {version}",
            fix="Install Compose 2: docker-compose-plugin",
        )
    return Finding(what=machine, state="ok", detail=f"Docker {engine}, Compose {version}")


def _systemd_finding(machine: str, said: str) -> Finding:
    version, _, state = said.strip().partition("\n")
    if state not in ("running", "degraded"):
        return Finding(
            what=machine,
            state="problem",
            detail=f"{version}, which does not run the machine ({state or 'it says nothing'})",
            fix="systemctl is-system-running, on a machine that systemd runs",
        )
    return Finding(what=machine, state="ok", detail=f"{version}, {state}")


async def _cluster_finding(config: Config) -> Finding:
    try:
        there = await kubernetes(config).instances()
    except WatershipError as error:
        fix = error.fix or "kubectl auth can-i list pods, with the same kubeconfig and context"
        return Finding(what="Cluster", state="problem", detail=error.message, fix=fix)
    return Finding(what="Cluster", state="ok", detail=f"{len(there)} pods of this environment")
