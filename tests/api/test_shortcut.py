"""The way past the router answers as the router does."""

from __future__ import annotations

import pytest

from tests.api.world import world

WITHOUT_PARAMETERS = ("/api/v1/messages", "/api/messages", "/api/v1/runs", "/hop", "/openapi.json", "/livez")


@pytest.mark.parametrize("path", WITHOUT_PARAMETERS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
async def test_a_method_is_answered_like_behind_a_prefix_where_there_is_no_shortcut(
    path: str, method: str
) -> None:
    async with world() as direct, world(root_path="/behind") as routed:
        told = []
        for w, prefix in ((direct, ""), (routed, "/behind")):
            headers = {**w.bearer("operator"), "X-Request-Id": "the-same"}
            answer = await w.http.request(method, prefix + path, headers=headers, content=b'{"agent": 7}')
            kept = {name: value for name, value in answer.headers.items() if name not in {"allow", "date"}}
            allowed = set(answer.headers.get("allow", "").split(", "))
            told.append((answer.status_code, answer.content, kept, allowed))
    assert told[0] == told[1]
