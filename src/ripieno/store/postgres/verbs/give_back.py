"""Give back: what a run that ends took from a mailbox and did not write down, as a part of the statement that ends it.

It lies in its box again, in its old place. The box is locked as by whoever takes from it, so that nobody begins to wait
there without seeing it.
"""

GIVE_BACK = """
unwritten AS MATERIALIZED (
  SELECT mail.id, mail.tenant, mail.box FROM fit JOIN mail ON mail.taken_by = fit.id
  WHERE mail.taken_at IS NOT NULL AND mail.acknowledged_at IS NULL
),
boxes AS MATERIALIZED (
  SELECT box FROM mailboxes WHERE (tenant, box) IN (SELECT tenant, box FROM unwritten)
  ORDER BY box FOR NO KEY UPDATE
),
given_back AS (
  UPDATE mail SET taken_by = NULL, taken_key = NULL, taken_at = NULL
  FROM unwritten, (SELECT count(*) FROM boxes) AS after_the_locks WHERE mail.id = unwritten.id
)"""
