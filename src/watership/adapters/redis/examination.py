"""What `watership doctor --prod` looks at in Redis, which holds nothing that matters: no finding is a problem."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from watership.fleet.finding import Finding

SECONDS = 2.0


async def examine(url: str) -> list[Finding]:
    """Whether it answers, and whether it throws out old keys before it refuses new ones."""
    try:
        client = Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
    except ValueError as error:
        return [
            Finding(
                what="Redis", state="problem", detail=str(error), fix="Set cache.url to redis://HOST:PORT/0"
            )
        ]
    try:
        facts = await client.info()
    except (AuthenticationError, ResponseError) as error:  # it runs, and will not have us
        return [
            Finding(
                what="Redis",
                state="warning",
                detail=f"refuses us ({error}): caches and limits are each process's own",
                fix="Look at user, password and the database's number (redis://user:password@HOST:PORT/0) in cache.url",
            )
        ]
    except (RedisError, OSError) as error:
        return [
            Finding(
                what="Redis",
                state="warning",
                detail=f"does not answer ({type(error).__name__}): caches and limits are each process's own",
                fix="Start it (systemctl start redis-server), look at host and port of cache.url, or remove it",
            )
        ]
    finally:
        await client.aclose()
    bounded, policy = int(facts["maxmemory"]) > 0, str(facts["maxmemory_policy"])
    ok = not bounded or policy.startswith("allkeys")
    return [
        Finding(what="Redis", state="ok", detail=str(facts["redis_version"])),
        Finding(
            what="Redis memory",
            state="ok" if ok else "warning",
            detail=f"{facts['used_memory_human']} used, {policy}",
            fix="" if ok else "redis-cli CONFIG SET maxmemory-policy allkeys-lru",
        ),
    ]
