"""The columns that statements of every store read, in the order in which its rows are taken apart."""

RUN_COLUMNS = (
    "id, tenant, kind, target, target_version, session_id, root_id, parent_id, parent_key, status, exit_reason, input, "
    "result, created_by, created_at, updated_at, started_at, ended_at, deadline, epoch, last_seq, inbox_seq, "
    "generation, hold, cancel_at, waits, wake_at, lane, priority, dry_run, metadata, deaths, after_id"
)
ENTRY_COLUMNS = "run_id, seq, key, type, body, at, epoch, v"
INBOX_COLUMNS = "n, topic, body, dedupe"
EFFECT_COLUMNS = "run_id, key, attempt, tool, effect, state, idempotency_key, arguments_hash, intended_at, closed_at"
INTERRUPT_COLUMNS = (
    "id, tenant, run_id, key, kind, status, subject_hash, request, risk, reasons, requested_by, created_at, "
    "expires_at, decisions, terms, assignees, escalated_at"
)
