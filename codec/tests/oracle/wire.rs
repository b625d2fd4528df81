//! Requests as fields on the wire, read and written by prost's own functions.

use crate::generate::Entropy;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::profiles::v1development::ExportProfilesServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};
use prost::{DecodeError, Message};
use tailrace_codec::Signal;

/// One field: number, wire type, and the payload without its length.
pub type Field = (u32, WireType, Vec<u8>);

/// The fields of a message that is known to be well formed.
pub fn fields(mut message: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message).unwrap();
        let mut after = message;
        skip_field(wire_type, number, &mut after, DecodeContext::default()).unwrap();
        if wire_type == WireType::LengthDelimited {
            decode_varint(&mut message).unwrap();
        }
        let payload = message[..message.len() - after.len()].to_vec();
        fields.push((number, wire_type, payload));
        message = after;
    }
    fields
}

/// A way through a request: for each level the fields that lead further in.
pub fn levels(signal: Signal) -> &'static [&'static [u32]] {
    match signal {
        Signal::Metrics => &[&[1], &[2], &[2], &[5, 7, 9, 10, 11], &[1]],
        _ => &[&[1], &[2], &[2]],
    }
}

/// The same request as another encoder might write it, and with what a later version of the
/// schema might hold: fields in any order, unknown fields, lengths with leading zeros, singular
/// messages in two parts, metrics with several kinds of data.
pub fn scramble(signal: Signal, request: &[u8], entropy: &mut Entropy<'_>) -> Vec<u8> {
    scramble_level(levels(signal), 0, request, entropy)
}

fn scramble_level(
    levels: &[&[u32]],
    depth: usize,
    message: &[u8],
    entropy: &mut Entropy<'_>,
) -> Vec<u8> {
    let mut fields = fields(message);
    for (number, _, payload) in &mut fields {
        if levels[depth].contains(number) && depth + 1 < levels.len() {
            *payload = scramble_level(levels, depth + 1, payload, entropy);
        }
    }
    if entropy.one_in(4) {
        fields.push((77, WireType::LengthDelimited, entropy.text().into_bytes()));
        fields.push((1 << 20, WireType::Varint, vec![0x81, 0]));
    }
    if entropy.one_in(8)
        && let Some(field) = fields.first().cloned()
        && field.1 == WireType::LengthDelimited
    {
        fields.push(field);
    }
    if entropy.one_in(3) {
        for i in (1..fields.len()).rev() {
            fields.swap(i, entropy.below(i + 1));
        }
    }
    let mut out = Vec::new();
    for (number, wire_type, payload) in fields {
        encode_key(number, wire_type, &mut out);
        if wire_type == WireType::LengthDelimited {
            encode_varint(payload.len() as u64, &mut out);
            if entropy.one_in(6) {
                *out.last_mut().unwrap() |= 0x80;
                out.extend([0x80, 0]);
            }
        }
        out.extend(payload);
    }
    out
}

/// An item, or a message without children, and what stands around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Flat {
    /// For each message around it, outermost first, the field it is in and its own fields.
    pub around: Vec<(u32, Vec<Field>)>,
    pub item: Option<Field>,
}

/// What a request says, item by item: requests with equal lists mean the same.
pub fn flatten(signal: Signal, request: &[u8]) -> Vec<Flat> {
    let mut flats = Vec::new();
    flatten_level(levels(signal), 0, request, &mut Vec::new(), &mut flats);
    flats
}

fn flatten_level(
    levels: &[&[u32]],
    number: u32,
    message: &[u8],
    around: &mut Vec<(u32, Vec<Field>)>,
    flats: &mut Vec<Flat>,
) {
    let Some((children, deeper)) = levels.split_first() else {
        return;
    };
    let (inner, own): (Vec<Field>, Vec<Field>) = fields(message)
        .into_iter()
        .partition(|(number, ..)| children.contains(number));
    let is_empty = inner.is_empty();
    around.push((number, own));
    for field in inner {
        if deeper.is_empty() {
            flats.push(Flat {
                around: around.clone(),
                item: Some(field),
            });
        } else {
            flatten_level(deeper, field.0, &field.2, around, flats);
        }
    }
    if is_empty {
        flats.push(Flat {
            around: around.clone(),
            item: None,
        });
    }
    around.pop();
}

/// How many units that are never cut a request holds: items, profiles, messages without items,
/// and metrics with several kinds of data.
pub fn units(signal: Signal, request: &[u8]) -> usize {
    units_level(levels(signal), request)
}

fn units_level(levels: &[&[u32]], message: &[u8]) -> usize {
    let Some((children, deeper)) = levels.split_first() else {
        return 1;
    };
    let inner: Vec<Field> = fields(message)
        .into_iter()
        .filter(|(number, ..)| children.contains(number))
        .collect();
    let is_metric = children.len() > 1;
    if inner.is_empty() || (is_metric && inner.len() > 1) {
        return 1;
    }
    inner
        .iter()
        .map(|field| units_level(deeper, &field.2))
        .sum()
}

/// Whether prost takes the bytes for a request, and how many items it finds in it.
pub fn items(signal: Signal, mut request: &[u8]) -> Result<u64, DecodeError> {
    let request = &mut request;
    let items: usize = match signal {
        Signal::Traces => ExportTraceServiceRequest::decode(request)?
            .resource_spans
            .iter()
            .flat_map(|entry| &entry.scope_spans)
            .map(|scope| scope.spans.len())
            .sum(),
        Signal::Logs => ExportLogsServiceRequest::decode(request)?
            .resource_logs
            .iter()
            .flat_map(|entry| &entry.scope_logs)
            .map(|scope| scope.log_records.len())
            .sum(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(request)?
            .resource_metrics
            .iter()
            .flat_map(|entry| &entry.scope_metrics)
            .flat_map(|scope| &scope.metrics)
            .map(|metric| match &metric.data {
                None => 0,
                Some(Data::Gauge(data)) => data.data_points.len(),
                Some(Data::Sum(data)) => data.data_points.len(),
                Some(Data::Histogram(data)) => data.data_points.len(),
                Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
                Some(Data::Summary(data)) => data.data_points.len(),
            })
            .sum(),
        Signal::Profiles => ExportProfilesServiceRequest::decode(request)?
            .resource_profiles
            .iter()
            .flat_map(|entry| &entry.scope_profiles)
            .flat_map(|scope| &scope.profiles)
            .map(|profile| profile.samples.len())
            .sum(),
    };
    Ok(items as u64)
}
