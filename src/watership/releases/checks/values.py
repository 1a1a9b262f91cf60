"""Values of a document are read by their path, and keep what is said of them: settings, records, baselines."""

from __future__ import annotations

import json
import math
import re
import tomllib
from datetime import UTC, datetime
from typing import Final

import yaml

from watership.errors import BadInput
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.documents import marks
from watership.releases.checks.kind import check
from watership.releases.checks.requests import at as placed
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, found

WISH: Final = re.compile(r"([\w.-]+)\s*(?:(>=|<=|<|>|=)\s*(.+))?")
"""`a.b >= 5`, `a.b = text`, or `a.b`: it is there."""


@check("document.holds", good_for="24h", fix="Correct the file, and deploy it.")
async def holds(scene: Scene, *, path: str, that: str) -> Finding:
    """The JSON, TOML or YAML file at `path` keeps each of `that` (commas between): `a.b >= 5`, `a.b = text`, or `a.b`,
    which is there and not empty."""
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    tree = parsed(document)
    wrong = [words for wish in _wishes(that) if (words := _broken(tree, wish)) is not None]
    return found(not wrong, f"{path}: {'; '.join(wrong) or that}.", **marks(document))


@check("baseline.holds", good_for="4h", fix="watership baseline capture")
async def baseline(
    scene: Scene, *, path: str, younger_than: float, numbers: str = "", of: str = "live", that: str = ""
) -> Finding:
    """The baseline at `path` was captured (`captured_at`) within `younger_than`, of the version (`version`) of `of`
    (live or next), has each of `numbers` (paths, commas between) as a number, and keeps each of `that`."""
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    tree = parsed(document)
    wrong = [f"{each} is no number" for each in listed(numbers) if not _is_number(_at(tree, each))]
    wrong += [words for wish in _wishes(that) if (words := _broken(tree, wish)) is not None] if that else []
    version = scene.side(of).build.version
    if _at(tree, "version") != version:
        wrong.append(f"it is of version {_at(tree, 'version') or 'unknown'}, and {of} is {version}")
    captured = _moment(_at(tree, "captured_at"))
    if captured is None:
        return failed(f"{path} does not say when it was captured.")
    age = (scene.now() - captured).total_seconds()
    if not -60 <= age <= younger_than:
        wrong.append(f"it was captured at {captured:%Y-%m-%d %H:%M}; {spoken(younger_than)} is the limit")
    words = "; ".join(wrong) or f"captured {spoken(max(age, 1.0))} ago, of version {version}"
    return found(not wrong, f"{path}: {words}.", **marks(document))


def parsed(document: Document) -> object:
    """What a document holds, by the end of its name. Raises BadInput."""
    text = document.content.decode(errors="replace")
    try:
        match document.path.rpartition(".")[2]:
            case "json":
                return json.loads(text)
            case "toml":
                return tomllib.loads(text)
            case "yaml" | "yml":
                return yaml.safe_load(text)
            case other:
                raise BadInput(f"{document.path}: '{other}' is neither json, toml nor yaml.")
    except (ValueError, yaml.YAMLError) as error:
        raise BadInput(f"{document.path} cannot be read: {error}.") from error


def _wishes(that: str) -> list[tuple[str, str, str]]:
    found = [(WISH.fullmatch(each), each) for each in listed(that)]
    if not found or any(match is None for match, _ in found):
        raise BadInput(f"'{that}' says nothing of a value.", fix='Write: that: "a.b >= 5, c = text, d"')
    return [(match[1], match[2] or "", (match[3] or "").strip()) for match, _ in found if match]


def _broken(tree: object, wish: tuple[str, str, str]) -> str | None:
    """What is wrong with a value; None when nothing is."""
    path, sign, wanted = wish
    value = _at(tree, path)
    if value is None or value == "":
        return f"{path} is not there"
    if not sign:
        return None
    if sign == "=":
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        return None if shown == wanted else f"{path} is {shown}, not {wanted}"
    if not _is_number(value):
        return f"{path} is {value!r}, which is no number"
    assert isinstance(value, int | float)
    number = float(wanted)
    good = {">=": value >= number, "<=": value <= number, "<": value < number, ">": value > number}[sign]
    return None if good else f"{path} is {value:g}, not {sign} {wanted}"


def _at(tree: object, path: str) -> object:
    """What stands at a path; None when nothing does."""
    try:
        return placed(tree, path)
    except LookupError:
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _moment(value: object) -> datetime | None:
    """A moment as a document writes it; without a zone it is none."""
    if not isinstance(value, str | datetime):
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
