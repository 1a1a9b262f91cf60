"""The templates of reports escape every text that is put into them, and refuse a name that they do not know."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("watership.releases", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_TEMPLATES = _environment()


def template(name: str) -> Template:
    return _TEMPLATES.get_template(name)
