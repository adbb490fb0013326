"""Settings of telemetry."""

from pydantic import Field, model_validator

from ripieno.settings.section import Section


class TelemetrySettings(Section):
    """What models and tools were asked, as OpenTelemetry spans and metrics over OTLP/HTTP.

    They go to `endpoint` (`http://collector:4318`), unless `enabled` says no. `content` adds what was said and
    answered, with personal data and secrets masked. Metrics are sent every `metric_seconds`. Headers and the like are
    taken from OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_HEADERS`).
    """

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^/\s]")
    enabled: bool = True
    content: bool = False
    metric_seconds: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _somewhere(self) -> "TelemetrySettings":
        if "enabled" in self.model_fields_set and self.enabled and self.endpoint is None:
            msg = "telemetry needs an endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)"
            raise ValueError(msg)
        return self

    @property
    def goes_to(self) -> str | None:
        """Where it is sent; None for nowhere."""
        return self.endpoint if self.enabled else None
