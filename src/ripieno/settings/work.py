"""Settings of the work: workers, limits, budgets, what is kept and what is logged."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from ripieno.domain.budgets import MOST, Budget, Caps, OnExceeded, Window
from ripieno.domain.retention import Kept
from ripieno.settings.section import Section


class WorkerSettings(Section):
    """How runs are worked on. Times are in seconds.

    Of the `slots`, runs of lane `batch` fill at most `batch_slots`, and together with those of lane `default` at most
    `default_slots`; the rest is kept for lane `interactive`. Unset, `batch_slots` is all but a tenth of the slots, and
    `default_slots` all of them.
    """

    slots: int = Field(default=100, ge=1, le=10_000)
    default_slots: int | None = Field(default=None, ge=1, le=10_000)
    batch_slots: int | None = Field(default=None, ge=1, le=10_000)
    poll_seconds: float = Field(default=2.0, gt=0)
    drain_seconds: float = Field(default=10.0, ge=0)


class LimitSettings(Section):
    """What all workers together take on. Unset means no limit.

    `tenant_running` and `agent_running` are how many runs of a tenant or an agent may be under way at once, for those
    that have no limit of their own. While `queued` runs are queued, or `tenant_queued` of one tenant, no new ones are
    taken (503). A run that kills `deaths` workers in a row fails. Limits in time (`models.limits`) are counted by each
    process for itself, or by all together in the Redis at `redis_url`; while that is away, by each for itself again.
    """

    tenant_running: int | None = Field(default=None, ge=1)
    agent_running: int | None = Field(default=None, ge=1)
    queued: int | None = Field(default=100_000, ge=1)
    tenant_queued: int | None = Field(default=None, ge=1)
    deaths: int = Field(default=3, ge=1)
    redis_url: SecretStr | None = None

    @property
    def redis(self) -> str | None:
        """Where limits are counted together."""
        return self.redis_url.get_secret_value() if self.redis_url else None


class RunBudgetSettings(Section):
    """What a run may spend, together with the runs below it, where neither its agent nor its request says."""

    usd: float | None = Field(default=None, ge=0, le=MOST, allow_inf_nan=False)
    tokens: int | None = Field(default=None, ge=0, le=MOST)
    effects: int | None = Field(default=None, ge=0, le=MOST)
    on_exceeded: OnExceeded = OnExceeded.STOP


class TenantBudgetSettings(RunBudgetSettings):
    """What each tenant may spend in a day or month (UTC), unless it has a budget of its own for that."""

    seconds: float | None = Field(default=None, ge=0, le=MOST, allow_inf_nan=False)
    warn_at: float = Field(default=0.8, gt=0, le=1)


class BudgetSettings(Section):
    """Budgets that hold without anybody setting them. `on_exceeded = "ask"` asks a person for more before it stops."""

    run: RunBudgetSettings = RunBudgetSettings()
    day: TenantBudgetSettings = TenantBudgetSettings()
    month: TenantBudgetSettings = TenantBudgetSettings()

    def of_tenants(self) -> Iterator[Budget]:
        """Those of tenants, of no tenant in particular."""
        for window, given in ((Window.DAY, self.day), (Window.MONTH, self.month)):
            caps = Caps.given(given.model_dump())
            if caps.measures:
                yield Budget("", "tenant", window, caps, given.on_exceeded, given.warn_at, set_by="settings")


class SecretSettings(Section):
    """The master keys of secrets.

    `master_keys` are `ID:BASE64` of 32 bytes each, the current one first. Without them they are in `key_file`, by
    default `keys/master` in the data folder, which is made when the first secret is set. Processes that share a
    database must be given one or the other.
    """

    master_keys: tuple[SecretStr, ...] = ()
    key_file: Path | None = None


class RetentionSettings(Section):
    """For how many days what is over is kept; 0 keeps it for ever.

    A run goes with all runs below it, counted from the end of the last of them. Sessions go when they have no runs and
    nothing came to them for so long; `audit` is about the rows of who did what. With `archive`, each run is written to
    a compressed bundle in the data folder before it is deleted. The scheduler prunes every ten minutes.
    """

    runs: float = Field(default=0, ge=0)
    sessions: float = Field(default=0, ge=0)
    outbox: float = Field(default=30, ge=0)
    audit: float = Field(default=0, ge=0)
    dead_letters: float = Field(default=90, ge=0)
    archive: bool = False

    def kept(self) -> Kept:
        """As the store takes it."""
        return Kept(self.runs, self.sessions, self.outbox, self.audit, self.dead_letters, self.archive)


class LogSettings(Section):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"
