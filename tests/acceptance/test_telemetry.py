"""A real server sends spans and metrics of a run to a collector, as OTLP over HTTP."""

import gzip
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.acceptance.command_line import ripieno

pytestmark = pytest.mark.acceptance


@contextmanager
def collector() -> Generator[tuple[str, dict[str, list[bytes]]]]:
    """Its address, and the bodies that arrive, by path."""
    arrived: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/metrics": []}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            arrived[self.path].append(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", arrived
        finally:
            server.shutdown()
            thread.join()


def test_a_run_is_one_trace_of_its_models_and_tools(tmp_path: Path):
    with collector() as (url, arrived):
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
        ended = ripieno(tmp_path, "run", "What is 12 * 34?", "--json", env=env)
        assert ended.code == 0
    traces = [ExportTraceServiceRequest.FromString(body) for body in arrived["/v1/traces"]]
    spans = [
        span
        for trace in traces
        for resource in trace.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    names = {span.name for span in spans}
    assert {"chat offline", "execute_tool math.calculate"} <= names
    run = ended.json["id"].removeprefix("run_")
    assert {span.trace_id.hex() for span in spans if span.name == "execute_tool math.calculate"} == {run}
    facts = {one.key: one.value.string_value for span in spans for one in span.attributes}
    assert facts["gen_ai.provider.name"] == "offline"
    assert "12 * 34" not in str(spans)
    metrics = [ExportMetricsServiceRequest.FromString(body) for body in arrived["/v1/metrics"]]
    measured = {
        metric.name
        for one in metrics
        for resource in one.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert "gen_ai.client.operation.duration" in measured


def test_a_collector_that_is_away_stops_nothing(tmp_path: Path):
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    assert ripieno(tmp_path, "run", "What is 12 * 34?", env=env).code == 0
