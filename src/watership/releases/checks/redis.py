"""Redis is asked for its health, and its keys for what they are: documented, and gone some day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import listed, percent
from watership.releases.checks.documents import present, section_of
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive

SAMPLE = 200
"""Keys that are looked at: who documents or bounds nine of ten would be found out by this many."""

ROUNDS = 100
"""Steps of SCAN at most: a large Redis with few keys of ours is not walked to its end."""

SHOWN = 8
"""Keys that are named."""

PATTERN = re.compile(r"`([^`\s]+)`")
"""A pattern of keys as the document names it: `cache:model:*`."""


@check("redis.healthy", good_for="1h", fix="redis-cli INFO replication; redis-cli CLUSTER INFO")
async def healthy(scene: Scene, *, of: str, replicas: int = 0) -> Finding:
    """The Redis is a cluster whose slots are all served, or a master with `replicas` that follow it without a lag, and
    has loaded and written its data well."""
    info = await scene.look.redis.info(scene.address(of))
    wrong = [
        f"{name} is {info[name]}"
        for name in ("rdb_last_bgsave_status", "aof_last_write_status")
        if info.get(name, "ok") != "ok"
    ]
    if info.get("loading"):
        wrong.append("it is loading its data")
    if info.get("cluster_enabled"):
        told = str(await scene.look.redis.call(scene.address(of), "CLUSTER", "INFO"))
        if "cluster_state:ok" not in told:
            wrong.append("the cluster does not serve all slots")
        words = "The cluster serves all slots."
    else:
        follow = [name for name in info if re.fullmatch(r"slave\d+\.state", name) and info[name] == "online"]
        if info.get("role") != "master":
            wrong.append(f"its role is {info.get('role')}, not master")
        if len(follow) < replicas:
            wrong.append(f"{len(follow)} replica(s) follow it, of {replicas}")
        words = f"It is a master with {len(follow)} replica(s) online."
    return found(not wrong, f"{'; '.join(wrong)}." if wrong else words)


@check("redis.hit_ratio", good_for="4h", fix="Warm the cache up, or let entries live longer.")
async def hit_ratio(scene: Scene, *, of: str, at_least: float, lookups: int = 100) -> Finding:
    """Of the lookups since the Redis started at least that share found something. Fewer than `lookups` say nothing."""
    info = await scene.look.redis.info(scene.address(of))
    hits, misses = info.get("keyspace_hits"), info.get("keyspace_misses")
    if not isinstance(hits, int) or not isinstance(misses, int):
        raise Unavailable(f"{of} does not count its lookups.")
    every = hits + misses
    if every < lookups:
        return inconclusive(f"Redis was asked {every:,} times; {lookups:,} are needed to say something.")
    words = f"{percent(hits / every)} of {every:,} lookups found something; {percent(at_least)} is wanted."
    return found(hits / every >= at_least, words, hits=hits, misses=misses)


@check("redis.memory", good_for="1h", fix="Raise maxmemory, or find what grew.")
async def memory(scene: Scene, *, of: str, below: float = 0.8) -> Finding:
    """Redis uses less than `below` of its maxmemory, and has one."""
    info = await scene.look.redis.info(scene.address(of))
    used, most = info.get("used_memory"), info.get("maxmemory")
    if not isinstance(used, int) or not isinstance(most, int):
        raise Unavailable(f"{of} does not tell its memory.")
    if not most:
        return failed("Redis has no maxmemory: it grows until the machine has none.")
    words = f"Redis uses {percent(used / most)} of its maxmemory; {percent(below)} is the limit."
    return found(used / most < below, words, used=used, most=most)


@check("redis.expiring", good_for="24h", fix="Set an expiry (SET … EX) with each key.")
async def expiring(scene: Scene, *, of: str, besides: str = "") -> Finding:
    """Of a sample of keys each one expires, but those that match `besides` (patterns, commas between)."""
    url = scene.address(of)
    keys = [
        key
        for key in await sampled(scene, url)
        if not any(fnmatchcase(key, each) for each in listed(besides))
    ]
    if not keys:
        return inconclusive("There is no key to look at.")
    forever = [key for key in keys if await scene.look.redis.call(url, "TTL", key) == -1]
    words = f"{', '.join(forever[:SHOWN])}: {len(forever)} of {len(keys)} keys never expire."
    return found(not forever, words if forever else f"Each of {len(keys)} keys expires.", keys=len(keys))


@check(
    "redis.documented",
    good_for="48h",
    fix="Name the pattern of these keys in the document, and what they hold.",
)
async def documented(scene: Scene, *, of: str, document: str, section: str) -> Finding:
    """Of a sample of keys each one matches a pattern that the section of the document names in backticks."""
    told = await present(scene, document)
    if isinstance(told, Finding):
        return told
    body = section_of(told.content.decode(errors="replace"), section)
    patterns = PATTERN.findall(body or "")
    if not patterns:
        return failed(f"{document} names no pattern of keys in '{section}'.")
    if any(not pattern.strip("*?") for pattern in patterns):
        raise BadInput(
            f"{document} names a pattern that matches every key.", fix="Name what the keys begin with."
        )
    keys = await sampled(scene, scene.address(of))
    if not keys:
        return inconclusive("There is no key to look at.")
    strange = [key for key in keys if not any(fnmatchcase(key, pattern) for pattern in patterns)]
    words = f"{len(strange)} of {len(keys)} keys are not documented: {', '.join(strange[:SHOWN])}."
    return found(
        not strange,
        words if strange else f"{len(keys)} keys match the {len(patterns)} patterns of {document}.",
    )


async def sampled(scene: Scene, url: str) -> Sequence[str]:
    """Some keys, SAMPLE at most, from where SCAN begins."""
    keys: dict[str, None] = {}
    cursor = "0"
    for _ in range(ROUNDS):
        reply = await scene.look.redis.call(url, "SCAN", cursor, "COUNT", "100")
        if not isinstance(reply, list) or len(reply) != 2 or not isinstance(reply[1], list):
            raise Unavailable("Redis answered SCAN otherwise than its protocol says.")
        cursor = str(reply[0])
        keys |= dict.fromkeys(str(key) for key in reply[1])
        if cursor == "0" or len(keys) >= SAMPLE:
            break
    return list(keys)[:SAMPLE]
