"""An HTTP stand-in of a cluster's API: it keeps objects with their versions, and has pods for its Deployments.

What it does as the real one does: resourceVersion and uid as conditions (409), names that are taken (409), server-side
apply and merge patches by their content type, DeleteOptions with preconditions, label selectors, lists in pieces, and
Status objects for what it refuses. It knows Deployments, Pods and ConfigMaps of any namespace, and watches nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from lightkube.resources.apps_v1 import Deployment

from tests.adapters.machines.listener import Listener
from watership.fleet.build import Build
from watership.testing.standin import Answer, Asked, StandIn

OBJECT: Final = re.compile(
    r"/(?:apis/apps/v1|api/v1)/namespaces/(?P<space>[^/]+)/(?P<kind>deployments|pods|configmaps)(?:/(?P<name>[^/]+))?"
)
NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")

TOKEN: Final = "of-the-test"

Key = tuple[str, str, str]


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class ClusterApi(StandIn):
    """`registry`: the build in each image. `network`: pods get 127.0.NETWORK.N.

    `before`: what happens before a request is answered, for a test that comes in between; `ready`: pods are.
    """

    def __init__(self, registry: dict[str, Build], network: int = 7) -> None:
        super().__init__()
        self.registry = registry
        self.objects: dict[Key, dict[str, Any]] = {}
        self.listeners: dict[str, Listener] = {}
        self.before: Callable[[Asked], None] = lambda asked: None
        self.stubborn = False
        self._network = network
        self._versions, self._numbers = count(1), count(1)

    def kubeconfig(self, folder: Path) -> str:
        """A file by which a client finds it."""
        tree = {
            "current-context": "test",
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "releases", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "here", "user": "releases"}}],
        }
        (folder / "kubeconfig").write_text(json.dumps(tree))
        return str(folder / "kubeconfig")

    def answer(self, asked: Asked) -> Answer:
        self.before(asked)
        self.asked.append(asked)
        parts = urlsplit(asked.path)
        found = OBJECT.fullmatch(parts.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        try:
            if asked.headers.get("authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "Unauthorized", "Unauthorized")
            if found is None:
                raise Refused(404, "NotFound", "the server could not find the requested resource")
            space, kind, name = found["space"], found["kind"], found["name"] or ""
            told = self._told(asked, (kind, space, name), query)
        except Refused as refused:
            status = {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": str(refused),
                "reason": refused.reason,
                "code": refused.code,
            }
            return Answer(status, status=refused.code)
        return Answer(told, status=201 if asked.method == "POST" else 200)

    def _told(self, asked: Asked, key: Key, query: dict[str, str]) -> object:
        match asked.method:
            case "GET" if key[2]:
                return self._there(key)
            case "GET":
                return self._list(key, query)
            case "POST":
                return self._create(key, json.loads(asked.body))
            case "PUT":
                return self._replace(key, json.loads(asked.body))
            case "PATCH":
                return self._patch(key, asked, query)
            case _:
                return self._delete(key, json.loads(asked.body or b"{}"), query)

    def _there(self, key: Key) -> dict[str, Any]:
        if key not in self.objects:
            raise Refused(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        return self.objects[key]

    def _list(self, key: Key, query: dict[str, str]) -> object:
        wanted = dict(each.split("=", 1) for each in query.get("labelSelector", "").split(",") if each)
        mine = [
            each
            for (kind, space, _), each in sorted(self.objects.items())
            if (kind, space) == key[:2] and wanted.items() <= each["metadata"].get("labels", {}).items()
        ]
        start, size = int(query.get("continue", 0)), int(query.get("limit", 500))
        more = {"continue": str(start + size)} if start + size < len(mine) else {}
        return {
            "kind": "List",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "1", **more},
            "items": mine[start : start + size],
        }

    def _create(self, key: Key, body: dict[str, Any]) -> object:
        key = (*key[:2], body["metadata"]["name"])
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
        if body["metadata"].get("resourceVersion"):
            raise Refused(400, "BadRequest", "resourceVersion should not be set on objects to be created")
        body["metadata"] |= {"namespace": key[1], "uid": f"uid-{next(self._numbers)}"}
        return self._set(key, body)

    def _replace(self, key: Key, body: dict[str, Any]) -> object:
        there = self._there(key)
        self._compare(key, body["metadata"])
        body["metadata"] |= {"namespace": key[1], "uid": there["metadata"]["uid"]}
        return self._set(key, body)

    def _patch(self, key: Key, asked: Asked, query: dict[str, str]) -> object:
        body = json.loads(asked.body)
        match asked.headers["content-type"]:
            case "application/apply-patch+yaml":
                if "fieldManager" not in query:
                    raise Refused(400, "BadRequest", "fieldManager is required for apply patch")
                if key not in self.objects:
                    return self._create(key, body)
            case "application/merge-patch+json":
                pass
            case other:
                raise Refused(
                    415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {other}"
                )
        self._compare(key, body.get("metadata", {}))
        return self._set(key, merged(self._there(key), body))

    def _delete(self, key: Key, options: dict[str, Any], query: dict[str, str]) -> object:
        self._there(key)
        self._compare(key, options.get("preconditions", {}))
        if key[0] == "pods":
            if query.get("gracePeriodSeconds") == "0":
                self.stubborn = False
            self._end(key)
        else:
            del self.objects[key]
        self._control(key[1])
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def _compare(self, key: Key, conditions: dict[str, Any]) -> None:
        there = self._there(key)["metadata"]
        for name in ("uid", "resourceVersion"):
            if conditions.get(name, there[name]) != there[name]:
                raise Refused(
                    409,
                    "Conflict",
                    f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the object has been modified; '
                    "please apply your changes to the latest version and try again",
                )

    def _set(self, key: Key, body: dict[str, Any]) -> object:
        _check(key, body)
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[key] = body
        self._control(key[1])
        return deepcopy(body)

    def _control(self, space: str) -> None:
        """What the cluster's controllers do: as many pods as each Deployment wants, of its present template."""
        deployments = {key: each for key, each in self.objects.items() if key[:2] == ("deployments", space)}
        owners = {each["metadata"]["uid"]: each for each in deployments.values()}
        for key in [key for key in self.objects if key[:2] == ("pods", space)]:
            pod = self.objects[key]
            owner = owners.get(pod["metadata"]["ownerReferences"][0]["uid"])
            if owner is None or owner["spec"]["template"] != pod["template"] or self._surplus(owner, key):
                self._end(key)
        for each in deployments.values():
            for _ in range(each["spec"]["replicas"] - len(self.pods_of(each))):
                self._begin(space, each)

    def _surplus(self, owner: dict[str, Any], key: Key) -> bool:
        return key in self.pods_of(owner)[owner["spec"]["replicas"] :]

    def pods_of(self, owner: dict[str, Any]) -> list[Key]:
        """Those that are to stay."""
        return [
            key
            for key, each in self.objects.items()
            if key[0] == "pods"
            and each["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
            and "deletionTimestamp" not in each["metadata"]
        ]

    def _begin(self, space: str, owner: dict[str, Any]) -> None:
        number = next(self._numbers)
        name = f"{owner['metadata']['name']}-5d8f9-{number:05d}"
        template = owner["spec"]["template"]
        (container,) = template["spec"]["containers"]
        address = f"127.0.{self._network}.{number % 250 + 1}"
        status: dict[str, Any] = {"phase": "Pending", "containerStatuses": []}
        if container["image"] in self.registry:
            build = self.registry[container["image"]]
            port = container["ports"][0]["containerPort"]
            self.listeners[name] = Listener(address, port, digest=build.digest, version=build.version)
            told = {
                "name": "instance",
                "ready": True,
                "restartCount": 0,
                "image": container["image"],
                "imageID": "",
            }
            status = {"phase": "Running", "podIP": address, "containerStatuses": [told]}
        self.objects["pods", space, name] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **deepcopy(template["metadata"]),
                "name": name,
                "namespace": space,
                "uid": f"uid-{number}",
                "resourceVersion": str(next(self._versions)),
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": "ReplicaSet",
                        "name": name,
                        "uid": owner["metadata"]["uid"],
                    }
                ],
            },
            "spec": deepcopy(template["spec"]),
            "status": status,
            "template": deepcopy(template),
        }

    def _end(self, key: Key) -> None:
        if self.stubborn:
            self.objects[key]["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z"
            return
        del self.objects[key]
        if (listener := self.listeners.pop(key[2], None)) is not None:
            listener.end()

    def kill(self, name: str) -> None:
        """A pod is gone with its node, and another one comes."""
        (key,) = [key for key in self.objects if key[0] == "pods" and key[2] == name]
        self._end(key)
        self._control(key[1])

    def close(self) -> None:
        for listener in self.listeners.values():
            listener.end()


def merged(there: Any, patch: Any) -> Any:
    """A merge patch; of lists the new one stands, which for those that we send is what apply does too."""
    if not isinstance(there, dict) or not isinstance(patch, dict):
        return patch
    result = dict(there)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(there.get(name), value)
    return result


def _check(key: Key, body: dict[str, Any]) -> None:
    """What the real one refuses of a Deployment."""
    if not NAME.fullmatch(key[2]) or len(key[2]) > 253:
        raise Refused(422, "Invalid", f"metadata.name: Invalid value: {key[2]!r}")
    for value in body["metadata"].get("labels", {}).values():
        if not LABEL.fullmatch(value) or len(value) > 63:
            raise Refused(422, "Invalid", f"metadata.labels: Invalid value: {value!r}")
    if key[0] != "deployments":
        return
    known = msgspec.to_builtins(msgspec.convert(body, Deployment))
    if strange := unknown(body, known):
        raise Refused(400, "BadRequest", f"strict decoding error: unknown field {strange!r}")
    spec = body["spec"]
    wanted = spec["selector"]["matchLabels"].items()
    if not wanted <= spec["template"]["metadata"]["labels"].items():
        raise Refused(422, "Invalid", "`selector` does not match template `labels`")


def unknown(body: Any, known: Any, path: str = "") -> str:
    """The first field that is not of the kind's schema; empty where there is none."""
    if isinstance(body, list) and isinstance(known, list):
        return next(filter(None, (unknown(a, b, path) for a, b in zip(body, known, strict=True))), "")
    if not isinstance(body, dict) or not isinstance(known, dict):
        return ""
    for name, value in body.items():
        if value is not None and name not in known:
            return f"{path}{name}"
        if found := unknown(value, known.get(name), f"{path}{name}."):
            return found
    return ""
