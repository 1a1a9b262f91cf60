"""An OpenFeature provider that answers from the board: without I/O, as of at most a few seconds ago."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import (
    FlagNotFoundError,
    ProviderNotReadyError,
    TargetingKeyMissingError,
    TypeMismatchError,
)
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata
from openfeature.provider.no_op_provider import NoOpProvider

from watership.durable.run import DEFAULT_TENANT
from watership.fleet.board import FlagBoard
from watership.fleet.flags import Why, explain

NAME: Final = "watership"

TENANT: Final = "tenant"
"""The attribute of an evaluation context that names the tenant."""

_REASON: Final[Mapping[Why, Reason]] = {
    Why.DISABLED: Reason.DISABLED,
    Why.TENANT: Reason.TARGETING_MATCH,
    Why.OFF: Reason.STATIC,
    Why.ON: Reason.STATIC,
    Why.SPLIT: Reason.SPLIT,
}


class WatershipProvider(AbstractProvider):
    """Boolean flags. What is not known raises, so that OpenFeature gives the caller's default and says why."""

    def __init__(self, board: FlagBoard) -> None:
        super().__init__()
        self._board = board

    def get_metadata(self) -> Metadata:
        return Metadata(NAME)

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        if not self._board.ready:
            raise ProviderNotReadyError("The flags were not read yet: the store has not answered.")
        flag = self._board.get(flag_key)
        if flag is None:
            raise FlagNotFoundError(f"There is no flag {flag_key!r}.")
        context = evaluation_context or EvaluationContext()
        tenant = str(context.attributes.get(TENANT, DEFAULT_TENANT))
        found = explain(flag, tenant, context.targeting_key or "")
        if found.why is Why.NO_KEY:
            raise TargetingKeyMissingError(f"{flag_key} is on for a share, and there is no key to place.")
        return FlagResolutionDetails(
            value=found.on,
            reason=Reason.STALE if self._board.late else _REASON[found.why],
            variant="on" if found.on else "off",
            flag_metadata={"version": flag.version},
        )

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        _only_boolean(flag_key)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        _only_boolean(flag_key)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        _only_boolean(flag_key)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        _only_boolean(flag_key)


@contextmanager
def provided(board: FlagBoard) -> Iterator[None]:
    """Let `openfeature.api` answer from `board` inside the block. A provider that the application set stays."""
    if api.get_provider_metadata().name != NoOpProvider().get_metadata().name:
        yield
        return
    api.set_provider_and_wait(WatershipProvider(board))
    try:
        yield
    finally:
        if api.get_provider_metadata().name == NAME:
            api.set_provider_and_wait(NoOpProvider())


def _only_boolean(flag: str) -> NoReturn:
    raise TypeMismatchError(f"{flag} is asked for as another kind: the flags here are on or off.")
