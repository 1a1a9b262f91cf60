"""HAProxy's configuration, as its Data Plane API (version 3) tells it: what its statistics keep to themselves."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from msgspec import Struct

from watership.errors import BadInput
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene, json_of
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, found

BACKENDS: Final = "/v3/services/haproxy/configuration/backends"

NOWHERE: Final = "/no-such-thing"
"""Below a path of health nothing is: who answers well there too answers everything well."""


class _Params(Struct, frozen=True):
    uri: str = "/"


class _Backend(Struct):
    name: str
    adv_check: str = ""
    httpchk_params: _Params = _Params()


class _Check(Struct):
    type: str
    uri: str = ""


@check(
    "balancer.health_path",
    adapted=True,
    good_for="24h",
    fix="option httpchk GET PATH, in the pool; then reload.",
)
async def health_path(scene: Scene, *, of: str, pool: str, path: str, instances: str = "live") -> Finding:
    """The health checks of the `pool` ask for `path` and for nothing else, as the Data Plane API `of` tells, and every
    address of `instances` (live, next, or a system) answers there with 200, and elsewhere not."""
    asked = await _asked_for(scene, of, pool)
    wrong = [f"{pool} asks for {each}, not for {path}" for each in asked if each != path]
    if not asked:
        wrong.append(f"{pool} asks for no path")
    urls = await scene.urls(instances)
    for url in urls:
        here, nowhere = (
            await scene.fetch(instances, url + path),
            await scene.fetch(instances, url + path + NOWHERE),
        )
        if here.status != 200:
            wrong.append(f"{url}{path} answered {here.status}")
        elif nowhere.status == 200:
            wrong.append(f"{url} answers 200 to {path}{NOWHERE} as well: that says nothing of its health")
    return found(
        not wrong,
        f"{'; '.join(wrong)}." if wrong else f"{pool} asks for {path}, and {', '.join(urls)} answer it.",
    )


async def _asked_for(scene: Scene, of: str, pool: str) -> list[str]:
    """The paths that the health checks of a pool ask for."""
    where = f"{BACKENDS}/{quote(pool, safe='')}"
    answer = await scene.get(of, where)
    if answer.status == 404:
        raise BadInput(f"{of} has no pool '{pool}'.")
    backend = shaped(of, json_of(of, where, answer), _Backend)
    checks = shaped(of, await scene.json(of, f"{where}/http_checks"), list[_Check])
    sent = [each.uri or "/" for each in checks if each.type == "send"]
    return sent or ([backend.httpchk_params.uri] if backend.adv_check == "httpchk" else [])
