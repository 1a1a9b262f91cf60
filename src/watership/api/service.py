"""The service: the table of endpoints, the application's own routes, and the front door around them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Scope

from watership.api.admittance import Admittance
from watership.api.agents import agent_endpoints
from watership.api.answer import Answer, reply
from watership.api.asked import Asked
from watership.api.dead import dead_endpoints
from watership.api.endpoint import Call, Endpoint
from watership.api.flags import flag_endpoints
from watership.api.front import REQUEST_ID, ROUTE, FrontDoor
from watership.api.given import PUBLIC, CustomRoute, Facts, Service
from watership.api.health import health_endpoint, health_endpoints, probe_endpoints
from watership.api.links import link_endpoints
from watership.api.openapi import document
from watership.api.problems import problem
from watership.api.schedules import schedule_endpoints
from watership.api.shortcut import Serve, Shortcut
from watership.api.sockets import SocketDoor
from watership.errors import BadInput, ReadOnly, WatershipError

__all__ = ["CustomRoute", "Facts", "Service", "build_app", "endpoints"]

READ_ONLY_SECONDS = 5.0
"""When a write may be tried again: a migration is over by then, as a rule."""

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


def endpoints(service: Service) -> list[Endpoint]:
    """Every endpoint of the service, its own ones first."""
    if service.probes_only:
        return [health_endpoint(service.clock.monotonic()), *probe_endpoints()]
    ours = [
        *health_endpoints(service.clock.monotonic()),
        *agent_endpoints(),
        *link_endpoints(),
        *dead_endpoints(),
        *flag_endpoints(),
        *schedule_endpoints(),
    ]
    everything: list[Endpoint] = []

    async def openapi(call: Call) -> Answer:
        return reply(document(everything, call.service.facts))

    everything += [
        *ours,
        Endpoint(
            method="GET",
            path="/openapi.json",
            scope=PUBLIC,
            serve=openapi,
            about="This service, described for machines (OpenAPI 3.1).",
            gives=dict[str, Any],
            query=None,
        ),
    ]
    everything += [_custom(route, everything) for route in service.routes]
    return everything


def build_app(service: Service) -> ASGIApp:
    """The ASGI application. Raises BadInput when a route of the application takes a path of ours."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints(service):
        for path in endpoint.paths:
            by_path.setdefault(path, {})[endpoint.method] = endpoint
    admittance = Admittance(service)
    served = {path: _serve(admittance, methods) for path, methods in by_path.items()}
    routes: list[BaseRoute] = [
        Route(path, _routed(served[path]), methods=list(methods)) for path, methods in by_path.items()
    ]
    sockets = [path for path, methods in by_path.items() if any(each.socket for each in methods.values())]
    routes += [WebSocketRoute(path, SocketDoor(served[path])) for path in sockets]
    direct = {
        path: dict.fromkeys(_with_head(methods), served[path])
        for path, methods in by_path.items()
        if "{" not in path
    }
    router = _Routes(
        routes=routes,
        # An Answer is called as a Response is.
        exception_handlers={HTTPException: _refused, WatershipError: _refused},  # type: ignore[dict-item]
    )
    # A path is spelt in one way; a redirect would answer a POST with something that is no problem document.
    router.router.redirect_slashes = False
    return FrontDoor(Shortcut(router, direct, _refuse), service)


class _Routes(Starlette):
    """The framework without its outermost layer, which answers 500 by itself and then raises on: the server would
    close the connection under the client's next request. What nobody expected is the front door's."""

    def build_middleware_stack(self) -> ASGIApp:
        return ExceptionMiddleware(self.router, handlers=self.exception_handlers)


def _with_head(methods: Collection[str]) -> set[str]:
    """What can be read can be asked for its head."""
    return {*methods, "HEAD"} if "GET" in methods else {*methods}


def _serve(admittance: Admittance, methods: dict[str, Endpoint]) -> Serve:
    """One route per path, so that a wrong method is told all that would do."""

    async def serve(asked: Asked) -> ASGIApp:
        method = asked.scope["method"]
        endpoint = methods["GET" if method == "HEAD" else method]
        asked.scope[ROUTE] = endpoint.path
        return await admittance.serve(endpoint, asked)

    return serve


def _routed(serve: Serve) -> Callable[[Request], Awaitable[ASGIApp]]:
    async def routed(request: Request) -> ASGIApp:
        return await serve(Asked(request.scope, request.receive))

    return routed


def _refuse(scope: Scope, error: Exception) -> Answer:
    return problem(error, scope[REQUEST_ID])


async def _refused(request: Request, error: Exception) -> Answer:
    return _refuse(request.scope, error)


def _custom(route: CustomRoute, there: list[Endpoint]) -> Endpoint:
    taken = {path for endpoint in there for path in endpoint.paths}
    if route.method not in METHODS or not route.path.startswith("/") or route.path in taken:
        raise BadInput(
            f"The route {route.method} {route.path} cannot be added.",
            fix=f"Its path begins with / and is not one of ours; its method is one of {', '.join(sorted(METHODS))}.",
        )

    async def serve(call: Call) -> ASGIApp:
        if route.method != "GET" and (await call.service.intake.read()).readonly:
            raise ReadOnly("This service is read-only now.", retry_after=READ_ONLY_SECONDS)
        answer = await route.serve({**call.query, **{name: str(value) for name, value in call.path.items()}})
        match answer:
            case Response() | Answer():
                return answer
            case (int(status), value) if not isinstance(status, bool):
                return reply(value, status)
            case _:
                return reply(answer)

    about = (route.serve.__doc__ or f"{route.method} {route.path}.").strip().partition("\n")[0]
    return Endpoint(
        method=route.method,
        path=route.path,
        scope=route.scope,
        serve=serve,
        about=about,
        gives=dict[str, Any],
        query=None,
    )
