"""A model that streams its answer where somebody watches, and is asked for the whole of it where nobody does.

Either way the step's outcome is the whole answer, under the same name and identity: whether a call was watched is
nothing that a journal knows of.
"""

from __future__ import annotations

from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from watership.agents.llm import Streams
from watership.agents.speech import Speaker, Speech, speaker_here
from watership.durable.branch import current_branch, current_step
from watership.durable.execution import Execution

WHOLE = frozenset({"complete", "suspended"})
"""States of an answer that has all that the provider had to give: of a suspended one the rest is another call's."""


class HalfAnAnswer(ModelAPIError):
    """The model's stream ended before its answer was whole: what had come of it is billed all the same."""


class SpeakingModel(WrapperModel):
    """`streams` is what the agent says: always, when its run is watched as the call begins, or never."""

    def __init__(self, wrapped: Model, streams: Streams) -> None:
        super().__init__(wrapped)
        self._streams = streams

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        key, branch, speaker = current_step.get(), current_branch.get(), speaker_here()
        if key is None or branch is None or speaker is None or not self._wanted(branch.execution, speaker):
            return await self.wrapped.request(messages, model_settings, model_request_parameters)
        execution = branch.execution
        # A model call has a cost, so that its entry stands in the journal before it is made.
        entered = execution.journal.steps[key]
        with speaker.speaking(execution.run_id, key, execution.run_row.epoch, entered.attempt) as speech:
            return await self._spoken(speech, messages, model_settings, model_request_parameters)

    def _wanted(self, execution: Execution, speaker: Speaker) -> bool:
        return can_stream(self.wrapped) and (self._streams == "always" or speaker.watched(execution.run_id))

    async def _spoken(
        self,
        speech: Speech,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> ModelResponse:
        begun = False
        try:
            async with self.wrapped.request_stream(messages, settings, parameters) as stream:
                async for event in stream:
                    begun = True
                    if text := text_of(event):
                        speech.say(text)
        except ModelHTTPError as error:
            if not begun:
                raise
            # Inside of a stream a status no longer says that nothing was done.
            raise HalfAnAnswer(self.model_name, f"The answer broke off: {error}") from error
        # Only now: closing the stream may fill something in.
        answer = stream.get()
        if answer.state not in WHOLE:
            raise HalfAnAnswer(self.model_name, f"The stream ended, and the answer is {answer.state}.")
        return answer


def can_stream(model: Model) -> bool:
    """A model that is a function streams only where it was given one for that."""
    while isinstance(model, WrapperModel):
        model = model.wrapped
    if isinstance(model, FunctionModel):
        return model.stream_function is not None
    return type(model).request_stream is not Model.request_stream


def text_of(event: ModelResponseStreamEvent) -> str:
    """What the answer's text goes on with; thoughts and tool calls are no part of it."""
    match event:
        case PartStartEvent(part=TextPart(content=text)):
            return text
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return text
        case _:
            return ""
