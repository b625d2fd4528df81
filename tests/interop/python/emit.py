"""Emits known traces, metrics and logs with the OpenTelemetry SDK for Python.

    emit.py grpc|http/protobuf ENDPOINT none|gzip

ENDPOINT is `http://HOST:PORT`. Prints, as one JSON array, every item that was handed to an
exporter, in the form that `tests/interop.rs` describes, and exits 0 if every export succeeded.
"""

import json
import struct
import sys

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExportResult, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.export import Gauge as GaugeData
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.metrics.export import Sum as SumData
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

# 2026-01-01T00:00:00.123456789Z: no part of it survives a detour through a double.
EPOCH_NS = 1_767_225_600_123_456_789

ATTRIBUTES = {
    "string": "plain",
    "non-ascii": "grüße, 世界 \U0001f680",
    "control": 'quote " backslash \\ newline \n tab \t',
    "empty": "",
    "yes": True,
    "no": False,
    "zero": 0,
    "least": -(2**63),
    "greatest": 2**63 - 1,
    "beyond-double": 2**53 + 1,
    "third": 1 / 3,
    "negative-zero": -0.0,
    "tiny": 5e-324,
    "huge": 1.7976931348623157e308,
    "whole": 2.0,
    "strings": ["a", "ß", ""],
    "ints": [1, -1, 2**63 - 1],
    "doubles": [0.5, -0.25],
    "bools": [True, False],
}

SENT = []
FAILURES = []


def value(python):
    if python is None:
        return None
    if isinstance(python, bool):
        return {"bool": python}
    if isinstance(python, str):
        return {"string": python}
    if isinstance(python, int):
        return {"int": str(python)}
    if isinstance(python, float):
        return double(python)
    if isinstance(python, bytes):
        return {"bytes": python.hex()}
    if hasattr(python, "items"):
        return {"map": attributes(python)}
    return {"array": [value(each) for each in python]}


def double(number):
    return {"double": struct.pack(">d", number).hex()}


def attributes(mapping):
    return {key: value(each) for key, each in (mapping or {}).items()}


def under(resource, scope):
    return {
        "resource": attributes(resource.attributes),
        "scope": {"name": scope.name, "version": scope.version or ""},
    }


def trace_id(number):
    return format(number, "032x") if number else ""


def span_id(number):
    return format(number, "016x") if number else ""


def record_spans(spans):
    for span in spans:
        SENT.append(
            under(span.resource, span.instrumentation_scope)
            | {
                "kind": "span",
                "trace_id": trace_id(span.context.trace_id),
                "span_id": span_id(span.context.span_id),
                "parent_span_id": span_id(span.parent.span_id if span.parent else 0),
                "name": span.name,
                # The wire counts from 1, for 0 is "unspecified".
                "span_kind": span.kind.value + 1,
                "start": str(span.start_time),
                "end": str(span.end_time),
                "attributes": attributes(span.attributes),
                "events": [
                    {
                        "name": event.name,
                        "time": str(event.timestamp),
                        "attributes": attributes(event.attributes),
                    }
                    for event in span.events
                ],
                "links": [
                    {
                        "trace_id": trace_id(link.context.trace_id),
                        "span_id": span_id(link.context.span_id),
                        "attributes": attributes(link.attributes),
                    }
                    for link in span.links
                ],
                "status": {
                    "code": span.status.status_code.value,
                    "message": span.status.description or "",
                },
            }
        )


def record_metrics(data):
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    SENT.append(
                        under(resource.resource, scope.scope)
                        | {
                            "kind": "point",
                            "metric": metric.name,
                            "unit": metric.unit or "",
                            "description": metric.description or "",
                            "attributes": attributes(point.attributes),
                            "start": str(point.start_time_unix_nano or 0),
                            "time": str(point.time_unix_nano),
                            "exemplars": [exemplar(each) for each in point.exemplars],
                        }
                        | measurement(metric.data, point)
                    )


def measurement(data, point):
    if isinstance(data, SumData):
        return {
            "type": "sum",
            "temporality": data.aggregation_temporality.value,
            "monotonic": data.is_monotonic,
            "value": value(point.value),
        }
    if isinstance(data, GaugeData):
        return {"type": "gauge", "value": value(point.value)}
    summary = {
        "temporality": data.aggregation_temporality.value,
        "count": str(point.count),
        "sum": double(float(point.sum)),
        "min": double(float(point.min)),
        "max": double(float(point.max)),
    }
    if isinstance(data, HistogramData):
        return summary | {
            "type": "histogram",
            "buckets": [str(count) for count in point.bucket_counts],
            "bounds": [double(float(bound)) for bound in point.explicit_bounds],
        }
    return summary | {
        "type": "exponential_histogram",
        "scale": point.scale,
        "zero_count": str(point.zero_count),
        "positive": buckets(point.positive),
        "negative": buckets(point.negative),
    }


def buckets(side):
    return {"offset": side.offset, "buckets": [str(count) for count in side.bucket_counts]}


def exemplar(each):
    return {
        "value": value(each.value),
        "time": str(each.time_unix_nano),
        "trace_id": trace_id(each.trace_id),
        "span_id": span_id(each.span_id),
        "attributes": attributes(each.filtered_attributes),
    }


def record_logs(batch):
    for readable in batch:
        log = readable.log_record
        SENT.append(
            under(readable.resource, readable.instrumentation_scope)
            | {
                "kind": "log",
                "time": str(log.timestamp),
                "observed": str(log.observed_timestamp),
                "severity": log.severity_number.value if log.severity_number else 0,
                "severity_text": log.severity_text or "",
                "body": value(log.body),
                "attributes": attributes(log.attributes),
                "trace_id": trace_id(log.trace_id),
                "span_id": span_id(log.span_id),
                "event_name": log.event_name or "",
            }
        )


def recording(exporter, record, success):
    """`exporter` with its `export` wrapped: what goes in is recorded, what fails is remembered."""
    export = exporter.export

    def wrapped(batch, *args, **kwargs):
        record(batch)
        result = export(batch, *args, **kwargs)
        if result is not success:
            FAILURES.append(f"{type(exporter).__name__}: {result}")
        return result

    exporter.export = wrapped
    return exporter


class CountedIds(IdGenerator):
    """1, 2, 3, … in the high and the low half, so that a truncated id shows."""

    def __init__(self):
        self.last = 0

    def generate_span_id(self):
        self.last += 1
        return (0xA1 << 56) + self.last

    def generate_trace_id(self):
        self.last += 1
        return (0xB2 << 120) + (self.last << 64) + self.last


def emit_spans(provider):
    tracer = provider.get_tracer("interop.traces", "1.2.3")
    cause = SpanContext(0xC3 << 120, 0xD4 << 56, True, TraceFlags(1))
    for number, kind in enumerate(SpanKind):
        start = EPOCH_NS + number * 1_000
        parent = tracer.start_span(f"parent {kind.name}", kind=kind, start_time=start)
        parent.set_attributes(ATTRIBUTES)
        context = trace.set_span_in_context(parent)
        child = tracer.start_span(
            "child é",
            context=context,
            links=[Link(cause, {"reason": "queued", "depth": 3})],
            start_time=start + 1,
        )
        child.add_event("with attributes", ATTRIBUTES, timestamp=start + 2)
        child.add_event("without", timestamp=start + 3)
        child.set_status(Status(StatusCode.ERROR, "it broke ✗"))
        child.end(start + 4)
        parent.set_status(Status(StatusCode.OK))
        parent.end(start + 5)


def emit_metrics(provider):
    meter = provider.get_meter("interop.metrics", "4.5.6")
    counter = meter.create_counter("requests", "1", "requests served")
    counter.add(1, {"route": "/"})
    counter.add(2**62, {"route": "/größe"})
    meter.create_counter("seconds", "s").add(0.1)
    up_down = meter.create_up_down_counter("queue", "{item}")
    up_down.add(5)
    up_down.add(-12)
    histogram = meter.create_histogram("latency", "ms", "as buckets")
    exponential = meter.create_histogram("latency.exponential", "ms")
    for number in (0, 0.5, 7, 7.25, 1e6):
        histogram.record(number, {"route": "/"})
        exponential.record(number, {"route": "/"})
    meter.create_gauge("temperature", "Cel").set(-3.75, ATTRIBUTES)
    meter.create_gauge("revision").set(-(2**63))
    provider.force_flush()


def emit_logs(provider, tracer):
    logger = provider.get_logger("interop.logs", "7.8.9")
    bodies = [
        "a line",
        "zwei Zeilen\nmit ß",
        -(2**63),
        1 / 3,
        True,
        b"\x00\x7f\x80\xff",
        ["list", 1, None],
        {"nested": {"deeper": [1.5, "x"]}},
        None,
    ]
    for number, body in enumerate(bodies):
        logger.emit(
            LogRecord(
                timestamp=EPOCH_NS + number,
                observed_timestamp=EPOCH_NS + number + 1,
                severity_number=list(SeverityNumber)[number * 3 % 25],
                severity_text=f"LEVEL{number}",
                body=body,
                attributes=ATTRIBUTES,
                event_name="interop.event" if number % 2 else None,
            )
        )
    with tracer.start_as_current_span("around a log"):
        logger.emit(LogRecord(timestamp=EPOCH_NS, body="inside a span"))


def exporters(protocol, endpoint, gzip):
    """The three exporters and the keyword arguments that differ between the protocols."""
    if protocol == "grpc":
        from grpc import Compression
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        def common(_path):
            compression = Compression.Gzip if gzip else Compression.NoCompression
            return {"endpoint": endpoint, "insecure": True, "compression": compression}
    else:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        def common(path):
            compression = Compression.Gzip if gzip else Compression.NoCompression
            return {"endpoint": endpoint + path, "compression": compression}

    return (
        OTLPSpanExporter(**common("/v1/traces")),
        OTLPMetricExporter(
            **common("/v1/metrics"),
        ),
        OTLPLogExporter(**common("/v1/logs")),
    )


def main(protocol, endpoint, compression):
    spans, metrics, logs = exporters(protocol, endpoint, compression == "gzip")
    resource = Resource({"service.name": "interop-python", "host.id": 7, "tags": ["a", "b"]})
    span_processor = SimpleSpanProcessor(recording(spans, record_spans, SpanExportResult.SUCCESS))
    tracer_provider = TracerProvider(resource=resource, id_generator=CountedIds())
    tracer_provider.add_span_processor(span_processor)
    reader = PeriodicExportingMetricReader(
        recording(metrics, record_metrics, MetricExportResult.SUCCESS),
        # Only the flush exports.
        export_interval_millis=3_600_000,
    )
    exponential = View(
        instrument_type=Histogram,
        instrument_name="latency.exponential",
        aggregation=ExponentialBucketHistogramAggregation(),
    )
    meter_provider = MeterProvider(
        [reader], resource, exemplar_filter=AlwaysOnExemplarFilter(), views=[exponential]
    )
    logger_provider = LoggerProvider(resource)
    logger_provider.add_log_record_processor(
        SimpleLogRecordProcessor(recording(logs, record_logs, LogRecordExportResult.SUCCESS))
    )

    emit_spans(tracer_provider)
    emit_metrics(meter_provider)
    emit_logs(logger_provider, tracer_provider.get_tracer("interop.traces", "1.2.3"))
    for provider in (tracer_provider, meter_provider, logger_provider):
        provider.shutdown()

    json.dump(SENT, sys.stdout)
    if FAILURES:
        sys.exit("\n".join(FAILURES))


if __name__ == "__main__":
    main(*sys.argv[1:])
