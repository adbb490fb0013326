"""Logs: one line an event, on standard error, JSON for machines and colours for people."""

import logging
import sys
from collections.abc import Callable
from typing import Any

import structlog

SERVICE = "ripieno"


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Writes a line, and looks it over before it leaves."""

    scrub: Callable[[str], str] = staticmethod(str)

    def format(self, record: logging.LogRecord) -> str:
        return self.scrub(super().format(record))


def scrub_with(scrub: Callable[[str], str]) -> None:
    """Pass every line from now on through `scrub`, which takes known secret values out."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Formatter):
            handler.formatter.scrub = scrub


def configure(level: str, style: str) -> None:
    """Send everything that is logged, by us or by a library, through one handler.

    `style` is `json`, `text`, or `auto`: text on a terminal. Call it once, at start.
    """
    as_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
    ]
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if as_text
        else [structlog.processors.format_exc_info, _shape, structlog.processors.JSONRenderer()]
    )
    formatter = _Formatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx2", "httpcore2", "uvicorn", "asyncio", "mcp", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _shape(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """The fields every line has; everything else is metadata."""
    head = {
        "timestamp": event.pop("timestamp", None),
        "level": event.pop("level", None),
        "service": SERVICE,
        "trace_id": event.pop("trace_id", None),
        "message": event.pop("event", None),
    }
    return {**head, "metadata": event}
