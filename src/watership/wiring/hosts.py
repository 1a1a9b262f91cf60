"""The hosts that the settings name: made, and asked what they would be told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from msgspec import Struct

from watership.adapters.files.builds import read_image
from watership.adapters.processes.hosts import ProcessHosts
from watership.config import Config, HostsSettings
from watership.errors import BadInput
from watership.fleet.build import Build
from watership.releases.ports import Hosts, HostSpec

if TYPE_CHECKING:
    # Each kind is imported only where it is chosen: what it needs is not everybody's.
    from watership.adapters.compose.hosts import ComposeHosts
    from watership.adapters.kubernetes.hosts import KubernetesHosts
    from watership.adapters.ssh.command import Command
    from watership.adapters.ssh.shell import Shell
    from watership.adapters.systemd.hosts import SystemdHosts


class Told(Struct, frozen=True, kw_only=True):
    """What hosts would be told, as data, and in words for people."""

    kind: str
    orders: tuple[object, ...]
    text: str


def hosts_of(config: Config) -> Hosts:
    """Raises BadInput where the settings do not lead to any."""
    match config.hosts.kind:
        case "processes":
            return ProcessHosts(Path(config.environment.hosts))
        case "compose":
            return compose(config)
        case "systemd":
            return systemd(config)
        case "kubernetes":
            return kubernetes(config)
        case _:
            assert_never(config.hosts.kind)


def told(config: Config, spec: HostSpec) -> Told:
    """What the hosts would be told to let `spec` run. Nobody is asked, and nothing is changed."""
    match config.hosts.kind:
        case "processes":
            counts = f"{spec.serve} serve, {spec.workers} workers of {spec.deployment}"
            text = f"the host agent at {config.environment.hosts}: {counts}"
            return Told(kind="processes", orders=(spec,), text=text)
        case "compose":
            return _commands("compose", compose(config).commands(spec))
        case "systemd":
            return _commands("systemd", systemd(config).commands(spec))
        case "kubernetes":
            import yaml

            # The epoch is the lock's, which nobody takes for this.
            manifests = kubernetes(config).manifests(spec, 0)
            return Told(
                kind="kubernetes",
                orders=tuple(manifests),
                text=yaml.safe_dump_all(manifests, sort_keys=False, width=120).rstrip(),
            )
        case _:
            assert_never(config.hosts.kind)


def _commands(kind: str, commands: list[Command]) -> Told:
    from watership.adapters.ssh.command import printed

    return Told(kind=kind, orders=tuple(commands), text=printed(commands))


def compose(config: Config) -> ComposeHosts:
    from watership.adapters.compose.hosts import ComposeHosts
    from watership.adapters.compose.project import Settings

    hosts = config.hosts
    settings = Settings(
        environment=config.environment.name,
        machines=_machines(hosts),
        folder=_folder(config),
        bind=hosts.bind,
        first_port=hosts.first_port,
        variables=hosts.variables,
        source=hosts.source,
    )
    return ComposeHosts(settings, _shell(config), _image)


def systemd(config: Config) -> SystemdHosts:
    from watership.adapters.systemd.hosts import SystemdHosts
    from watership.adapters.systemd.unit import Settings

    hosts = config.hosts
    settings = Settings(
        environment=config.environment.name,
        machines=_machines(hosts),
        folder=_folder(config),
        bind=hosts.bind,
        first_port=hosts.first_port,
        variables=hosts.variables,
        python=hosts.python,
    )
    return SystemdHosts(settings, _shell(config))


def kubernetes(config: Config) -> KubernetesHosts:
    try:
        from watership.adapters.kubernetes.cluster import configuration
        from watership.adapters.kubernetes.hosts import KubernetesHosts
        from watership.adapters.kubernetes.manifest import Settings
    except ModuleNotFoundError as reason:
        if (reason.name or "").partition(".")[0] != "lightkube":
            raise
        raise BadInput(
            "Kubernetes needs the package lightkube.", fix="pip install 'watership[kubernetes]'"
        ) from None
    hosts = config.hosts
    settings = Settings(
        environment=config.environment.name,
        namespace=hosts.namespace,
        variables=hosts.variables,
        source=hosts.source,
        port=hosts.first_port,
    )
    return KubernetesHosts(settings, configuration(hosts.kubeconfig, hosts.context), _image)


def _image(build: Build) -> str:
    return read_image(Path(build.source))


def _machines(hosts: HostsSettings) -> tuple[str, ...]:
    from watership.adapters.ssh.reach import address

    found = tuple(each.strip() for each in hosts.machines.split(",") if each.strip())
    for each in found:
        address(each)
    if len(set(found)) < len(found):
        raise BadInput("A machine is named twice.", fix="Name each once in hosts.machines.")
    return found


def _folder(config: Config) -> str:
    """Each environment's own on a machine that several share."""
    from watership.adapters.ssh.command import slug

    if not config.hosts.folder.startswith("/"):
        raise BadInput(
            f"hosts.folder is {config.hosts.folder!r}.",
            fix="Say a path from the root of the machines: /var/lib/watership",
        )
    return f"{config.hosts.folder.rstrip('/')}/{slug(config.environment.name)}"


def _shell(config: Config) -> Shell:
    from watership.adapters.ssh.reach import Reach
    from watership.adapters.ssh.shell import Shell

    hosts = config.hosts
    reach = Reach(
        user=hosts.ssh_user,
        port=hosts.ssh_port,
        key=hosts.ssh_key,
        known_hosts=hosts.ssh_known_hosts,
        sudo=hosts.sudo,
    )
    return Shell(reach, folder=_folder(config))
