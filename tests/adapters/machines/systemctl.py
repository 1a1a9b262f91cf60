"""A systemctl that records: the commands that we use, as the real one takes them and answers.

A unit's instance is a thread of the test, and says who it is in the file that its unit names. It carries the build that
is unpacked where its words say. Whoever dies is started again, as `Restart=always` says.
"""

from __future__ import annotations

import fnmatch
import json
import shlex
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path

from tests.adapters.machines.listener import Listener
from tests.adapters.machines.program import Ended
from watership.adapters.files.builds import read_build

SAYS = {
    "--version": "systemd 252 (252.38-1~deb12u1)\n+PAM +AUDIT +SELINUX",
    "is-system-running": "running",
    "daemon-reload": "",
}


@dataclass
class Loaded:
    """A unit as the manager has read it."""

    text: ConfigParser
    instance: Listener | None = None
    restarts: int = 0
    failed: bool = False

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text["Service"]["ExecStart"].replace("$$", "$").replace("%%", "%"))

    def said(self, option: str) -> str:
        return self.words[self.words.index(option) + 1]


@dataclass
class Systemd:
    """The manager of one machine. On its disk are `units`, and `run`, what lives as long as a unit."""

    disk: Path
    seen: Path
    loaded: dict[str, Loaded] = field(default_factory=dict)
    enabled: set[str] = field(default_factory=set)
    stubborn: bool = False
    """What is asked to end does not."""

    @property
    def units(self) -> Path:
        return self.disk / "units"

    def run(self, words: list[str]) -> Ended:
        match words:
            case [word] if word in SAYS:
                return Ended(SAYS[word])
            case ["enable", "--quiet", "--now", *names]:
                return self._enable(names)
            case ["disable", "--quiet", name]:
                self.enabled.discard(name)
                return Ended()
            case ["stop", "--no-block", *names]:
                return self._begin_to_stop(names)
            case ["stop" | "kill" as verb, *_, pattern]:
                return self._stop(pattern, killed=verb == "kill")
            case ["reset-failed", pattern]:
                return self._forget(pattern)
            case ["show", chosen, pattern]:
                return self._show(chosen, pattern)
            case _:
                return Ended(errors=f"Unknown command verb {words[0]}.", code=1)

    def instances(self) -> dict[str, Listener]:
        return {
            f"{unit.said('--deployment')}-{unit.words[3]}-{name.removesuffix('.service').rpartition('-')[2]}": (
                unit.instance
            )
            for name, unit in self.loaded.items()
            if unit.instance is not None
        }

    def kill(self, name: str) -> None:
        for unit in self.loaded.values():
            if unit.instance is not None and self.instances().get(name) is unit.instance:
                unit.instance.end()
                self._start(unit)
                unit.restarts += 1
                return

    def end(self) -> None:
        for each in self.loaded.values():
            if each.instance is not None:
                each.instance.end()
        self.loaded.clear()

    def _enable(self, names: list[str]) -> Ended:
        for name in names:
            if not (self.units / name).is_file():
                return Ended(errors=f"Failed to enable unit: Unit file {name} does not exist.", code=1)
            if name in self.loaded and self.loaded[name].instance is not None:
                continue
            text = ConfigParser(interpolation=None, strict=False)
            text.optionxform = str  # type: ignore[assignment, method-assign]
            text.read_string((self.units / name).read_text())
            unit = Loaded(text)
            self._start(unit)
            self.enabled.add(name)
            self.loaded[name] = unit
        return Ended()

    def _start(self, unit: Loaded) -> None:
        assert unit.words[1:3] == ["-m", "watership.wiring.instance"]
        build = read_build(self._here(unit.said("--source")))
        serves = unit.words[3] == "serve"
        port = unit.said("--listen").rpartition(":")[2] if serves else "0"
        # All addresses of a machine are one here: the others are other machines'.
        machine = self.disk.name.removeprefix("disk-")
        unit.instance = Listener(machine, int(port), digest=build.digest, version=build.version)
        place = self.disk / "run" / unit.text["Service"]["RuntimeDirectory"]
        place.mkdir(parents=True, exist_ok=True)
        told = {
            "pid": unit.instance.pid,
            "state": "ready",
            "address": f"0.0.0.0:{unit.instance.port}" if serves else None,
            "digest": build.digest,
            "version": build.version,
        }
        (place / "presence.json").write_text(json.dumps(told))

    def _begin_to_stop(self, names: list[str]) -> Ended:
        """Asked to end, all at a time; whoever asks again waits for the end."""
        missing = [name for name in names if name not in self.loaded]
        return Ended(errors=f"Failed to stop {missing[0]}: Unit not loaded.", code=5) if missing else Ended()

    def _forget(self, pattern: str) -> Ended:
        for name in fnmatch.filter(self.loaded, pattern):
            if self.loaded[name].instance is None:
                del self.loaded[name]
        return Ended()

    def _stop(self, pattern: str, *, killed: bool = False) -> Ended:
        if self.stubborn and not killed:
            return Ended(errors="Job canceled.", code=1)
        if killed:
            self.stubborn = False
        for name in fnmatch.filter(self.loaded, pattern):
            unit = self.loaded[name]
            if unit.instance is not None:
                unit.instance.end()
                unit.instance = None
                unit.failed = killed
            if not unit.failed:
                del self.loaded[name]
        return Ended()

    def _show(self, chosen: str, pattern: str) -> Ended:
        names = chosen.removeprefix("--property=").split(",")
        blocks = []
        for name in fnmatch.filter(sorted(self.loaded), pattern):
            unit = self.loaded[name]
            fields = {
                "Id": name,
                "Description": unit.text["Unit"]["Description"].replace("%%", "%"),
                "ActiveState": "active" if unit.instance else "failed" if unit.failed else "inactive",
                "MainPID": str(unit.instance.pid if unit.instance else 0),
                "NRestarts": str(unit.restarts),
            }
            blocks.append("\n".join(f"{each}={fields[each]}" for each in names))
        return Ended("\n\n".join(blocks))

    def _here(self, path: str) -> Path:
        return self.disk / Path(path).relative_to(self.seen)
