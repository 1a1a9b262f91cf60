"""A memory is what an agent knows of a conversation when the next message comes: the last ones, and perhaps a summary.

It is read from the ended runs of the conversation, whose inputs and results the store holds, in a step of the run that
needs it. What a summary cost is not paid again: the run that wrote it keeps the outcome in its journal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from watership.agents.traits import BOTH
from watership.durable import Effect, learn, step
from watership.durable.branch import here
from watership.durable.events import Finished, Learned, SignalTaken, StepDone
from watership.durable.ids import RunId
from watership.durable.ports import RunFilter, Runs
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import INJECTED
from watership.errors import BadInput

MESSAGES_MOST: Final = 200
"""Past messages that are ever looked at; a window, or what a summary has not taken in yet, is shorter."""

BYTES: Final = 32_000
"""Of a window's texts together: some ten pages, and no more tokens than that, for none is shorter than a byte."""

PAGE: Final = 50
"""Runs that are read together."""

FIRST_ENTRIES: Final = 50
"""Entries of a run's journal among which its memory stands: it is read, and summarized, before anything else."""

ENTRIES_MOST: Final = 10_000
"""Of a journal that are looked through for messages which its run took in."""

MOST_BYTES: Final = 256_000
"""Of all texts that a run reads: a step's outcome may have four times as much."""

STEP: Final = "memory"

KEYS: Final = frozenset({"memory/0", "memory/1"})
"""Of the steps that read and shorten it: a tool that is called so has another key."""

NOTHING: Final = msgspec.Raw(b"null")

SUMMARY: Final = """\
Summarize this conversation for yourself, so that you can go on with it: what was asked, answered, decided and
promised, and every name and number that may matter. Answer with the summary alone."""


def _check(name: str, value: int, most: int | None = None) -> None:
    if value < 1 or (most is not None and value > most):
        bound = "" if most is None else f" and at most {most}"
        raise BadInput(f"{value} {name} cannot be remembered.", fix=f"Give at least 1{bound}.")


class PastMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message of the conversation that was dealt with. Where it was not answered `failure` says why, and `result` is
    null."""

    run_id: RunId
    input: msgspec.Raw
    injected: tuple[msgspec.Raw, ...] = ()
    """Messages that came while this one was dealt with, and were handed to its run."""
    result: msgspec.Raw = NOTHING
    failure: str = ""
    learned: tuple[str, ...] = ()
    """What whoever reads the result knows by it; see `learn`."""


class Memory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`summary` stands for all that was said before `messages`, which are in the order in which they came."""

    messages: tuple[PastMessage, ...] = ()
    summary: str = ""
    behind: tuple[str, ...] = ()
    """What whoever reads the summary knows by it."""

    @property
    def learned(self) -> tuple[str, ...]:
        """What whoever reads it knows by it; see `learn`."""
        return tuple(sorted({*self.behind, *(word for each in self.messages for word in each.learned)}))

    @property
    def size(self) -> int:
        """Of its texts, in bytes."""
        return len(self.summary.encode()) + sum(_size(each) for each in self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Remember the last `messages` with their answers, as many of them as have `bytes` together."""

    messages: int = 20
    bytes: int = BYTES

    def __post_init__(self) -> None:
        _check("messages", self.messages, MESSAGES_MOST)
        _check("bytes", self.bytes)

    def cut(self, memory: Memory) -> Memory:
        """What the window shows of it."""
        kept: list[PastMessage] = []
        size = 0
        for each in reversed(memory.messages[-self.messages :]):
            size += _size(each)
            if size > self.bytes:
                break
            kept.append(each)
        return Memory(messages=tuple(reversed(kept)), summary=memory.summary, behind=memory.behind)


WHOLE: Final = Window(messages=MESSAGES_MOST, bytes=MOST_BYTES)
"""All that a run can take in."""

WINDOW: Final = Window()
"""What an agent remembers that says nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Remember everything: once there are more than `after` messages, or more than `bytes`, all but the last `keep`
    become a summary, which the agent's own model writes, or `model`. It is a model call like any other."""

    after: int = 20
    keep: int = 4
    bytes: int = BYTES
    model: object = None

    def __post_init__(self) -> None:
        _check("after", self.after, MESSAGES_MOST)
        _check("bytes", self.bytes)
        if not 0 <= self.keep < self.after:
            raise BadInput(
                f"A summary after {self.after} messages cannot keep {self.keep}.", fix="Keep fewer of them."
            )

    def is_due(self, memory: Memory) -> bool:
        """Whether it has become too much."""
        return len(memory.messages) > self.after or (
            memory.size > self.bytes and len(memory.messages) > self.keep
        )

    def split(self, memory: Memory) -> tuple[Memory, tuple[PastMessage, ...]]:
        """What is to be summarized, and what is kept as it was said."""
        kept = memory.messages[len(memory.messages) - self.keep :]
        old = memory.messages[: len(memory.messages) - self.keep]
        return Memory(messages=old, summary=memory.summary, behind=memory.behind), kept


Remembering = Window | Summary
Summarize = Callable[[str], Awaitable[str]]
"""Has a model write a summary, as part of the run; it is given what to summarize."""


def in_conversation() -> bool:
    """Whether the run is part of a conversation, or is the fork of a run that was, and recalls what that one knew."""
    execution = here("memory").execution
    return execution.run_row.conversation is not None or not KEYS.isdisjoint(execution.journal.steps)


async def history(messages: int = 20) -> tuple[PastMessage, ...]:
    """The last messages of this run's conversation that were dealt with, and their answers, oldest first.

    A step: a replay sees the same. Of this agent and tenant alone; none where the run has no conversation.
    """
    _check("messages", messages, MESSAGES_MOST)
    execution = here("history").execution

    async def history() -> tuple[PastMessage, ...]:
        found = await read_history(execution.runs, execution.run_row, messages)
        return WHOLE.cut(Memory(messages=found)).messages

    found = await step(history, effect=Effect.PURE)
    learn(*(word for each in found for word in each.learned))
    return found


async def remember(how: Remembering, told: Callable[[Memory], str], summarize: Summarize) -> Memory:
    """What is known when a run of an agent begins. `told` is the memory as a text for who summarizes it."""
    execution = here("memory").execution

    async def read() -> Memory:
        if isinstance(how, Window):
            found = await read_history(execution.runs, execution.run_row, how.messages)
            return how.cut(Memory(messages=found))
        return WHOLE.cut(await read_memory(execution.runs, execution.run_row))

    memory = await step(read, name=STEP, effect=Effect.PURE, into=Memory)
    learn(*memory.learned)
    if isinstance(how, Window) or not how.is_due(memory):
        return memory
    old, kept = how.split(memory)
    summary = await summarize(f"{told(old)}\n\n{SUMMARY}")
    shorter = Memory(messages=kept, summary=summary, behind=memory.learned)

    async def keep() -> Memory:
        return shorter

    return await step(keep, name=STEP, effect=Effect.PURE, into=Memory)


async def read_history(runs: Runs, run: Run, most: int) -> tuple[PastMessage, ...]:
    """The last `most` messages of the run's conversation that came before it and have ended, oldest first."""
    found = [await message_of(runs, each) async for each in _before(runs, run, most)]
    return tuple(reversed(found))


async def read_memory(runs: Runs, run: Run) -> Memory:
    """The memory of the latest run that kept one, with the messages since; of the last MESSAGES_MOST without one."""
    since: list[PastMessage] = []
    async for each in _before(runs, run, MESSAGES_MOST):
        since.append(await message_of(runs, each))
        kept = await _kept(runs, each.id)
        if kept is not None:
            return Memory(
                messages=(*kept.messages, *reversed(since)), summary=kept.summary, behind=kept.behind
            )
    return Memory(messages=tuple(reversed(since)))


async def _before(runs: Runs, run: Run, most: int) -> AsyncIterator[Run]:
    """Ended runs of the conversation from before this one, the latest first."""
    if run.conversation is None:
        return
    which = RunFilter(tenant=run.tenant, program=run.program, conversation=run.conversation)
    after, count = None, 0
    while True:
        page = await runs.list(which, limit=min(PAGE, most + 1), after=after)
        for each in page.runs:
            if each.ended and each.id != run.id and each.created_at <= run.created_at:
                yield each
                count += 1
                if count == most:
                    return
        if page.next is None:
            return
        after = page.next


async def _kept(runs: Runs, run_id: RunId) -> Memory | None:
    """What a run knew when it began, after it had summarized that, if it did."""
    entries = await runs.journal(run_id, limit=FIRST_ENTRIES)
    kept = [entry.event for entry in entries if isinstance(entry.event, StepDone) and entry.event.key in KEYS]
    return msgspec.json.decode(kept[-1].value, type=Memory) if kept else None


async def message_of(runs: Runs, run: Run) -> PastMessage:
    """A run that has ended, as a message that was dealt with."""
    message = PastMessage(run_id=run.id, input=run.input, injected=await _taken(runs, run))
    if run.state is RunState.SUCCEEDED and run.successor is None:
        return replace(message, result=run.result, learned=await _learned(runs, run))
    why = str(run.state) if run.failure is None else run.failure.kind
    return replace(
        message,
        failure=why if run.successor is None else "CarriedOn",
        learned=await begun_with(runs, run),
    )


async def _taken(runs: Runs, run: Run) -> tuple[msgspec.Raw, ...]:
    """The messages that the run took in; one that it did not take has a run of its own."""
    inbox = await runs.inbox(run.id) if run.inbox else ()
    injected = [signal for signal in inbox if signal.name == INJECTED]
    if not injected:
        return ()
    entries = [entry.event for entry in await runs.journal(run.id, limit=ENTRIES_MOST)]
    taken = {event.signal_id for event in entries if isinstance(event, SignalTaken)}
    return tuple(signal.value for signal in injected if signal.id in taken)


async def begun_with(runs: Runs, run: Run) -> tuple[str, ...]:
    """What whoever reads the run's input knows by it."""
    return tuple(
        word
        for entry in await runs.journal(run.id, limit=2)  # a fork says first what it is of
        if isinstance(entry.event, Learned)
        for word in entry.event.words
    )


async def _learned(runs: Runs, run: Run) -> tuple[str, ...]:
    """What goes along with the run's result; where nobody wrote it down, all that there is."""
    for last in await runs.journal(run.id, after=run.seq - 1, limit=1):
        if isinstance(last.event, Finished) and last.event.learned is not None:
            return last.event.learned
    return tuple(sorted(BOTH))


def _size(message: PastMessage) -> int:
    return sum(len(text) for text in (message.input, *message.injected, message.result))
