//! Requests made ahead: a template of spans into which each request's numbers are written.
//!
//! An item's number is its span id; its trace id is computed from the number, so that whoever
//! receives the span can tell whether it is the one that was sent.

use bytes::Bytes;
use tailrace_codec::field::Fields;
use tailrace_codec::varint;
use tailrace_codec::{Malformed, Rope};

/// Requests of the same shape. Cost of one: a copy of the template and 24 bytes a span.
#[derive(Debug)]
pub struct Workload {
    template: Vec<u8>,
    /// Where the trace id of each span stands, and its span id.
    places: Vec<(usize, usize)>,
}

/// One item as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    pub id: u64,
    /// Whether the trace id is the one that belongs to the number.
    pub intact: bool,
}

impl Workload {
    /// Requests of `spans` spans of about 360 bytes: eight attributes by the semantic conventions
    /// of HTTP, two times, a name.
    pub fn new(spans: usize) -> Self {
        let mut places = Vec::with_capacity(spans);
        let mut scope = Vec::new();
        message(&mut scope, 1, &scope_header());
        for _ in 0..spans {
            let (span, trace_at, span_at) = span();
            let start = prefix(&mut scope, 2, span.len());
            places.push((start + trace_at, start + span_at));
            scope.extend_from_slice(&span);
        }
        let mut resource = Vec::new();
        message(&mut resource, 1, &resource_header());
        let scope_start = prefix(&mut resource, 2, scope.len());
        resource.extend_from_slice(&scope);
        let mut template = Vec::new();
        let resource_start = prefix(&mut template, 1, resource.len());
        template.extend_from_slice(&resource);
        for (trace, span) in &mut places {
            *trace += resource_start + scope_start;
            *span += resource_start + scope_start;
        }
        Self { template, places }
    }

    pub const fn spans(&self) -> usize {
        self.places.len()
    }

    pub const fn bytes(&self) -> usize {
        self.template.len()
    }

    /// The request whose items are numbered from `first`.
    pub fn request(&self, first: u64) -> Bytes {
        let mut body = self.template.clone();
        for (id, (trace, span)) in (first..).zip(&self.places) {
            body[*trace..*trace + 16].copy_from_slice(&trace_id(id));
            body[*span..*span + 8].copy_from_slice(&id.to_be_bytes());
        }
        body.into()
    }
}

/// Shows every item of a traces request. Errors: the request is not what it should be.
pub fn items(request: &Rope, mut visit: impl FnMut(Item)) -> Result<(), Malformed> {
    for resource in Fields::new(request.cursor()) {
        let resource = resource?;
        if resource.number != 1 {
            continue;
        }
        for scope in resource.message()? {
            let scope = scope?;
            if scope.number != 2 {
                continue;
            }
            for span in scope.message()? {
                let span = span?;
                if span.number == 2 {
                    visit(item(span.message()?)?);
                }
            }
        }
    }
    Ok(())
}

fn item(span: Fields<'_>) -> Result<Item, Malformed> {
    let (mut trace, mut id) = ([0; 16], [0; 8]);
    for field in span {
        let field = field?;
        match field.number {
            1 => trace = field.content()?.read_array().unwrap_or_default(),
            2 => id = field.content()?.read_array().unwrap_or_default(),
            _ => break,
        }
    }
    let id = u64::from_be_bytes(id);
    Ok(Item {
        id,
        intact: trace == trace_id(id),
    })
}

/// The trace id that belongs to a number: both halves a mix of it, as random as a real one.
fn trace_id(id: u64) -> [u8; 16] {
    let mut trace = [0; 16];
    trace[..8].copy_from_slice(&mix(id).to_be_bytes());
    trace[8..].copy_from_slice(&mix(!id).to_be_bytes());
    trace
}

/// The finaliser of SplitMix64. Source: <https://prng.di.unimi.it/splitmix64.c>
const fn mix(id: u64) -> u64 {
    let z = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A span with empty ids, and where they stand in it.
fn span() -> (Vec<u8>, usize, usize) {
    let mut span = Vec::new();
    let trace_at = prefix(&mut span, 1, 16);
    span.extend_from_slice(&[0; 16]);
    let span_at = prefix(&mut span, 2, 8);
    span.extend_from_slice(&[0; 8]);
    message(&mut span, 5, b"GET /api/v1/orders/{id}");
    varint_field(&mut span, 6, 2);
    fixed64(&mut span, 7, 1_700_000_000_000_000_000);
    fixed64(&mut span, 8, 1_700_000_000_012_345_678);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/api/v1/orders/1234567"),
        ("url.scheme", "https"),
        ("server.address", "orders.example.com"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "tailrace-load/0.1 (amd64)"),
        ("http.route", "/api/v1/orders/{id}"),
    ] {
        message(&mut span, 9, &attribute(key, value));
    }
    let mut status = Vec::new();
    varint_field(&mut status, 3, 200);
    let mut code = Vec::new();
    message(&mut code, 1, b"http.response.status_code");
    message(&mut code, 2, &status);
    message(&mut span, 9, &code);
    (span, trace_at, span_at)
}

fn resource_header() -> Vec<u8> {
    let mut resource = Vec::new();
    for (key, value) in [
        ("service.name", "orders"),
        ("service.instance.id", "orders-1"),
    ] {
        message(&mut resource, 1, &attribute(key, value));
    }
    resource
}

fn scope_header() -> Vec<u8> {
    let mut scope = Vec::new();
    message(&mut scope, 1, b"tailrace-load");
    message(&mut scope, 2, env!("CARGO_PKG_VERSION").as_bytes());
    scope
}

fn attribute(key: &str, value: &str) -> Vec<u8> {
    let mut any = Vec::new();
    message(&mut any, 1, value.as_bytes());
    let mut pair = Vec::new();
    message(&mut pair, 1, key.as_bytes());
    message(&mut pair, 2, &any);
    pair
}

fn message(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    prefix(out, number, content.len());
    out.extend_from_slice(content);
}

/// Writes the tag and length of a field, and returns where its content begins.
fn prefix(out: &mut Vec<u8>, number: u32, length: usize) -> usize {
    varint::write((u64::from(number) << 3) | 2, out);
    varint::write(length as u64, out);
    out.len()
}

fn varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    varint::write(u64::from(number) << 3, out);
    varint::write(value, out);
}

fn fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    varint::write((u64::from(number) << 3) | 1, out);
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;

    #[test]
    fn prost_reads_the_numbers_that_were_written() {
        let workload = Workload::new(3);
        let body = workload.request(1000);
        let request = ExportTraceServiceRequest::decode(body.clone()).expect("a request");
        let spans = &request.resource_spans[0].scope_spans[0].spans;
        let ids: Vec<_> = spans.iter().map(|span| span.span_id.clone()).collect();
        assert_eq!(ids[2], 1002_u64.to_be_bytes());
        assert_eq!(spans[0].attributes.len(), 8);
        assert_eq!(
            spans[0].encoded_len().abs_diff(362),
            0,
            "the span of the published figures"
        );
        let mut seen = Vec::new();
        items(&Rope::from(body), |item| seen.push(item)).expect("a request");
        let intact = |id| Item { id, intact: true };
        assert_eq!(seen, [intact(1000), intact(1001), intact(1002)]);
    }

    #[test]
    fn a_changed_byte_is_not_intact() {
        let workload = Workload::new(1);
        let mut body = workload.request(7).to_vec();
        body[workload.places[0].0] ^= 1;
        let mut seen = Vec::new();
        items(&Rope::from(Bytes::from(body)), |item| seen.push(item)).expect("a request");
        assert_eq!(
            seen,
            [Item {
                id: 7,
                intact: false
            }]
        );
    }
}
