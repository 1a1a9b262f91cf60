"""Vault is asked how old its secrets are, never what they say: the metadata of its key-value store, version 2."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene, json_of
from watership.releases.measurement import Finding, failed, found

MOUNT: Final = "secret"
"""Where the store is mounted, unless the system's fact `mount` says otherwise."""


class Version(Struct, frozen=True):
    created_time: datetime
    deletion_time: str = ""
    destroyed: bool = False


class Metadata(Struct, frozen=True):
    """What Vault says of a secret besides the secret."""

    current_version: int
    versions: dict[str, Version]


class _Answer(Struct, frozen=True):
    data: Metadata


@check("vault.rotated", adapted=True, good_for="24h", fix="vault kv put secret/PATH …")
async def rotated(scene: Scene, *, of: str, path: str, within: float) -> Finding:
    """The secret at `path` of the Vault `of` has a version that was made `within`, not its first, and not deleted."""
    there = await _metadata(scene, of, path)
    return failed(f"{of} has no secret at {path}.") if there is None else _rotated(scene, path, there, within)


@check(
    "vault.deployed",
    adapted=True,
    good_for="24h",
    fix="Deploy the secrets again, and write down their versions.",
)
async def deployed(scene: Scene, *, of: str, path: str, within: float, deployed: str) -> Finding:
    """The secret at `path` of the Vault `of` was rotated `within`, and the JSON file `deployed` has that version of it:
    {"PATH": version}, as the deployment wrote it down."""
    document = await scene.look.documents.read(deployed)
    if document is None:
        return failed(f"There is no {deployed}.")
    try:
        versions = msgspec.json.decode(document.content, type=dict[str, int])
    except msgspec.DecodeError as error:
        return failed(f"{deployed} does not say which versions are deployed: {error}.")
    there = await _metadata(scene, of, path)
    if there is None:
        return failed(f"{of} has no secret at {path}.")
    if versions.get(path) != there.current_version:
        return failed(f"{path} is version {there.current_version}; deployed is {versions.get(path, 'none')}.")
    return _rotated(scene, path, there, within)


@check("vault.synced", adapted=True, good_for="24h", fix="Look at the replication of Vault.")
async def synced(scene: Scene, *, of: str, to: str, paths: str) -> Finding:
    """Each of `paths` (commas between) has the same version, made at the same time, in the Vaults `of` and `to`."""
    wrong = []
    for path in listed(paths):
        here, there = await _metadata(scene, of, path), await _metadata(scene, to, path)
        if here is None or there is None:
            wrong.append(f"{path} is not in {of if here is None else to}")
        elif (here.current_version, _made(here)) != (there.current_version, _made(there)):
            wrong.append(f"{path} is version {here.current_version} in {of}, {there.current_version} in {to}")
    if not listed(paths):
        return failed("No path is named.")
    return found(not wrong, "; ".join(wrong) or f"{paths}: the same in {of} and {to}.")


def _rotated(scene: Scene, path: str, there: Metadata, within: float) -> Finding:
    last = there.versions.get(str(there.current_version))
    if last is None or last.destroyed or last.deletion_time:
        return failed(f"{path} has no version any more: its last one was deleted.")
    age = scene.now() - last.created_time
    made = f"{last.created_time:%Y-%m-%d}"
    words = f"{path} has version {there.current_version} of {made}; {spoken(within)} is the limit."
    if there.current_version < 2:
        return failed(f"{path} was made at {made}, and never rotated.")
    return found(age <= timedelta(seconds=within), words, version=there.current_version)


def _made(there: Metadata) -> datetime | None:
    last = there.versions.get(str(there.current_version))
    return None if last is None else last.created_time


async def _metadata(scene: Scene, of: str, path: str) -> Metadata | None:
    """What Vault says of a secret; None when it has none there."""
    mount = scene.system(of).facts.get("mount", MOUNT)
    where = f"/v1/{mount}/metadata/{path}"
    answer = await scene.get(of, where)
    if answer.status == 404:
        return None
    try:
        return msgspec.convert(json_of(of, where, answer), _Answer).data
    except msgspec.ValidationError as error:
        raise Unavailable(f"{of}{where} answered what is no metadata of Vault: {error}.") from error
