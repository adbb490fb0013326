"""Bury: what a run that ends leaves undone becomes dead letters, as a part of the statement that ends it.

The rules are those of `domain.dead_letters`, which the other stores call; one contract suite holds all to them.
"""

from ripieno.domain.dead_letters import NOBODY_SAW, OWN_TOPICS, UNREAD, WORKER_DIED

_OWN_TOPICS = ", ".join(f"'{topic}'" for topic in sorted(OWN_TOPICS))

# $6 is the run's status, $11 whether it ended for a reason that may be mended, $12 and $13 the error and its sentence.
# Effects and messages are read as they were before this statement closes them.
BURY = f"""
left_over AS MATERIALIZED (
  SELECT 'run' AS kind, (fit.last_seq + 1)::text AS subject, $12::text AS cause, $13::text AS detail,
    runs.generation AS attempts, json_build_object(
      'agent', runs.target, 'agent_version', runs.target_version, 'session_id', runs.session_id, 'input', runs.input,
      'lane', runs.lane, 'priority', runs.priority, 'dry_run', runs.dry_run, 'metadata', runs.metadata
    ) AS payload
  FROM fit JOIN runs ON runs.id = fit.id
  WHERE $6 = 'failed' AND $11::bool AND (
    (fit.parent_id IS NULL AND runs.kind <> 'tool') OR $12::text = '{WORKER_DIED}'
  )
  UNION ALL
  SELECT 'effect', effects.key || '/' || effects.attempt,
    CASE effects.state WHEN 'failed' THEN 'effect_failed' ELSE 'effect_unknown' END,
    CASE effects.state WHEN 'failed' THEN coalesce(returned.body -> 'result' ->> 'text', '') ELSE '{NOBODY_SAW}' END,
    effects.attempt, json_build_object(
      'key', effects.key, 'tool', effects.tool, 'effect', effects.effect, 'idempotency_key', effects.idempotency_key,
      'arguments', coalesce(intent.body -> 'arguments', '{{}}'::json)
    )
  FROM fit JOIN runs ON runs.id = fit.id JOIN effects ON effects.run_id = fit.id
  LEFT JOIN entries AS intent ON intent.run_id = effects.run_id AND intent.seq = effects.seq
  LEFT JOIN entries AS returned ON returned.run_id = effects.run_id AND returned.key = effects.key
  WHERE effects.state IN ('intended', 'unknown') OR (
    effects.state = 'failed' AND $6 = 'failed' AND runs.kind <> 'tool' AND NOT EXISTS (
      SELECT FROM effects AS other
      WHERE other.run_id = effects.run_id AND other.tool = effects.tool
        AND other.arguments_hash = effects.arguments_hash AND (
          other.state = 'done'
          OR (other.seq, other.key, other.attempt) > (effects.seq, effects.key, effects.attempt)
        )
    )
  )
  UNION ALL
  SELECT 'message', inbox.n::text, 'run_ended', '{UNREAD}', 1,
    json_build_object('topic', inbox.topic, 'body', inbox.body, 'dedupe', inbox.dedupe)
  FROM fit JOIN inbox ON inbox.run_id = fit.id AND inbox.state = 'unread' AND inbox.topic NOT IN ({_OWN_TOPICS})
),
buried AS (
  INSERT INTO dead_letters (id, tenant, kind, state, run_id, subject, cause, detail, attempts, payload, created_at)
  SELECT 'dlq_' || substr(fit.id, 5, 12) || left(encode(sha256(convert_to(
      fit.id || '/' || left_over.kind || '/' || left_over.subject, 'UTF8'
    )), 'hex'), 20),
    fit.tenant, left_over.kind, 'open', fit.id, left_over.subject, left_over.cause, left_over.detail,
    left_over.attempts, left_over.payload, stamp.now
  FROM left_over, fit, stamp ORDER BY left_over.kind, left_over.subject
  ON CONFLICT (id) DO NOTHING
)"""  # noqa: S608 - constants
