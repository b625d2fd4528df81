//! The standard spans: requests of one resource, one scope and equal spans.

use super::spec::{Mix, Spec};
use super::values::{Any, attribute, attributes, entry, identity, place};
use super::verify::RUN_KEY;
use tailrace_codec::otlp::fields::{
    ENTRY_SCOPES, REQUEST_RESOURCES, RESOURCE_ATTRIBUTES, SCOPE_ENTRY_ITEMS, SPAN_ATTRIBUTES,
};
use tailrace_codec::writer::Writer;

/// How long each span took.
const DURATION_NANOS: u64 = 12_345_678;

/// A traces request with relative ids and times.
pub fn request(spec: &Spec) -> Vec<u8> {
    let mut out = Writer::default();
    let resource = |out: &mut Writer| {
        attribute(out, RESOURCE_ATTRIBUTES, "service.name", &"orders".into());
        let instance = "service.instance.id";
        attribute(out, RESOURCE_ATTRIBUTES, instance, &"orders-1".into());
        let run = format!("{:016x}", spec.run);
        attribute(out, RESOURCE_ATTRIBUTES, RUN_KEY, &run.into());
    };
    let scope = |out: &mut Writer| {
        out.bytes(1, b"tailrace-load");
        out.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    };
    entry(&mut out, REQUEST_RESOURCES, resource, |out| {
        entry(out, ENTRY_SCOPES, scope, |out| {
            for at in 0..spec.items {
                span(out, spec.mix, at);
            }
        });
    });
    out.into_buffer()
}

/// A root span that is its own trace.
fn span(out: &mut Writer, mix: Mix, at: usize) {
    let open = out.open(SCOPE_ENTRY_ITEMS, 400);
    place::<16>(out, 1, at);
    place::<8>(out, 2, at);
    let (name, kind) = match mix {
        Mix::Minimal | Mix::TenAttributes => ("span", 1),
        Mix::Http | Mix::Conventions | Mix::Realistic => ("GET /api/v1/orders/{id}", 2),
    };
    out.bytes(5, name.as_bytes());
    out.varint(6, kind);
    out.fixed64(7, DURATION_NANOS);
    out.fixed64(8, 0);
    match mix {
        Mix::Minimal => attribute(out, SPAN_ATTRIBUTES, "attribute", &Any::Int(1_234_567)),
        Mix::TenAttributes => ten_attributes(out),
        Mix::Http | Mix::Realistic => http(out),
        Mix::Conventions => conventions(out),
    }
    identity(out, SPAN_ATTRIBUTES);
    if mix == Mix::Minimal {
        event(out);
    }
    out.close(open);
}

fn event(out: &mut Writer) {
    let event = out.open(11, 20);
    out.fixed64(1, 1_700_000_000_000_000_000);
    out.bytes(2, b"event");
    out.close(event);
}

fn ten_attributes(out: &mut Writer) {
    for n in 0..10 {
        let value = format!("value-{n:014}");
        attribute(out, SPAN_ATTRIBUTES, &format!("key-{n:02}"), &value.into());
    }
}

fn http(out: &mut Writer) {
    let entries = [
        ("http.request.method", Any::from("GET")),
        ("url.path", "/api/v1/orders/123456".into()),
        ("url.scheme", "https".into()),
        ("server.address", "orders.example.com".into()),
        ("network.protocol.version", "1.1".into()),
        ("http.route", "/api/v1/orders/{id}".into()),
        ("http.response.status_code", Any::Int(200)),
    ];
    attributes(out, SPAN_ATTRIBUTES, &entries);
}

fn conventions(out: &mut Writer) {
    let user_agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/120.0.0.0 Safari/537.36";
    let entries = [
        ("server.port", Any::Int(8443)),
        ("client.address", "203.0.113.57".into()),
        ("client.port", Any::Int(51_834)),
        ("network.peer.address", "10.42.7.19".into()),
        ("network.peer.port", Any::Int(40_122)),
        ("network.transport", "tcp".into()),
        ("url.query", "include=items,customer".into()),
        ("http.request.body.size", Any::Int(0)),
        ("http.response.body.size", Any::Int(18_342)),
        ("user_agent.original", user_agent.into()),
        ("thread.id", Any::Int(42)),
        ("thread.name", "worker-17".into()),
    ];
    http(out);
    attributes(out, SPAN_ATTRIBUTES, &entries);
}
