"""Deployments on PostgreSQL: one row each."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watership.adapters.ledger.columns import micros
from watership.adapters.postgres.links import Links
from watership.errors import Fenced
from watership.fleet.deployment import Deployment, DeploymentState

_PUT_DEPLOYMENT = """
WITH fence AS (SELECT epoch FROM intake FOR SHARE)
INSERT INTO deployments (id, state, created_at, body)
SELECT $1, $2, $3, $4 WHERE $5::bigint IS NULL OR (SELECT epoch FROM fence) <= $5 ON CONFLICT (id) DO UPDATE
SET state = excluded.state, created_at = excluded.created_at, body = excluded.body RETURNING id"""
_EPOCH = "SELECT epoch FROM intake"
_DEPLOYMENTS = "SELECT body FROM deployments WHERE state <> $1 ORDER BY created_at, id"
_deployment = msgspec.json.Decoder(Deployment)


class PostgresDeployments:
    """Deployments."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def put(self, deployment: Deployment, *, epoch: int | None = None) -> None:
        body = msgspec.json.encode(deployment)
        created_at = micros(deployment.created_at)
        async with self._links.writing.session() as db:
            put = (deployment.id, deployment.state.value, created_at, body, epoch)
            if await db.fetchval(_PUT_DEPLOYMENT, *put) is None:
                assert epoch is not None, "only an epoch keeps a deployment from being put"
                raise Fenced("The register", held=epoch, current=await db.fetchval(_EPOCH))

    async def all(self) -> Sequence[Deployment]:
        async with self._links.reading.session() as db:
            rows = await db.fetch(_DEPLOYMENTS, DeploymentState.RETIRED.value)
        return [_deployment.decode(row[0]) for row in rows]
