// Emits known traces, metrics and logs with the OpenTelemetry SDK for JavaScript.
//
//     emit.js grpc|http/protobuf|http/json ENDPOINT none|gzip
//
// ENDPOINT is `http://HOST:PORT`. Prints, as one JSON array, every item that was handed to an
// exporter, in the form that `tests/interop.rs` describes, and exits 0 if every export succeeded.

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, ValueType, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import {
  AggregationType,
  DataPointType,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

// 2026-01-01T00:00:00.123456789Z: no part of it survives a detour through a double.
const EPOCH = [1767225600, 123456789];

const ATTRIBUTES = {
  string: 'plain',
  'non-ascii': 'grüße, 世界 \u{1f680}',
  control: 'quote " backslash \\ newline \n tab \t',
  empty: '',
  yes: true,
  no: false,
  zero: 0,
  least: Number.MIN_SAFE_INTEGER,
  greatest: Number.MAX_SAFE_INTEGER,
  third: 1 / 3,
  tiny: 5e-324,
  half: -0.5,
  strings: ['a', 'ß', ''],
  ints: [1, -1, 4294967296],
  doubles: [0.5, -0.25],
  bools: [true, false],
};

const sent = [];
const failures = [];

// The SDK takes whole numbers for integers, whatever was meant.
function value(js) {
  if (js === undefined || js === null) return null;
  if (typeof js === 'boolean') return { bool: js };
  if (typeof js === 'string') return { string: js };
  if (typeof js === 'number') return Number.isInteger(js) ? { int: String(BigInt(js)) } : double(js);
  if (js instanceof Uint8Array) return { bytes: Buffer.from(js).toString('hex') };
  if (Array.isArray(js)) return { array: js.map(value) };
  return { map: attributes(js) };
}

function double(number) {
  const bits = Buffer.alloc(8);
  bits.writeDoubleBE(number);
  return { double: bits.toString('hex') };
}

function attributes(object) {
  return Object.fromEntries(Object.entries(object ?? {}).map(([key, each]) => [key, value(each)]));
}

function nanos([seconds, nanoseconds]) {
  return String(BigInt(seconds) * 1000000000n + BigInt(nanoseconds));
}

function later(nanoseconds) {
  return [EPOCH[0], EPOCH[1] + nanoseconds];
}

function under(resource, scope) {
  return {
    resource: attributes(resource.attributes),
    scope: { name: scope.name, version: scope.version ?? '' },
  };
}

function recordSpans(spans) {
  for (const span of spans) {
    sent.push({
      ...under(span.resource, span.instrumentationScope),
      kind: 'span',
      trace_id: span.spanContext().traceId,
      span_id: span.spanContext().spanId,
      parent_span_id: span.parentSpanContext?.spanId ?? '',
      name: span.name,
      // The wire counts from 1, for 0 is "unspecified".
      span_kind: span.kind + 1,
      start: nanos(span.startTime),
      end: nanos(span.endTime),
      attributes: attributes(span.attributes),
      events: span.events.map(event => ({
        name: event.name,
        time: nanos(event.time),
        attributes: attributes(event.attributes),
      })),
      links: span.links.map(link => ({
        trace_id: link.context.traceId,
        span_id: link.context.spanId,
        attributes: attributes(link.attributes),
      })),
      status: { code: span.status.code, message: span.status.message ?? '' },
    });
  }
}

function recordMetrics({ resource, scopeMetrics }) {
  for (const { scope, metrics } of scopeMetrics) {
    for (const metric of metrics) {
      for (const point of metric.dataPoints) {
        sent.push({
          ...under(resource, scope),
          kind: 'point',
          metric: metric.descriptor.name,
          unit: metric.descriptor.unit,
          description: metric.descriptor.description,
          attributes: attributes(point.attributes),
          start: nanos(point.startTime),
          time: nanos(point.endTime),
          exemplars: [],
          ...measurement(metric, point.value),
        });
      }
    }
  }
}

function measurement(metric, measured) {
  // The wire counts from 1, for 0 is "unspecified".
  const temporality = metric.aggregationTemporality + 1;
  const number = () =>
    metric.descriptor.valueType === ValueType.INT
      ? { int: String(BigInt(measured)) }
      : double(measured);
  const summary = () => ({
    temporality,
    count: String(measured.count),
    sum: double(measured.sum),
    min: double(measured.min),
    max: double(measured.max),
  });
  const buckets = side => ({ offset: side.offset, buckets: side.bucketCounts.map(String) });
  switch (metric.dataPointType) {
    case DataPointType.SUM:
      return { type: 'sum', temporality, monotonic: metric.isMonotonic, value: number() };
    case DataPointType.GAUGE:
      return { type: 'gauge', value: number() };
    case DataPointType.HISTOGRAM:
      return {
        ...summary(),
        type: 'histogram',
        buckets: measured.buckets.counts.map(String),
        bounds: measured.buckets.boundaries.map(double),
      };
    default:
      return {
        ...summary(),
        type: 'exponential_histogram',
        scale: measured.scale,
        zero_count: String(measured.zeroCount),
        positive: buckets(measured.positive),
        negative: buckets(measured.negative),
      };
  }
}

function recordLogs(logs) {
  for (const log of logs) {
    sent.push({
      ...under(log.resource, log.instrumentationScope),
      kind: 'log',
      time: nanos(log.hrTime),
      observed: nanos(log.hrTimeObserved),
      severity: log.severityNumber ?? 0,
      severity_text: log.severityText ?? '',
      body: value(log.body),
      attributes: attributes(log.attributes),
      trace_id: log.spanContext?.traceId ?? '',
      span_id: log.spanContext?.spanId ?? '',
      event_name: log.eventName ?? '',
    });
  }
}

// `exporter` with its `export` wrapped: what goes in is recorded, what fails is remembered.
function recording(exporter, record) {
  const original = exporter.export.bind(exporter);
  exporter.export = (batch, done) => {
    record(batch);
    original(batch, result => {
      if (result.code !== 0) failures.push(`${exporter.constructor.name}: ${result.error}`);
      done(result);
    });
  };
  return exporter;
}

// 1, 2, 3, … in the high and the low half, so that a truncated id shows.
class CountedIds {
  last = 0;

  generateSpanId = () => `e1${String(++this.last).padStart(14, '0')}`;

  generateTraceId = () => {
    const number = String(++this.last).padStart(15, '0');
    return `f${number}0${number}`;
  };
}

function emitSpans(provider) {
  const tracer = provider.getTracer('interop.traces', '1.2.3');
  const cause = { traceId: 'c3'.repeat(16), spanId: 'd4'.repeat(8), traceFlags: 1 };
  for (const kind of [0, 1, 2, 3, 4]) {
    const start = kind * 1000;
    const parent = tracer.startSpan(
      `parent ${SpanKind[kind]}`,
      { kind, startTime: later(start), attributes: ATTRIBUTES },
      ROOT_CONTEXT,
    );
    const links = [{ context: cause, attributes: { reason: 'queued', depth: 3 } }];
    const child = tracer.startSpan(
      'child é',
      { startTime: later(start + 1), links },
      trace.setSpan(ROOT_CONTEXT, parent),
    );
    child.addEvent('with attributes', ATTRIBUTES, later(start + 2));
    child.addEvent('without', later(start + 3));
    child.setStatus({ code: SpanStatusCode.ERROR, message: 'it broke ✗' });
    child.end(later(start + 4));
    parent.setStatus({ code: SpanStatusCode.OK });
    parent.end(later(start + 5));
  }
}

async function emitMetrics(provider) {
  const meter = provider.getMeter('interop.metrics', '4.5.6');
  const int = { valueType: ValueType.INT };
  const counter = meter.createCounter('requests', { ...int, unit: '1', description: 'served' });
  counter.add(1, { route: '/' });
  counter.add(2 ** 52, { route: '/größe' });
  meter.createCounter('seconds', { unit: 's' }).add(0.1);
  const upDown = meter.createUpDownCounter('queue', { ...int, unit: '{item}' });
  upDown.add(5);
  upDown.add(-12);
  const histogram = meter.createHistogram('latency', { unit: 'ms', description: 'as buckets' });
  const exponential = meter.createHistogram('latency.exponential', { unit: 'ms' });
  for (const number of [0, 0.5, 7, 7.25, 1e6]) {
    histogram.record(number, { route: '/' });
    exponential.record(number, { route: '/' });
  }
  meter.createGauge('temperature', { unit: 'Cel' }).record(-3.75, ATTRIBUTES);
  meter.createGauge('revision', int).record(Number.MIN_SAFE_INTEGER);
  await provider.forceFlush();
}

function emitLogs(provider, tracer) {
  const logger = provider.getLogger('interop.logs', '7.8.9');
  const bodies = [
    'a line',
    'zwei Zeilen\nmit ß',
    Number.MIN_SAFE_INTEGER,
    1 / 3,
    true,
    Uint8Array.of(0, 127, 128, 255),
    ['list', 1, null],
    { nested: { deeper: [1.5, 'x'] } },
    undefined,
  ];
  bodies.forEach((body, number) => {
    logger.emit({
      timestamp: later(number),
      observedTimestamp: later(number + 1),
      severityNumber: (number * 3) % 25,
      severityText: `LEVEL${number}`,
      body,
      attributes: ATTRIBUTES,
      eventName: number % 2 ? 'interop.event' : undefined,
    });
  });
  const span = tracer.startSpan('around a log', { startTime: later(0) }, ROOT_CONTEXT);
  const context = trace.setSpan(ROOT_CONTEXT, span);
  logger.emit({ timestamp: later(0), body: 'inside a span', context });
  span.end(later(1));
}

async function exporters(protocol, endpoint, compression) {
  const kind = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[protocol];
  const load = async (signal, name, path) => {
    const module = await import(`@opentelemetry/exporter-${signal}-otlp-${kind}`);
    const url = kind === 'grpc' ? endpoint : endpoint + path;
    return new module[name]({ url, compression });
  };
  return [
    await load('trace', 'OTLPTraceExporter', '/v1/traces'),
    await load('metrics', 'OTLPMetricExporter', '/v1/metrics'),
    await load('logs', 'OTLPLogExporter', '/v1/logs'),
  ];
}

const [protocol, endpoint, compression] = process.argv.slice(2);
const [spans, metrics, logs] = await exporters(protocol, endpoint, compression);
const resource = resourceFromAttributes({
  'service.name': 'interop-node',
  'host.id': 7,
  tags: ['a', 'b'],
});
const tracerProvider = new BasicTracerProvider({
  resource,
  idGenerator: new CountedIds(),
  spanProcessors: [new SimpleSpanProcessor(recording(spans, recordSpans))],
});
const reader = new PeriodicExportingMetricReader({
  exporter: recording(metrics, recordMetrics),
  // Only the flush exports.
  exportIntervalMillis: 3600000,
});
const meterProvider = new MeterProvider({
  resource,
  readers: [reader],
  views: [
    {
      instrumentName: 'latency.exponential',
      aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM },
    },
  ],
});
const loggerProvider = new LoggerProvider({
  resource,
  processors: [new SimpleLogRecordProcessor({ exporter: recording(logs, recordLogs) })],
});

emitSpans(tracerProvider);
await emitMetrics(meterProvider);
emitLogs(loggerProvider, tracerProvider.getTracer('interop.traces', '1.2.3'));
await tracerProvider.shutdown();
await meterProvider.shutdown();
await loggerProvider.shutdown();

process.stdout.write(JSON.stringify(sent), () => {
  if (failures.length > 0) {
    process.stderr.write(`${failures.join('\n')}\n`);
    process.exit(1);
  }
});
