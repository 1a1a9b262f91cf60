"""A command starts one instance of a deployment; as a template it can be given to the agent's process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import Formatter

from watership.errors import BadInput
from watership.releases.ports import HostSpec, Role

Command = Callable[[HostSpec, Role, int], list[str]]
"""The arguments that start the instance of a spec with this role and index."""


def from_template(template: Sequence[str]) -> Command:
    """A command whose arguments have their placeholders replaced.

    Placeholders: {deployment} {role} {index} {slot} {slots} {source} {version} {digest}.
    Raises BadInput for an unknown one, before anything is started.
    """

    def command(spec: HostSpec, role: Role, index: int) -> list[str]:
        values = facts(spec, role, index)
        return [argument.format_map(values) for argument in template]

    unknown = {name for argument in template for name in _placeholders(argument)} - set(_NAMES)
    if not template or unknown:
        names = ", ".join(f"{{{name}}}" for name in sorted(unknown)) or "nothing"
        raise BadInput(
            f"The command template contains {names}.",
            fix=f"It may contain {', '.join(f'{{{name}}}' for name in _NAMES)}.",
        )
    return command


_NAMES = ("deployment", "role", "index", "slot", "slots", "source", "version", "digest")


def facts(spec: HostSpec, role: Role, index: int) -> dict[str, str]:
    """What an instance is told, by placeholder."""
    build = spec.build
    values = (spec.deployment, role, index, spec.slot, spec.slots, build.source, build.version, build.digest)
    return {name: str(value) for name, value in zip(_NAMES, values, strict=True)}


def _placeholders(argument: str) -> list[str]:
    try:
        return [name for _, name, _, _ in Formatter().parse(argument) if name is not None]
    except ValueError as error:
        raise BadInput(f"The command template's {argument!r} cannot be read: {error}.") from error
