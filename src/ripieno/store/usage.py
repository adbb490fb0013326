"""What runs used, counted from their journals: model replies and tool calls, whatever budgets there were."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ripieno.domain.budgets import UsageGroup, UsageRow
from ripieno.store.portable.frame import Frame, Record, Work

# Entries that a fork copied were counted where they were written: their epoch is 0.
SUMS = """
  count(CASE WHEN entries.type = 'model.replied' THEN 1 END)::bigint AS calls,
  coalesce(sum((entries.body->'reply'->'usage'->>'cost_usd')::float), 0) AS usd,
  coalesce(sum((entries.body->'reply'->'usage'->>'input_tokens')::bigint), 0)::bigint AS input_tokens,
  coalesce(sum((entries.body->'reply'->'usage'->>'output_tokens')::bigint), 0)::bigint AS output_tokens,
  count(CASE WHEN entries.type = 'tool.returned' AND entries.body->>'effect' <> 'read' THEN 1 END)::bigint AS effects,
  coalesce(sum((entries.body->>'ms')::float), 0) / 1000.0 AS seconds
FROM entries JOIN runs ON runs.id = entries.run_id
WHERE runs.tenant = :tenant AND runs.updated_at >= :since AND entries.at >= :since AND entries.at < :until
  AND entries.epoch > 0 AND entries.type = ANY(:types::text[])
"""

COLUMNS = {
    UsageGroup.TENANT: "runs.tenant",
    UsageGroup.AGENT: "runs.target",
    UsageGroup.USER: "runs.created_by",
    UsageGroup.SESSION: "runs.session_id",
    UsageGroup.MODEL: "entries.body->'reply'->>'model'",
}

SQL = {
    group: f"SELECT {column} AS name, {SUMS} GROUP BY {column} ORDER BY {column}" for group, column in COLUMNS.items()
}

SPEAKING = ["model.replied"]
ALL = [*SPEAKING, "tool.returned"]


def usage(frame: Frame, tenant: str, by: UsageGroup, since: datetime, until: datetime) -> Work[list[UsageRow]]:
    """The sums of each group that used anything, in order."""
    if by is not UsageGroup.DAY:
        types = SPEAKING if by is UsageGroup.MODEL else ALL
        rows = yield from frame.all(SQL[by], tenant=tenant, since=since, until=until, types=types)
        return [_row(row, str(row["name"])) for row in rows]
    found: list[UsageRow] = []
    for begin, end in days(since, until):
        rows = yield from frame.all(SQL[UsageGroup.TENANT], tenant=tenant, since=begin, until=end, types=ALL)
        found += [_row(row, begin.date().isoformat()) for row in rows]
    return found


def days(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The parts of a span that lie in one day each."""
    begin = since
    while begin < until:
        end = begin.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        yield begin, min(end, until)
        begin = end


def _row(row: Record, name: str) -> UsageRow:
    return UsageRow(
        group=name,
        usd=float(row["usd"]),
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        calls=row["calls"],
        effects=row["effects"],
        seconds=float(row["seconds"]),
    )
