"""What the capabilities promise each other. Protocols only; `bootstrap.py` says which class stands in each.

Every method that takes a `tenant` sees that tenant's rows alone: what belongs to another is not found.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from ripieno.domain.agents import AgentDefinition, DefinitionProblem
from ripieno.domain.artifacts import Artifact, ArtifactFilter, NewArtifact
from ripieno.domain.batches import ANY_RUN, Append, Claimed, ClaimTerms, LateOutcome, Park, Pumped, Standing
from ripieno.domain.dead_letters import DeadLetter, DeadLetterFilter, Replay
from ripieno.domain.effects import Effect
from ripieno.domain.entries import Entry, InboxRow, NewEntry
from ripieno.domain.errors import Problem
from ripieno.domain.filters import Counts, InterruptFilter, RunFilter
from ripieno.domain.halts import Halt
from ripieno.domain.hints import Hint
from ripieno.domain.interrupts import Decision, Interrupt
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.limits import Rate
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.domain.outbox import AuditFilter, AuditRow, OutboxRow
from ripieno.domain.past import Founding, Reopening, Settled
from ripieno.domain.policies import Action, Verdict
from ripieno.domain.principals import Principal
from ripieno.domain.runs import NewRun, Run, RunResult
from ripieno.domain.secrets import SecretInfo
from ripieno.domain.sessions import Exchange, Session
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.domain.workers import WorkerLoad


class Clock(Protocol):
    """Time, and the ids that begin with it."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def new_id(self, prefix: str) -> str:
        """A new id, see `domain.ids`."""
        ...


class Model(Protocol):
    """Something that answers a conversation."""

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer: deltas as they come, then one `Reply`.

        Raises:
            ModelUnavailable: It may work later (429, 5xx, cut stream, time-out).
            ModelRefused: It will not work (bad key, unknown model, an answer that is no answer).
        """
        ...


class Toolset(Protocol):
    """A source of tools."""

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        """The tools that can be called now."""
        ...

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """Call one. Whatever the tool does wrong is a result, never an exception; cancellation passes through."""
        ...


class SchemaCheck(Protocol):
    """Checks a JSON value against a JSON Schema (2020-12)."""

    def __call__(self, schema: JsonObject, value: Json) -> Sequence[Problem]:
        """What is wrong, in order; empty when the value is valid. Remote references are never followed."""
        ...


class Gate(Protocol):
    """The one place that decides whether a tool call may happen."""

    def decide(self, action: Action) -> Verdict:
        """Rule on it. Deterministic; never fails open."""
        ...


class Definitions(Protocol):
    """The agents there are, shipped and the user's own."""

    async def agents(self) -> Sequence[AgentDefinition]:
        """All of them, by name."""
        ...

    async def agent(self, name: str) -> AgentDefinition:
        """One of them.

        Raises:
            NotFound: With near names.
            Invalid: It is a team that cannot work; the error says what it lacks.
        """
        ...

    async def problems(self) -> Sequence[DefinitionProblem]:
        """The files that could not be used."""
        ...


class Dispatch(Protocol):
    """Carries hints between those who commit and those who wait."""

    def publish(self, hints: Sequence[Hint]) -> None:
        """Pass hints on. Call it on the event loop, after the commit."""
        ...

    def subscribe(self, listener: Callable[[Hint], None]) -> Callable[[], None]:
        """Be called, on the event loop, for every hint; the answer ends it."""
        ...


class Journal(Protocol):
    """The transactions of a run's life (DESIGN §4). Hints go out after each commit."""

    # -- anybody -------------------------------------------------------------------------------------------------

    async def start(self, run: NewRun) -> bool:
        """Insert a queued run and, where it is new, its session. False when a run with this id exists already."""
        ...

    async def send(self, tenant: str, run_id: str, topic: str, body: JsonObject, dedupe: str) -> int:
        """Put a message in a run's inbox and queue the run if it waits; answers its number, for a double the first one.

        Raises:
            NotFound: No such run.
            RunEnded: The run is over.
        """
        ...

    async def decide(self, tenant: str, interrupt_id: str, decision: Decision, roles: Sequence[str] = ()) -> Interrupt:
        """Take the word of somebody with these roles; where it settles the interrupt, tell the run, in one transaction.

        Raises:
            NotFound, Invalid: No such interrupt; the decision does not fit it.
            AlreadyDecided, InterruptExpired: Too late, or the run ended.
            NotAssignee, OwnRequest, AlreadyVoted: It is not for this person to say.
        """
        ...

    async def delegate(self, by: Principal, interrupt_id: str, to: Sequence[str]) -> Interrupt:
        """Put a question to others. Raises as `decide`."""
        ...

    async def escalate(self, by: Principal, interrupt_id: str) -> Interrupt:
        """Put a question to those above, with new time. Raises as `decide`, and `AlreadyEscalated`."""
        ...

    async def withdraw(self, tenant: str, interrupt_id: str) -> Interrupt:
        """Take a question back that is still open; answers how it stands. Raises `NotFound`."""
        ...

    async def cancel(self, tenant: str, run_id: str, by: str, reason: str) -> Run:
        """Cancel a run and, one transaction each, its children; a leg under way has the pump's grace to obey.

        Raises:
            NotFound: No such run.
            RunEnded: It completed or failed before. (Cancelling a cancelled run is no error.)
        """
        ...

    async def pause(self, tenant: str, run_id: str, by: str) -> Run:
        """Hold a run: what is under way ends, nothing new begins. Raises as `cancel`."""
        ...

    async def resume(self, tenant: str, run_id: str, by: str) -> Run:
        """Let a held run go on. Raises as `cancel`, and `NotHeld`."""
        ...

    # -- the leg that holds the epoch ----------------------------------------------------------------------------

    async def claim(self, worker_id: str, slots: int, terms: ClaimTerms = ANY_RUN) -> Sequence[Claimed]:
        """Take up to `slots` queued runs. Each gets a new epoch.

        Tenants are served in turn, each with an equal share of the slots; a tenant's own runs go by lane, priority and
        age. No tenant and no agent ever has more runs under way than its limit. A run that may have killed its worker
        (`deaths`) is claimed alone, when there is no other or when the terms ask for such runs first.
        """
        ...

    async def append(self, batch: Append) -> Sequence[Entry]:
        """Commit entries and all that belongs to them; the answer has their `seq` and time.

        Raises:
            LegLost: Another epoch has begun.
            IntentRefused: The batch holds intents and the run is being cancelled or is held.
        """
        ...

    async def late(self, outcome: LateOutcome) -> bool:
        """Settle an effect whose leg has lost its run, whatever the epoch, and send `effect.late` to a run that lives.

        False, and nothing changed, where somebody has settled it already; one that said something else is audited.
        """
        ...

    def standing(self, run_id: str, epoch: int) -> Standing:
        """What this process knows about the right of a leg that it began; at once, without asking the store."""
        ...

    async def unread(self, run_id: str, epoch: int) -> tuple[int, Sequence[InboxRow]]:
        """The run's `inbox_seq` and its unconsumed rows. Raises `LegLost`."""
        ...

    async def park(self, park: Park) -> bool:
        """Let go of a waiting run.

        False, and nothing done, when its inbox has grown meanwhile, or when it would be parked as paused and nobody
        holds it any more.

        Raises:
            LegLost: Another epoch has begun.
        """
        ...

    async def finish(self, run_id: str, epoch: int, ending: NewEntry, result: RunResult) -> Entry:
        """Write the last entry and end the run: interrupts void, unread inbox dropped, intents unknown, parent told.

        Raises:
            LegLost: Another epoch has begun.
        """
        ...

    async def release(self, run_id: str, epoch: int) -> None:
        """Give a run back to the queue unfinished (drain). Raises `LegLost`."""
        ...

    # -- upkeep --------------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        """At start of an embedded store: queue every run that was running, under a new epoch. Answers how many."""
        ...

    async def pump(self) -> Pumped:
        """Queue what is due, close or escalate overdue interrupts, fence legs that do not obey a cancellation for 5 s.

        Paused runs whose deadline has passed end. Children whose parent has ended are cancelled: nobody waits for them
        any more.
        """
        ...


class History(Protocol):
    """What may be done with a run's past. Hints go out after each commit."""

    async def reopen(self, wish: Reopening) -> Run:
        """Let an ended run go on under a new generation, from the queue.

        Raises:
            NotFound: No such run.
            RunActive: It, or a rollback of it, has not ended.
            Conflict: Its journal has grown since it was read.
        """
        ...

    async def found(self, wish: Founding) -> bool:
        """Start a run that begins with a journal; False, and nothing done, when its id exists.

        Raises:
            NotFound: The run that it is about does not exist.
            RunActive: That run has not ended.
        """
        ...

    async def settle(self, tenant: str, settled: Sequence[Settled]) -> None:
        """Write down what became of effects of any runs. Once or often, it comes to the same."""
        ...


class Records(Protocol):
    """What can be read without owning anything. Lists are newest first, `before` is the last id of the page before."""

    async def run(self, tenant: str, run_id: str) -> Run:
        """One run. Raises `NotFound`."""
        ...

    async def runs(self, tenant: str, which: RunFilter, limit: int, before: str | None = None) -> Sequence[Run]:
        """A page of runs, newest first."""
        ...

    async def entries(self, tenant: str, run_id: str, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """A run's entries with `seq` over `after`, in order."""
        ...

    async def effects(self, tenant: str, run_id: str) -> Sequence[Effect]:
        """A run's ledger, in order of intent."""
        ...

    async def interrupt(self, tenant: str, interrupt_id: str) -> Interrupt:
        """One interrupt. Raises `NotFound`."""
        ...

    async def interrupts(
        self, tenant: str, which: InterruptFilter, limit: int, before: str | None = None
    ) -> Sequence[Interrupt]:
        """A page of interrupts, newest first."""
        ...

    async def session(self, tenant: str, session_id: str) -> Session:
        """One session. Raises `NotFound`."""
        ...

    async def history(self, tenant: str, session_id: str, limit: int) -> Sequence[Exchange]:
        """The last completed root runs of a session, oldest first."""
        ...

    async def queued(self, tenant: str | None, at_most: int) -> int:
        """How many runs are queued, of one tenant or in all, counted no further than `at_most`."""
        ...

    async def counts(self) -> Counts:
        """How many runs have not ended, over all tenants."""
        ...


class Workers(Protocol):
    """Who works, and how much each has to do."""

    async def report(self, load: WorkerLoad) -> None:
        """Say how a worker of this process stands. Call it every second."""
        ...

    async def alive(self) -> Sequence[WorkerLoad]:
        """Those that live, by id."""
        ...


class DeadLetters(Protocol):
    """What came to nothing. The journal writes them; here they are read and dealt with, each once and audited."""

    async def page(
        self, tenant: str, which: DeadLetterFilter, limit: int, before: str | None = None
    ) -> Sequence[DeadLetter]:
        """A page of them, newest first; `before` is the last id of the page before."""
        ...

    async def get(self, tenant: str, letter_id: str) -> DeadLetter:
        """One of them. Raises `NotFound`."""
        ...

    async def replay(self, tenant: str, letter_id: str, order: Replay) -> DeadLetter:
        """Do what the order says and settle the letter, in one transaction. One that was replayed is answered as it is.

        Raises:
            NotFound: No such letter, or no run for its message.
            DeadLetterSettled: It was discarded.
            RunEnded: The message is for a run that is over.
        """
        ...

    async def discard(self, tenant: str, letter_id: str, by: str) -> DeadLetter:
        """Settle the letter without doing anything. Raises `NotFound`, and `DeadLetterSettled` when it was replayed."""
        ...


class Halts(Protocol):
    """What operators have stopped, for all tenants. Each change is audited in the tenant of who made it."""

    async def all(self) -> Sequence[Halt]:
        """Those in force, oldest first."""
        ...

    async def halt(self, tenant: str, scope: str, reason: str, by: str) -> Halt:
        """Stop something. For what is stopped already this gives another reason."""
        ...

    async def lift(self, tenant: str, scope: str, reason: str, by: str) -> Halt:
        """End a halt; runs that wait for it are not woken by this. Raises `NotFound`."""
        ...

    async def wake(self) -> int:
        """Queue every run that waits for a halt which is not in force; answers how many."""
        ...


class Outbox(Protocol):
    """Reading what happened. Rows are written by the transactions that they tell of."""

    async def events(self, tenant: str, kind: str | None, after: int, limit: int) -> Sequence[OutboxRow]:
        """Rows with a `pos` over `after`, in order. `kind` is a type, or `run.*` for all that begin so."""
        ...

    async def audits(
        self, tenant: str, which: AuditFilter, limit: int, before: int | None = None
    ) -> Sequence[AuditRow]:
        """A page of audit rows, newest first."""
        ...


class Secrets(Protocol):
    """Values that tools and providers need and nobody else may see. They never enter an entry, a log or an answer."""

    async def value(self, tenant: str, name: str) -> str:
        """The value, for whoever uses it. Raises `NotFound` with near names, `SecretUnreadable`, `SecretsLocked`."""
        ...

    async def info(self, tenant: str, name: str) -> SecretInfo:
        """What may be shown of one. Raises `NotFound` with near names."""
        ...

    async def infos(self, tenant: str) -> Sequence[SecretInfo]:
        """What may be shown of all, by name."""
        ...

    async def put(self, principal: Principal, name: str, value: str) -> SecretInfo:
        """Set a value, a new one or another. Raises `SecretsLocked`."""
        ...

    async def delete(self, principal: Principal, name: str) -> None:
        """Forget one. Raises `NotFound`."""
        ...

    async def rotate(self, principal: Principal) -> int:
        """Renew the master key and seal every secret of every tenant under it; answers how many. Raises as `value`."""
        ...


class Artifacts(Protocol):
    """Files, kept once for each tenant and content."""

    async def put(self, new: NewArtifact, content: bytes | AsyncIterable[bytes]) -> Artifact:
        """Keep a file. What has its id already is replaced.

        Raises:
            TooLarge: It has more bytes than an artifact may have.
        """
        ...

    async def get(self, tenant: str, artifact_id: str) -> Artifact:
        """What is known of one. Raises `NotFound`."""
        ...

    async def read(self, tenant: str, artifact_id: str, offset: int = 0, length: int | None = None) -> bytes:
        """Its bytes from `offset` on, no more than `length`. Raises `NotFound`."""
        ...

    async def page(
        self, tenant: str, which: ArtifactFilter, limit: int, before: str | None = None
    ) -> Sequence[Artifact]:
        """A page of them, newest first; `before` is the last id of the page before."""
        ...

    async def delete(self, principal: Principal, artifact_id: str) -> None:
        """Forget one. Its bytes go later, unless another artifact has the same. Raises `NotFound`."""
        ...


class Limiter(Protocol):
    """Rates and permits by key, shared by all processes where there is something to share them over."""

    async def acquire(self, key: str, rates: Sequence[Rate], cost: int = 1) -> float | None:
        """Count `cost` under every rate and answer None; or count nothing and answer after how many seconds to ask.

        What costs more than a whole rate is let through when nothing else counts.
        """
        ...

    async def charge(self, key: str, rates: Sequence[Rate], cost: int) -> None:
        """Count what has been used already, whether there was room for it or not."""
        ...

    async def pause(self, key: str, seconds: float) -> None:
        """Let nobody acquire anything under this key for so long; a longer pause holds."""
        ...

    def slot(self, key: str, permits: int, wait: float) -> AbstractAsyncContextManager[None]:
        """Hold one of so many permits until the block ends. Who waits in one process is served in order.

        Raises:
            RateLimited: On entering, when none was free for `wait` seconds.
        """
        ...
