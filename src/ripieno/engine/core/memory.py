"""What an agent remembers of its run: the conversation, how long it is, and how it is made shorter in time.

All of it follows from what is in the journal, the summaries of a model too; so a run that another worker takes up goes
on with the same conversation.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace

from ripieno.domain.artifacts import ArtifactRef
from ripieno.domain.entries import EntryType
from ripieno.domain.jsons import Json
from ripieno.domain.messages import Message, ModelRequest, UserMessage
from ripieno.engine.core import compaction, tokens
from ripieno.engine.core.commands import CallModel, Command, ModelAnswered, Note, Outcome
from ripieno.engine.core.tokens import Gauge
from ripieno.engine.core.transcript import Transcript

LEAST_ROOM = 500
"""Tokens: there is no making a conversation shorter than this."""


class Memory:
    """A conversation about one goal, for a model with a window of so many tokens; None where nobody knows."""

    def __init__(self, window: int | None) -> None:
        self._window = window
        self._gauge = Gauge()
        self._files: dict[str, tuple[ArtifactRef, ...]] = {}
        self._goal: UserMessage | None = None
        self.talk = Transcript()

    def aim(self, goal: UserMessage) -> None:
        """Add the goal, which is never left out."""
        self._goal = goal
        self.talk.add(goal)

    def kept(self, evidence_id: str, files: tuple[ArtifactRef, ...]) -> None:
        """Remember where the whole of a result is kept."""
        if files:
            self._files[evidence_id] = files

    def is_full(self, request: ModelRequest) -> bool:
        """Whether a request comes so near to the window that it should be made shorter first."""
        if self._window is None:
            return False
        answer = min(request.max_tokens or 0, self._window // 4)
        return self._size(request) + answer > self._window * compaction.FULL

    def learn(self, request: ModelRequest, answered: Outcome) -> None:
        """Take what the provider has counted."""
        if isinstance(answered, ModelAnswered):
            self._gauge.learn(self._estimate(request), answered.reply.usage.input_tokens)

    def compact(self, ask: CallModel, number: int) -> Generator[Command, Outcome, ModelAnswered | None]:
        """Make the conversation of a request shorter; answers the reply that summed up what was old, if any did."""
        base, request = ask.key.removesuffix("/model"), ask.request
        before, answered = self._size(request), None
        window = min(self._window or before, before)
        room = max(LEAST_ROOM, self._estimated(window * compaction.ROOM) - tokens.of_tools(request.tools, None))
        messages = compaction.without_old_results(self.talk.messages, self._files)
        parts = compaction.parted(messages, self._goal, room // 2)
        if _sum(messages) > room and parts.old:
            wish = compaction.asks_for_summary(parts, request, self._estimated(window * compaction.ROOM))
            outcome = yield CallModel(f"{base}/compact/{number}", wish)
            answered = outcome if isinstance(outcome, ModelAnswered) else None
            told = answered.reply.text.strip() if answered else ""
            summary = compaction.SUMMARY + told if told else compaction.digest_of(parts, room // 4)
            messages = parts.joined(summary)
        if _sum(messages) > room:
            messages = compaction.with_short_results(messages, self._files)
        body = self._replace(messages, request, before)
        yield Note(f"{base}/compacted/{number}", EntryType.CONTEXT_COMPACTED, body | {"summarised": bool(answered)})
        return answered

    def _replace(self, messages: Sequence[Message], request: ModelRequest, before: int) -> dict[str, Json]:
        many, self.talk = len(self.talk.messages), Transcript()
        self.talk.add(*messages)
        after = self._size(replace(request, messages=tuple(messages)))
        return {
            "tokens_before": before,
            "tokens_after": after,
            "messages_before": many,
            "messages_after": len(messages),
            "window": self._window,
        }

    def _size(self, request: ModelRequest) -> int:
        return self._gauge.corrected(self._estimate(request))

    def _estimate(self, request: ModelRequest) -> int:
        return self.talk.tokens + tokens.of_tools(request.tools, request.output_schema)

    def _estimated(self, corrected: float) -> int:
        """So many tokens of the model in those of the estimate."""
        return self._gauge.uncorrected(corrected)


def _sum(messages: Sequence[Message]) -> int:
    return sum(map(tokens.of_message, messages))
