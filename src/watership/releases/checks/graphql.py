"""A GraphQL schema is asked of the endpoint itself; that there is none has to be said, and is looked at too."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene, json_of
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, excerpt, failed, found

NONE = "none"

ASKED = """query { __schema { queryType { name } mutationType { name } types { kind name
  fields(includeDeprecated: true) { name args { type { ...t } } type { ...t } }
  inputFields { name type { ...t } } } } }
fragment t on __Type { kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }"""
"""Lists of required things in required lists are four deep."""


class _Ref(Struct):
    kind: str
    name: str | None = None
    ofType: _Ref | None = None  # noqa: N815 - as GraphQL spells it

    @property
    def named(self) -> str | None:
        return self.name or (self.ofType.named if self.ofType else None)


class _Argument(Struct):
    type: _Ref


class _Field(Struct):
    name: str
    type: _Ref
    args: list[_Argument] = []


class _Type(Struct):
    kind: str
    name: str
    fields: list[_Field] | None = None
    inputFields: list[_Field] | None = None  # noqa: N815


class _Name(Struct):
    name: str


class _Schema(Struct):
    queryType: _Name | None  # noqa: N815
    mutationType: _Name | None  # noqa: N815
    types: list[_Type]


class _Data(Struct, rename={"schema": "__schema"}):
    schema: _Schema


class _Answer(Struct):
    data: _Data


@check(
    "graphql.schema",
    good_for="24h",
    fix="Mend the schema; or say in systems.yaml where GraphQL is (fact graphql).",
)
async def schema(scene: Scene, *, of: str) -> Finding:
    """The fact `graphql` of the system `of` says where GraphQL is: every address then tells a schema by introspection,
    in which each type is known and has fields. `none` says that there is none: /graphql is then answered 404."""
    place = scene.fact(of, "graphql")
    if place == NONE:
        return await _absent(scene, of)
    wrong: list[str] = []
    types = 0
    headers = {"content-type": "application/json", **scene.system(of).sent(scene.look.secrets)}
    for url in await scene.urls(of):
        body = msgspec.json.encode({"query": ASKED})
        answer = json_of(
            url, place, await scene.look.http.request("POST", url + place, body=body, headers=headers)
        )
        if isinstance(answer, dict) and answer.get("errors"):
            return failed(
                f"{url}{place} refuses introspection: {excerpt(msgspec.json.encode(answer['errors']), 300)}"
            )
        there = shaped(of, answer, _Answer).data.schema
        types = len(there.types)
        wrong += (f"{url}{place}: {words}" for words in faults(there))
    return found(
        not wrong, f"{'; '.join(wrong[:8])}." if wrong else f"The schema's {types} types fit together."
    )


async def _absent(scene: Scene, of: str) -> Finding:
    wrong = []
    for url in await scene.urls(of):
        for method in ("GET", "POST"):
            answer = await scene.look.http.request(method, f"{url}/graphql")
            if answer.status != 404:
                wrong.append(f"{method} {url}/graphql is answered {answer.status}")
    words = "There is no GraphQL, as systems.yaml says: /graphql is answered 404."
    return found(
        not wrong, f"systems.yaml says that there is no GraphQL, but {'; '.join(wrong)}." if wrong else words
    )


def faults(schema: _Schema) -> Iterator[str]:
    """Types that are named and not there, or have nothing in them."""
    known = {each.name for each in schema.types}
    for root in (schema.queryType, schema.mutationType):
        if root is not None and root.name not in known:
            yield f"{root.name} is not among the types"
    if schema.queryType is None:
        yield "nothing can be queried"
    for each in schema.types:
        fields = each.fields or each.inputFields or []
        if each.kind in ("OBJECT", "INTERFACE", "INPUT_OBJECT") and not fields:
            yield f"{each.name} has no field"
        for field in fields:
            for used in (field.type, *(argument.type for argument in field.args)):
                if used.named not in known:
                    yield f"{each.name}.{field.name} uses {used.named}, which is not among the types"
