"""A model's name, and what is wrong with it here: a package that is not installed, a key that is not set."""

from __future__ import annotations

import re
from pkgutil import resolve_name
from typing import Final

from pydantic_ai.models import Model, infer_model

from watership.errors import BadInput

EXTRA: Final = re.compile(r"pydantic-ai-slim\[([a-z0-9-]+)\]")
VARIABLE: Final = re.compile(r"`([A-Z][A-Z0-9_]+)`")


def model_named(name: str) -> Model:
    """The model of that name, as "provider:model". Raises BadInput, which says what is missing for it."""
    try:
        return infer_model(name)
    except Exception as reason:  # a provider's own package may raise anything about what it misses
        raise BadInput(
            f"The model {name!r} cannot be used here: {_first(reason)}", fix=_mend(reason)
        ) from reason


def found(place: str) -> object:
    """What stands at `module:attribute`. Raises BadInput where nothing does."""
    try:
        return resolve_name(place)
    except (ImportError, AttributeError, ValueError) as reason:
        raise BadInput(
            f"There is no script at {place!r}: {reason}.", fix="Name it as module:attribute."
        ) from reason


def _first(reason: Exception) -> str:
    """The first sentence of what the library says; what follows is advice about itself."""
    sentence = re.split(r"(?<=\.)\s", str(reason), maxsplit=1)[0]
    return sentence if sentence.endswith(".") else f"{sentence or type(reason).__name__}."


def _mend(reason: Exception) -> str:
    words = str(reason)
    if isinstance(reason, ImportError) and (extra := EXTRA.search(words)):
        return f"pip install 'pydantic-ai-slim[{extra[1]}]'"
    if variable := VARIABLE.search(words):
        return f"Set the environment variable {variable[1]}."
    return "Name it as provider:model, as in 'openai:gpt-5-mini', or give a model object."
