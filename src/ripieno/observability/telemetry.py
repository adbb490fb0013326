"""Sends what was asked of models and tools to a collector: OpenTelemetry spans and metrics, OTLP over HTTP.

All spans of a run are one trace: the trace's id is the one in the run's id, so that either leads to the other.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from ripieno.domain.operations import Operation, Record

SCOPE = "ripieno"
ID = re.compile("[0-9a-f]{32}")
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
"""The boundaries that the conventions advise."""

PATIENCE = 3.0
"""Seconds that the collector has to take what is left at the end."""


class Telemetry:
    """A tracer and a meter that send to `endpoint`, in threads of their own; what cannot be sent is dropped."""

    def __init__(self, endpoint: str, version: str, metric_seconds: float) -> None:
        resource = Resource.create({"service.name": SCOPE, "service.version": version})
        base = endpoint.rstrip("/")
        self._spans = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._spans.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=PATIENCE))
        )
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=PATIENCE),
            export_interval_millis=metric_seconds * 1000,
        )
        self._metrics = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        meter = self._metrics.get_meter(SCOPE, version)
        self._tracer = self._spans.get_tracer(SCOPE, version)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._usage = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )

    def record(self, operation: Operation) -> None:
        """Take what has ended."""
        facts = {**operation.facts, **({"error.type": operation.error} if operation.error else {})}
        began = round(operation.began.timestamp() * 1_000_000_000)
        span = self._tracer.start_span(
            f"{operation.name} {operation.subject}",
            context=set_span_in_context(NonRecordingSpan(_run(operation.run_id))) if operation.run_id else None,
            kind=SpanKind.CLIENT if operation.name == "chat" else SpanKind.INTERNAL,
            attributes=facts,
            start_time=began,
        )
        if operation.error:
            span.set_status(Status(StatusCode.ERROR, operation.error))
        span.end(began + round(operation.seconds * 1_000_000_000))
        series = {name: facts[name] for name in operation.measured if name in facts}
        self._duration.record(operation.seconds, series)
        for kind, count in operation.tokens.items():
            self._usage.record(count, {**series, "gen_ai.token.type": kind})

    def close(self) -> None:
        """Send what is left; this waits."""
        self._spans.shutdown()
        self._metrics.shutdown(timeout_millis=PATIENCE * 1000)


@asynccontextmanager
async def sending(endpoint: str, version: str, metric_seconds: float) -> AsyncGenerator[Record]:
    """Take operations until the block ends, then send what is left."""
    telemetry = Telemetry(endpoint, version, metric_seconds)
    try:
        yield telemetry.record
    finally:
        await asyncio.to_thread(telemetry.close)


def _run(run_id: str) -> SpanContext:
    """The span of a whole run, in the trace that its id names."""
    digest = hashlib.sha256(run_id.encode()).digest()
    named = run_id.rpartition("_")[2]
    trace_id = int(named, 16) if ID.fullmatch(named) else int.from_bytes(digest[8:24], "big")
    return SpanContext(trace_id, int.from_bytes(digest[:8], "big"), is_remote=True, trace_flags=TraceFlags(1))
