//! `opentelemetry/proto/metrics/v1/metrics.proto`.

use super::Kind::{
    Bool, Double, Enum, Fixed64, Id, Message as Nested, Sfixed64, Sint32, String, Uint32, Uint64,
};
use super::{KEY_VALUE, Message, RESOURCE, SCOPE, choice, many, one};

pub static REQUEST: Message = Message {
    name: "ExportMetricsServiceRequest",
    fields: &[many(1, "resourceMetrics", Nested(&RESOURCE_METRICS))],
};

static RESOURCE_METRICS: Message = Message {
    name: "ResourceMetrics",
    fields: &[
        one(1, "resource", Nested(&RESOURCE)),
        many(2, "scopeMetrics", Nested(&SCOPE_METRICS)),
        one(3, "schemaUrl", String),
    ],
};

static SCOPE_METRICS: Message = Message {
    name: "ScopeMetrics",
    fields: &[
        one(1, "scope", Nested(&SCOPE)),
        many(2, "metrics", Nested(&METRIC)),
        one(3, "schemaUrl", String),
    ],
};

static METRIC: Message = Message {
    name: "Metric",
    fields: &[
        one(1, "name", String),
        one(2, "description", String),
        one(3, "unit", String),
        choice(5, "gauge", Nested(&GAUGE)),
        choice(7, "sum", Nested(&SUM)),
        choice(9, "histogram", Nested(&HISTOGRAM)),
        choice(10, "exponentialHistogram", Nested(&EXPONENTIAL_HISTOGRAM)),
        choice(11, "summary", Nested(&SUMMARY)),
        many(12, "metadata", Nested(&KEY_VALUE)),
    ],
};

static GAUGE: Message = Message {
    name: "Gauge",
    fields: &[many(1, "dataPoints", Nested(&NUMBER_POINT))],
};

static SUM: Message = Message {
    name: "Sum",
    fields: &[
        many(1, "dataPoints", Nested(&NUMBER_POINT)),
        one(2, "aggregationTemporality", Enum(TEMPORALITY)),
        one(3, "isMonotonic", Bool),
    ],
};

static HISTOGRAM: Message = Message {
    name: "Histogram",
    fields: &[
        many(1, "dataPoints", Nested(&HISTOGRAM_POINT)),
        one(2, "aggregationTemporality", Enum(TEMPORALITY)),
    ],
};

static EXPONENTIAL_HISTOGRAM: Message = Message {
    name: "ExponentialHistogram",
    fields: &[
        many(1, "dataPoints", Nested(&EXPONENTIAL_POINT)),
        one(2, "aggregationTemporality", Enum(TEMPORALITY)),
    ],
};

static SUMMARY: Message = Message {
    name: "Summary",
    fields: &[many(1, "dataPoints", Nested(&SUMMARY_POINT))],
};

static NUMBER_POINT: Message = Message {
    name: "NumberDataPoint",
    fields: &[
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        choice(4, "asDouble", Double),
        many(5, "exemplars", Nested(&EXEMPLAR)),
        choice(6, "asInt", Sfixed64),
        many(7, "attributes", Nested(&KEY_VALUE)),
        one(8, "flags", Uint32),
    ],
};

static HISTOGRAM_POINT: Message = Message {
    name: "HistogramDataPoint",
    fields: &[
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        many(6, "bucketCounts", Fixed64),
        many(7, "explicitBounds", Double),
        many(8, "exemplars", Nested(&EXEMPLAR)),
        many(9, "attributes", Nested(&KEY_VALUE)),
        one(10, "flags", Uint32),
        one(11, "min", Double),
        one(12, "max", Double),
    ],
};

static EXPONENTIAL_POINT: Message = Message {
    name: "ExponentialHistogramDataPoint",
    fields: &[
        many(1, "attributes", Nested(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        one(6, "scale", Sint32),
        one(7, "zeroCount", Fixed64),
        one(8, "positive", Nested(&BUCKETS)),
        one(9, "negative", Nested(&BUCKETS)),
        one(10, "flags", Uint32),
        many(11, "exemplars", Nested(&EXEMPLAR)),
        one(12, "min", Double),
        one(13, "max", Double),
        one(14, "zeroThreshold", Double),
    ],
};

static BUCKETS: Message = Message {
    name: "ExponentialHistogramDataPoint.Buckets",
    fields: &[one(1, "offset", Sint32), many(2, "bucketCounts", Uint64)],
};

static SUMMARY_POINT: Message = Message {
    name: "SummaryDataPoint",
    fields: &[
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        many(6, "quantileValues", Nested(&VALUE_AT_QUANTILE)),
        many(7, "attributes", Nested(&KEY_VALUE)),
        one(8, "flags", Uint32),
    ],
};

static VALUE_AT_QUANTILE: Message = Message {
    name: "SummaryDataPoint.ValueAtQuantile",
    fields: &[one(1, "quantile", Double), one(2, "value", Double)],
};

static EXEMPLAR: Message = Message {
    name: "Exemplar",
    fields: &[
        one(2, "timeUnixNano", Fixed64),
        choice(3, "asDouble", Double),
        one(4, "spanId", Id),
        one(5, "traceId", Id),
        choice(6, "asInt", Sfixed64),
        many(7, "filteredAttributes", Nested(&KEY_VALUE)),
    ],
};

const TEMPORALITY: &[&str] = &[
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
];
