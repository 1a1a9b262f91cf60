"""A docker that records: the commands that we use, as the real client takes them and answers; an image is a build.

A container is a process on this machine. What an image holds is in `registry.json`; one that is not there cannot be
pulled. A container whose process died is started again at the next call, as `restart: unless-stopped` says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.adapters.machines import recorded

TYPES = {"serve": "3000/tcp", "worker": "9100/tcp"}


def main() -> int:
    recorded.record("docker")
    words = sys.argv[1:]
    with recorded.alone():
        match words:
            case ["pull", "--quiet", image]:
                return pull(image)
            case ["compose", "version", "--short"]:
                say("2.39.1")
                return 0
            case ["version", "--format", "{{.Server.Version}}"]:
                say("28.2.2")
                return 0
            case ["compose", *rest]:
                return compose(rest)
            case ["ps", "--all", "--quiet", "--no-trunc", "--filter", selected]:
                say("\n".join(each["id"] for each in containers() if has(each, selected)))
                return 0
            case ["inspect", "--type", "container", *ids]:
                return inspect(ids)
    complain(f"docker: '{' '.join(words)}' is not a docker command.")
    return 125


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def complain(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def pull(image: str) -> int:
    held = json.loads((recorded.folder().parent / "registry.json").read_text())
    if image not in held:
        complain(f"Error response from daemon: manifest for {image} not found: manifest unknown")
        return 1
    images = recorded.folder() / "images.json"
    known = json.loads(images.read_text()) if images.exists() else {}
    images.write_text(json.dumps(known | {image: held[image]}))
    say(image)
    return 0


def compose(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="docker compose")
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
        for each in containers():
            if each["project"] == options.project_name:
                remove(each, options.timeout)
        return 0
    return bring_up(yaml.safe_load(options.file.read_text()))


def bring_up(tree: dict[str, Any]) -> int:
    images = json.loads((recorded.folder() / "images.json").read_text())
    there = {each["service"]: each for each in containers() if each["project"] == tree["name"]}
    for service, each in there.items():
        if service not in tree["services"]:
            remove(each, 10)
    for service, said in tree["services"].items():
        if said["image"] not in images:
            complain(f"Error response from daemon: No such image: {said['image']}")
            return 1
        for file in said.get("env_file", []):
            if not Path(file).is_file():
                complain(f"env file {file} not found: stat {file}: no such file or directory")
                return 14
        wanted = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
        if service in there:
            if there[service]["hash"] == wanted:
                continue
            remove(there[service], 10)
        begin({"service": service, "project": tree["name"], "hash": wanted, "said": said, "restarts": 0})
    return 0


def begin(container: dict[str, Any]) -> None:
    """Run its command, as far as it is ours, with what its image holds."""
    said, place = container["said"], recorded.folder()
    key = f"{container['project']}-{container['service']}"
    (published,) = said["ports"]
    bound = f"{published['host_ip']}:{container.get('port') or published.get('published', 0)}"
    image = json.loads((place / "images.json").read_text())[said["image"]]
    words = [each.replace("$$", "$") for each in said["command"]]
    assert words[:3] == ["python", "-m", "watership.wiring.instance"]
    assert words[-1] == f"0.0.0.0:{published['target']}"
    told = place / f"{key}.port"
    told.unlink(missing_ok=True)
    variables = {"DIGEST": image["digest"], "VERSION": image["version"], "PORT_FILE": str(told)}
    command = [sys.executable, "-I", str(recorded.INSTANCE), *words[3:-1], bound]
    pid = recorded.started(command, variables, place / f"{key}.log")
    assert recorded.until(told.exists, recorded.PATIENCE), (place / f"{key}.log").read_text()
    container |= {
        "id": hashlib.sha256(f"{key}{pid}".encode()).hexdigest(),
        "pid": pid,
        "port": told.read_text(),
    }
    (place / f"{key}.container").write_text(json.dumps(container))


def remove(container: dict[str, Any], seconds: float) -> None:
    recorded.ended(container["pid"], seconds)
    (recorded.folder() / f"{container['project']}-{container['service']}.container").unlink()


def containers() -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in sorted(recorded.folder().glob("*.container"))]
    for each in found:
        if not recorded.alive(each["pid"]):
            each["restarts"] += 1
            begin(each)
    return found


def has(container: dict[str, Any], selected: str) -> bool:
    name, _, value = selected.removeprefix("label=").partition("=")
    return bool(container["said"]["labels"].get(name) == value)


def inspect(ids: list[str]) -> int:
    known = {each["id"]: each for each in containers()}
    say(json.dumps([inspected(known[each]) for each in ids if each in known]))
    missing = [each for each in ids if each not in known]
    for each in missing:
        complain(f"Error: No such container: {each}")
    return 1 if missing else 0


def inspected(container: dict[str, Any]) -> dict[str, Any]:
    said = container["said"]
    (published,) = said["ports"]
    bound = [{"HostIp": published["host_ip"], "HostPort": container["port"]}]
    ours = {
        "com.docker.compose.project": container["project"],
        "com.docker.compose.service": container["service"],
    }
    return {
        "Id": container["id"],
        "Created": "2026-11-29T12:00:00.123456789Z",
        "State": {
            "Status": "running",
            "Running": True,
            "Paused": False,
            "Pid": container["pid"],
            "ExitCode": 0,
        },
        "Name": f"/{container['project']}-{container['service']}-1",
        "RestartCount": container["restarts"],
        "Config": {"Image": said["image"], "Cmd": said["command"], "Labels": {**ours, **said["labels"]}},
        "NetworkSettings": {"Bridge": "", "Ports": {f"{published['target']}/tcp": bound}},
    }


if __name__ == "__main__":
    sys.exit(main())
