//! Export requests taken apart into items that can be compared one by one.
//!
//! A forwarder may merge, split and reorder requests at will; what it must keep is each item
//! together with the resource and the scope it came under.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::profiles::v1development::ExportProfilesServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use opentelemetry_proto::tonic::profiles::v1development::Profile;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// The attribute that carries the id of a generated metric point or log record.
pub const ID_KEY: &str = "item.id";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
    Profiles,
}

impl Signal {
    /// Those with a stable protocol, which every test of all signals goes through.
    pub const STABLE: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The method of OTLP/gRPC for this signal.
    pub const fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Profiles => {
                "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
            }
        }
    }

    /// Where OTLP/HTTP expects this signal.
    pub const fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
            Self::Profiles => "/v1development/profiles",
        }
    }
}

/// One decoded export request.
#[derive(Debug, Clone, PartialEq)]
pub enum Export {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
    Profiles(ExportProfilesServiceRequest),
}

/// One item with what it stands under.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub resource: Option<Resource>,
    pub resource_schema_url: String,
    pub scope: Option<InstrumentationScope>,
    pub scope_schema_url: String,
    pub record: Record,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Span(Span),
    /// A metric with exactly one of its points.
    Point(Metric),
    Log(LogRecord),
    Profile(Profile),
}

impl Export {
    pub fn signal(&self) -> Signal {
        match self {
            Self::Traces(_) => Signal::Traces,
            Self::Metrics(_) => Signal::Metrics,
            Self::Logs(_) => Signal::Logs,
            Self::Profiles(_) => Signal::Profiles,
        }
    }

    pub fn encode_protobuf(&self) -> Vec<u8> {
        match self {
            Self::Traces(request) => request.encode_to_vec(),
            Self::Metrics(request) => request.encode_to_vec(),
            Self::Logs(request) => request.encode_to_vec(),
            Self::Profiles(request) => request.encode_to_vec(),
        }
    }

    pub fn decode_protobuf(signal: Signal, bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Ok(match signal {
            Signal::Traces => Self::Traces(Message::decode(bytes)?),
            Signal::Metrics => Self::Metrics(Message::decode(bytes)?),
            Signal::Logs => Self::Logs(Message::decode(bytes)?),
            Signal::Profiles => Self::Profiles(Message::decode(bytes)?),
        })
    }

    /// Errors: profiles have no stable JSON form; asking for it is a fault of the test.
    pub fn encode_json(&self) -> Vec<u8> {
        match self {
            Self::Traces(request) => serde_json::to_vec(request),
            Self::Metrics(request) => serde_json::to_vec(request),
            Self::Logs(request) => serde_json::to_vec(request),
            Self::Profiles(_) => panic!("profiles are not sent as JSON"),
        }
        .expect("generated requests have a JSON form")
    }

    /// Errors: the parser's, and one for profiles.
    pub fn decode_json(signal: Signal, bytes: &[u8]) -> Result<Self, serde_json::Error> {
        use serde::de::Error;
        Ok(match signal {
            Signal::Traces => Self::Traces(serde_json::from_slice(bytes)?),
            Signal::Metrics => Self::Metrics(serde_json::from_slice(bytes)?),
            Signal::Logs => Self::Logs(serde_json::from_slice(bytes)?),
            Signal::Profiles => return Err(serde_json::Error::custom("profiles as JSON")),
        })
    }

    /// The items in the order of the request.
    pub fn items(&self) -> Vec<Item> {
        match self {
            Self::Traces(request) => spans(request),
            Self::Metrics(request) => points(request),
            Self::Logs(request) => logs(request),
            Self::Profiles(request) => profiles(request),
        }
    }
}

impl Item {
    /// The id that [`crate::generate`] gave this item; `None` for one from elsewhere.
    pub fn id(&self) -> Option<u64> {
        match &self.record {
            Record::Span(span) => span
                .span_id
                .as_slice()
                .try_into()
                .ok()
                .map(u64::from_be_bytes),
            Record::Point(metric) => point_attributes(metric).and_then(id_attribute),
            Record::Log(log) => id_attribute(&log.attributes),
            Record::Profile(profile) => {
                let tail = profile.profile_id.get(8..16)?;
                tail.try_into().ok().map(u64::from_be_bytes)
            }
        }
    }
}

/// The attributes of the one point in `metric`.
pub fn point_attributes(metric: &Metric) -> Option<&[KeyValue]> {
    let attributes = match metric.data.as_ref()? {
        Data::Gauge(data) => &data.data_points.first()?.attributes,
        Data::Sum(data) => &data.data_points.first()?.attributes,
        Data::Histogram(data) => &data.data_points.first()?.attributes,
        Data::ExponentialHistogram(data) => &data.data_points.first()?.attributes,
        Data::Summary(data) => &data.data_points.first()?.attributes,
    };
    Some(attributes)
}

fn id_attribute(attributes: &[KeyValue]) -> Option<u64> {
    let value = &attributes.iter().find(|kv| kv.key == ID_KEY)?.value;
    match value.as_ref()?.value.as_ref()? {
        Value::IntValue(id) => u64::try_from(*id).ok(),
        _ => None,
    }
}

/// Walks resource, scope and record of one signal; the four differ only in their field names.
macro_rules! flatten {
    ($request:expr, $resources:ident, $scopes:ident, $records:ident, $split:expr) => {{
        let mut items = Vec::new();
        for entry in &$request.$resources {
            for scope in &entry.$scopes {
                for record in scope.$records.iter().flat_map($split) {
                    items.push(Item {
                        resource: entry.resource.clone(),
                        resource_schema_url: entry.schema_url.clone(),
                        scope: scope.scope.clone(),
                        scope_schema_url: scope.schema_url.clone(),
                        record,
                    });
                }
            }
        }
        items
    }};
}

fn spans(request: &ExportTraceServiceRequest) -> Vec<Item> {
    flatten!(request, resource_spans, scope_spans, spans, |span| {
        [Record::Span(span.clone())]
    })
}

fn logs(request: &ExportLogsServiceRequest) -> Vec<Item> {
    flatten!(request, resource_logs, scope_logs, log_records, |log| {
        [Record::Log(log.clone())]
    })
}

fn profiles(request: &ExportProfilesServiceRequest) -> Vec<Item> {
    flatten!(
        request,
        resource_profiles,
        scope_profiles,
        profiles,
        |profile| { [Record::Profile(profile.clone())] }
    )
}

fn points(request: &ExportMetricsServiceRequest) -> Vec<Item> {
    flatten!(
        request,
        resource_metrics,
        scope_metrics,
        metrics,
        |metric| { single_points(metric).into_iter().map(Record::Point) }
    )
}

/// `metric` once for each of its points, with that point alone.
fn single_points(metric: &Metric) -> Vec<Metric> {
    macro_rules! each {
        ($variant:ident, $data:expr) => {
            $data
                .data_points
                .iter()
                .map(|point| {
                    let mut alone = $data.clone();
                    alone.data_points = vec![point.clone()];
                    Data::$variant(alone)
                })
                .collect()
        };
    }
    let datas: Vec<Data> = match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => each!(Gauge, data),
        Some(Data::Sum(data)) => each!(Sum, data),
        Some(Data::Histogram(data)) => each!(Histogram, data),
        Some(Data::ExponentialHistogram(data)) => each!(ExponentialHistogram, data),
        Some(Data::Summary(data)) => each!(Summary, data),
    };
    let with = |data| Metric {
        data: Some(data),
        ..metric.clone()
    };
    datas.into_iter().map(with).collect()
}
