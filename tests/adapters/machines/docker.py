"""A docker that records: the commands that we use, as the real client takes them and answers; an image is a build.

A container's instance is a thread of the test. Whoever dies is started again, as `restart: unless-stopped` says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.adapters.machines.listener import Listener
from tests.adapters.machines.program import Ended, Parser
from watership.fleet.build import Build


@dataclass
class Container:
    project: str
    service: str
    said: dict[str, Any]
    instance: Listener
    state: str = "running"
    restarts: int = 0

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.project}/{self.service}/{id(self)}".encode()).hexdigest()


@dataclass
class Docker:
    """The engine of one machine. `registry` is what can be pulled: an image's name, and the build in it."""

    disk: Path
    """What the machine sees as /…/disk, as the test sees it."""
    seen: Path
    registry: dict[str, Build]
    images: dict[str, Build] = field(default_factory=dict)
    containers: dict[tuple[str, str], Container] = field(default_factory=dict)

    def run(self, words: list[str]) -> Ended:
        match words:
            case ["pull", "--quiet", image]:
                return self._pull(image)
            case ["compose", "version", "--short"]:
                return Ended("2.39.1")
            case ["version", "--format", "{{.Server.Version}}"]:
                return Ended("28.2.2")
            case ["compose", *rest]:
                return self._compose(rest)
            case ["ps", "--all", "--quiet", "--no-trunc", "--filter", selected]:
                return Ended("\n".join(each.id for each in self.containers.values() if has(each, selected)))
            case ["inspect", "--type", "container", *ids]:
                return self._inspect(ids)
            case _:
                return Ended(errors=f"docker: '{' '.join(words)}' is not a docker command.", code=125)

    def instances(self) -> dict[str, Listener]:
        return {each.said["labels"]["watership.instance"]: each.instance for each in self.containers.values()}

    def kill(self, name: str) -> None:
        """An instance dies, and the engine starts it again."""
        (dead,) = [
            each for each in self.containers.values() if each.said["labels"]["watership.instance"] == name
        ]
        dead.instance.end()
        dead.instance = self._listener(dead.said, dead.instance.port)
        dead.restarts += 1

    def end(self) -> None:
        for each in self.containers.values():
            each.instance.end()
        self.containers.clear()

    def _pull(self, image: str) -> Ended:
        if image not in self.registry:
            what = f"manifest for {image} not found: manifest unknown: manifest unknown"
            return Ended(errors=f"Error response from daemon: {what}", code=1)
        self.images[image] = self.registry[image]
        return Ended(image)

    def _compose(self, words: list[str]) -> Ended:
        parser = Parser(prog="docker compose")
        parser.add_argument("--file", type=Path)
        parser.add_argument("--project-name")
        commands = parser.add_subparsers(dest="command", required=True)
        up = commands.add_parser("up")
        for flag in ("--detach", "--no-build", "--remove-orphans"):
            up.add_argument(flag, action="store_true", required=True)
        up.add_argument("--pull", choices=["never"], required=True)
        down = commands.add_parser("down")
        down.add_argument("--remove-orphans", action="store_true", required=True)
        down.add_argument("--timeout", type=int, required=True)
        options = parser.parse_args(words)
        if options.command == "down":
            return self._down(options)
        return self._up(yaml.safe_load((self.disk / options.file.relative_to(self.seen)).read_text()))

    def _down(self, options: argparse.Namespace) -> Ended:
        mine = [key for key in self.containers if key[0] == options.project_name]
        for key in mine:
            self.containers.pop(key).instance.end()
        words = f'Warning: No resource found to remove for project "{options.project_name}".'
        return Ended(errors="" if mine else words)

    def _up(self, tree: dict[str, Any]) -> Ended:
        name, services = tree["name"], tree["services"]
        for key in [key for key in self.containers if key[0] == name and key[1] not in services]:
            self.containers.pop(key).instance.end()
        for service, said in services.items():
            if said["image"] not in self.images:
                return Ended(errors=f"Error response from daemon: No such image: {said['image']}", code=1)
            for file in said.get("env_file", []):
                if not (self.disk / Path(file).relative_to(self.seen)).is_file():
                    return Ended(errors=f"env file {file} not found: stat {file}: no such file", code=14)
            there = self.containers.get((name, service))
            if there is not None and there.said == said:
                continue
            if there is not None:
                there.instance.end()
            try:
                instance = self._listener(said, int(said["ports"][0].get("published", 0)))
            except OSError as error:
                return Ended(errors=f"Error response from daemon: failed to bind host port: {error}", code=1)
            self.containers[name, service] = Container(name, service, said, instance)
        return Ended(errors="\n".join(f" Container {name}-{service}-1  Started" for service in services))

    def _listener(self, said: dict[str, Any], port: int) -> Listener:
        """What its image holds, where its words say that it listens."""
        (published,) = said["ports"]
        words = [each.replace("$$", "$") for each in said["command"]]
        assert said["entrypoint"] == ["python", "-m", "watership.wiring.instance"]
        assert words[-2:] == ["--listen", f"0.0.0.0:{published['target']}"]
        build = self.images[said["image"]]
        return Listener(published["host_ip"], port, digest=build.digest, version=build.version)

    def _inspect(self, ids: list[str]) -> Ended:
        known = {each.id: each for each in self.containers.values()}
        missing = [each for each in ids if each not in known]
        return Ended(
            json.dumps([inspected(known[each]) for each in ids if each in known]),
            "\n".join(f"Error response from daemon: No such container: {each}" for each in missing),
            1 if missing else 0,
        )


def has(container: Container, selected: str) -> bool:
    name, _, value = selected.removeprefix("label=").partition("=")
    return bool(container.said["labels"].get(name) == value)


def inspected(container: Container) -> dict[str, Any]:
    """As the engine's API has it, the parts that are about how it runs."""
    said, runs = container.said, container.state == "running"
    (published,) = said["ports"]
    bound = [{"HostIp": published["host_ip"], "HostPort": str(container.instance.port)}]
    theirs = {
        "com.docker.compose.project": container.project,
        "com.docker.compose.service": container.service,
    }
    return {
        "Id": container.id,
        "Created": "2026-11-29T12:00:00.123456789Z",
        "Path": said["entrypoint"][0],
        "Args": [*said["entrypoint"][1:], *said["command"]],
        "State": {
            "Status": container.state,
            "Running": runs,
            "Paused": False,
            "Restarting": False,
            "OOMKilled": False,
            "Dead": False,
            "Pid": container.instance.pid if runs else 0,
            "ExitCode": 0,
            "Error": "",
            "StartedAt": "2026-11-29T12:00:00.623456789Z",
        },
        "Name": f"/{container.project}-{container.service}-1",
        "RestartCount": container.restarts,
        "Config": {"Image": said["image"], "Cmd": said["command"], "Labels": {**theirs, **said["labels"]}},
        "NetworkSettings": {
            "Bridge": "",
            "Ports": {f"{published['target']}/tcp": bound} if runs else {},
        },
    }
