"""A kind of check is a small typed function with a name, parameters that a runbook gives, and evidence that expires."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from types import ModuleType
from typing import Concatenate, Final, ParamSpec, get_type_hints

from watership.errors import BadInput
from watership.releases.book.quantity import Given, duration, spoken
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding

P = ParamSpec("P")

GOOD_FOR: Final = 4 * 3600.0
"""Seconds that evidence counts unless the kind, or the point, says otherwise: from T-4h to the start."""

REQUIRED: Final = inspect.Parameter.empty

BOUNDS: Final = ("below", "at_least")
"""The parameters by which a figure is good or bad."""

Run = Callable[..., Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a check; `default` is REQUIRED where there is none."""

    name: str
    type: type
    default: object = REQUIRED

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def taken(self, value: Given) -> Given:
        """The value as the check wants it. Raises BadInput."""
        if self.type is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if self.type is str and not isinstance(value, bool):
            return (
                value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
            )
        if type(value) is not self.type:
            raise BadInput(f"The parameter '{self.name}' is {value!r}, but must be {_WORDS[self.type]}.")
        return value


_WORDS: Final = {
    float: "a number, a duration or a percentage",
    int: "a whole number",
    str: "text",
    bool: "true or false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckKind:
    """A check as the registry knows it.

    `adapted`: it asks a system that is not ours, by that system's own protocol. `tells`: it tells a figure, which is
    good or bad only by a bound. `good_for`: seconds that its evidence counts. `fix`: what mends most failures of it.
    """

    name: str
    run: Run
    about: str
    parameters: Mapping[str, Parameter]
    adapted: bool = False
    tells: bool = False
    good_for: float = GOOD_FOR
    fix: str = ""

    def bound(self, given: Mapping[str, Given]) -> dict[str, Given]:
        """The parameters for one measurement. Raises BadInput for one that is missing, unknown or of the wrong type."""
        for name in given:
            if name not in self.parameters:
                close = difflib.get_close_matches(name, list(self.parameters), n=1)
                hint = (
                    f"Did you mean '{close[0]}'?"
                    if close
                    else f"It takes: {', '.join(self.parameters) or 'none'}."
                )
                raise BadInput(f"The check {self.name} has no parameter '{name}'.", fix=hint)
        lacking = [each.name for each in self.parameters.values() if each.required and each.name not in given]
        if lacking:
            raise BadInput(f"The check {self.name} needs '{', '.join(lacking)}'.")
        if empty := self.empty(given):
            raise BadInput(
                f"The check {self.name} is given an empty '{empty[0]}': it would pass whatever there is."
            )
        return {name: self.parameters[name].taken(value) for name, value in given.items()}

    def empty(self, given: Mapping[str, Given]) -> list[str]:
        """The parameters that have to name something, and name nothing."""
        # Commas part several things: between nothing they name none.
        bare = [name for name, value in given.items() if isinstance(value, str) and not value.strip(", ")]
        return [name for name in bare if name in self.parameters and self.parameters[name].required]

    def unbounded(self, given: Mapping[str, Given]) -> str:
        """Why the check could not fail with these parameters, whatever the figure is; empty where it could."""
        takes = [name for name in BOUNDS if name in self.parameters]
        said = [name for name in takes if name in given and not _no_number(given[name])]
        if not self.tells or said:
            return ""
        wants = f"say {' or '.join(takes)}" if takes else "it is for baselines, and judges nothing"
        return f"the check {self.name} has no bound: {wants}"

    async def measure(self, scene: Scene, given: Mapping[str, Given]) -> Finding:
        """What the check finds in a scene. Raises BadInput for a figure that nothing bounds, but for a baseline."""
        taken = self.bound(given)
        lacking = "" if scene.recording else self.unbounded(given)
        if lacking:
            raise BadInput(f"{lacking[0].upper()}{lacking[1:]}.")
        return await self.run(scene, **taken)


def _no_number(value: Given) -> bool:
    return isinstance(value, float) and isnan(value)


def check(
    name: str, *, adapted: bool = False, tells: bool = False, good_for: str = "", fix: str = ""
) -> Callable[
    [Callable[Concatenate[Scene, P], Awaitable[Finding]]], Callable[Concatenate[Scene, P], Awaitable[Finding]]
]:
    """Make a kind of check of a function; its parameters after the scene are the check's, its docstring is its `about`.

    @check("redis.memory", good_for="1h", fix="Raise maxmemory, or find what grew.")
    async def memory(scene: Scene, *, of: str = "redis", below: float = 0.8) -> Finding:
        \"\"\"Redis uses less than `below` of its maxmemory.\"\"\"
    """

    def kept(
        function: Callable[Concatenate[Scene, P], Awaitable[Finding]],
    ) -> Callable[Concatenate[Scene, P], Awaitable[Finding]]:
        kind = CheckKind(
            name=name,
            run=function,
            about=inspect.cleandoc(function.__doc__ or name),
            parameters=_parameters(function),
            adapted=adapted,
            tells=tells,
            good_for=duration(good_for) if good_for else GOOD_FOR,
            fix=fix,
        )
        vars(function)["kind"] = kind  # what `collected` looks for
        return function

    return kept


def _parameters(function: Callable[..., object]) -> dict[str, Parameter]:
    hints, name = get_type_hints(function), function.__name__
    taken = list(inspect.signature(function).parameters.values())
    if not taken:
        raise BadInput(f"{name}() takes no scene: its first parameter is what it may look at.")
    _, *rest = taken
    for each in rest:
        if hints.get(each.name) not in _WORDS:
            types = ", ".join(sorted(kind.__name__ for kind in _WORDS))
            raise BadInput(f"{name}({each.name}) is of no type that a runbook can write; those are: {types}.")
    return {each.name: Parameter(each.name, hints[each.name], each.default) for each in rest}


def collected(modules: Iterable[ModuleType]) -> dict[str, CheckKind]:
    """The kinds of checks that modules define, by name, sorted."""
    found = [
        member.kind
        for module in modules
        for member in vars(module).values()
        if isinstance(getattr(member, "kind", None), CheckKind) and member.__module__ == module.__name__
    ]
    names = [kind.name for kind in found]
    assert len(names) == len(set(names)), f"two checks have one name: {sorted(names)}"
    return {kind.name: kind for kind in sorted(found, key=lambda kind: kind.name)}


def explained(kind: CheckKind) -> str:
    """A check for people: what it measures, its parameters, and how long its evidence is good."""
    lines = [f"{kind.name}: {kind.about}", ""]
    for each in kind.parameters.values():
        default = "required" if each.required else f"default {each.default!r}"
        lines.append(f"  {each.name:<16} {_WORDS[each.type]}, {default}")
    lines.append(f"  evidence is good for {spoken(kind.good_for)}")
    if kind.fix:
        lines.append(f"  if it fails: {kind.fix}")
    return "\n".join(lines)
