"""Reservations: written before a run spends, settled with what came of it. Parts of append and finish.

They are in a statement of their own, so that runs without a budget do not carry them.
"""

from collections.abc import Sequence

from ripieno.domain.batches import Append

RESERVED = (
    "run_id text, key text, scope text, period text, since timestamptz, chunk_id text, usd bigint, tokens bigint, "
    "seconds bigint, effects bigint"
)
SETTLED = "run_id text, key text, usd bigint, tokens bigint, seconds bigint, effects bigint"
"""Sections of a batch, see `append`."""


def book(reserving: str, settling: str) -> str:
    """The table expressions that write both sections. A reservation that is there stays: the next leg reuses it."""
    return f"""
reserved AS (
  INSERT INTO reservations (
    run_id, key, scope, period, tenant, since, chunk_id, state, usd, tokens, seconds, effects, at
  )
  SELECT given.run_id, given.key, given.scope, given.period, kept.tenant, given.since, given.chunk_id, 'open',
    given.usd, given.tokens, given.seconds, given.effects, stamp.now
  FROM {reserving} JOIN kept ON kept.run_id = given.run_id CROSS JOIN stamp
  ON CONFLICT DO NOTHING
),
settled AS (
  UPDATE reservations SET state = 'settled', usd = given.usd, tokens = given.tokens, seconds = given.seconds,
    effects = given.effects, at = stamp.now
  FROM {settling} JOIN kept ON kept.run_id = given.run_id CROSS JOIN stamp
  WHERE reservations.run_id = given.run_id AND reservations.key = given.key AND reservations.state = 'open'
)
"""  # noqa: S608 - constants


# Nobody knows what these acts used, so all of it counts.
SETTLE_REST = """
spent AS (
  UPDATE reservations SET state = 'settled' FROM fit
  WHERE reservations.run_id = fit.id AND reservations.state = 'open'
)
"""


def reserved(batch: Append) -> Sequence[tuple[object, ...]]:
    """The rows of RESERVED."""
    return [
        (
            batch.run_id,
            one.key,
            one.scope,
            one.window,
            one.since,
            one.chunk_id,
            one.amount.usd,
            one.amount.tokens,
            one.amount.seconds,
            one.amount.effects,
        )
        for one in batch.reserves
    ]


def settled(batch: Append) -> Sequence[tuple[object, ...]]:
    """The rows of SETTLED."""
    return [
        (batch.run_id, one.key, one.amount.usd, one.amount.tokens, one.amount.seconds, one.amount.effects)
        for one in batch.settles
    ]
