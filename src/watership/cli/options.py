"""Options that several commands share."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from watership.config import Config, load

if TYPE_CHECKING:
    from watership.agents.app import App

F = TypeVar("F", bound=Callable[..., object])


def app_option(command: F) -> F:
    """--app: where the application is."""
    return click.option(
        "--app",
        "where",
        metavar="FILE.py:NAME",
        help="The application: a file or a module, and the App in it.  [default: app.py:app]",
    )(command)


def chosen_app(where: str | None) -> tuple[App, Path | None]:
    """The application that is meant, and the folder of its build: --app, or the one whose main() runs, or app.py."""
    from watership.wiring.application import APP, load_app

    running = click.get_current_context().find_object(_app_type())
    if where is None and running is not None:
        return running, Path(sys.argv[0]).resolve().parent
    where = where or APP
    place = where.partition(":")[0]
    return load_app(where), Path(place).resolve().parent if place.endswith(".py") else None


class Finite(click.types.FloatParamType):
    """A number that JSON can carry."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number of seconds or dollars.", param, ctx)
        return number


def against_option(command: F) -> F:
    """--against: another build's application. See `app_of_build`."""
    return click.option(
        "--against", "where", metavar="FILE.py:NAME", help="The build's application, or its folder."
    )(command)


def app_of_build(where: str | None) -> App:
    """The application of a build, by FILE.py:NAME or by its folder; ours where none is named."""
    app, _ = chosen_app(f"{where}/app.py:app" if where is not None and Path(where).is_dir() else where)
    return app


def _app_type() -> type[App]:
    from watership.agents.app import App

    return App


def server_options(command: F) -> F:
    """--server and --token: which service to ask, and as whom."""
    command = click.option(
        "--token", envvar="WATERSHIP_TOKEN", help="Who you are; or set WATERSHIP_TOKEN.", metavar="TOKEN"
    )(command)
    return click.option(
        "--server",
        envvar="WATERSHIP_SERVER",
        metavar="URL",
        help="The service; as [http] in watership.toml says, unless given.",
    )(command)


def read_config() -> Config:
    """The settings of the working folder and the environment."""
    return load(Path.cwd(), os.environ)
