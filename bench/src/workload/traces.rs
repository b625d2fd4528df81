//! Traces as a fleet of services leaves them: requests that pass from service to service, with
//! what each calls on the way.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/>

mod call;

use super::fleet::{Fleet, Group};
use super::values::{Any, attribute, attributes, identity, place};
use call::Call;
use tailrace_codec::otlp::fields::{SCOPE_ENTRY_ITEMS, SPAN_ATTRIBUTES};
use tailrace_codec::writer::Writer;

const MILLISECOND: u64 = 1_000_000;

/// A span before it is known where in the request it stands.
#[derive(Debug)]
struct Planned {
    group: Group,
    /// In the order of planning, as is the parent.
    root: usize,
    parent: Option<usize>,
    call: Call,
    failed: bool,
    duration_nanos: u64,
}

/// A traces request with relative ids and times.
pub fn request(fleet: &mut Fleet<'_>) -> Vec<u8> {
    let planned = plan(fleet);
    let mut order: Vec<usize> = (0..planned.len()).collect();
    order.sort_by_key(|at| planned[*at].group);
    let mut places = vec![0; planned.len()];
    for (place, at) in order.iter().enumerate() {
        places[*at] = place;
    }
    let groups: Vec<Group> = order.iter().map(|at| planned[*at].group).collect();
    fleet.request(&groups, |fleet, out, at| {
        span(fleet, out, &planned[order[at]], order[at], &places);
    })
}

/// Traces of one to a dozen spans until there are as many spans as asked for.
fn plan(fleet: &mut Fleet<'_>) -> Vec<Planned> {
    let mut planned = Vec::with_capacity(fleet.spec.items);
    while planned.len() < fleet.spec.items {
        trace(fleet, &mut planned);
    }
    planned.truncate(fleet.spec.items);
    planned
}

fn trace(fleet: &mut Fleet<'_>, planned: &mut Vec<Planned>) {
    let root = planned.len();
    let services = fleet.spec.services.max(1);
    let mut service = fleet.random.below(services);
    let mut duration_nanos = (5 + fleet.random.below(400) as u64) * MILLISECOND;
    let mut add = |service, call: Call, parent, failed, duration_nanos| {
        let scope = call.scope();
        planned.push(Planned {
            group: Group { service, scope },
            root,
            parent,
            call,
            failed,
            duration_nanos,
        });
        planned.len() - 1
    };
    let failed = fleet.random.chance(8);
    let mut server = add(service, Call::HttpServer, None, failed, duration_nanos);
    for _ in 0..fleet.random.below(3) {
        duration_nanos = duration_nanos * 2 / 3;
        add(
            service,
            Call::Internal,
            Some(server),
            false,
            duration_nanos / 4,
        );
        add(
            service,
            Call::Database,
            Some(server),
            failed,
            duration_nanos / 2,
        );
        let client = add(
            service,
            Call::HttpClient,
            Some(server),
            failed,
            duration_nanos,
        );
        service = (service + 1) % services;
        let failed = failed && fleet.random.chance(50);
        let called = duration_nanos * 9 / 10;
        server = add(service, Call::HttpServer, Some(client), failed, called);
    }
    if fleet.random.chance(30) {
        let published = add(service, Call::Publish, Some(server), false, MILLISECOND);
        service = (service + 1) % services;
        let call = Call::Process { published };
        let process = add(service, call, Some(published), false, 3 * MILLISECOND);
        add(
            service,
            Call::Database,
            Some(process),
            false,
            2 * MILLISECOND,
        );
    }
}

fn span(fleet: &mut Fleet<'_>, out: &mut Writer, span: &Planned, at: usize, places: &[usize]) {
    let open = out.open(SCOPE_ENTRY_ITEMS, 500);
    let path = fleet.route();
    place::<16>(out, 1, places[span.root]);
    place::<8>(out, 2, places[at]);
    if fleet.random.chance(10) {
        out.bytes(3, b"vendor=t61rcWkgMzE");
    }
    if let Some(parent) = span.parent {
        place::<8>(out, 4, places[parent]);
    }
    let (name, entries) = span.call.describe(fleet, span.failed, &path);
    out.bytes(5, name.as_bytes());
    out.varint(6, span.call.span_kind());
    out.fixed64(7, span.duration_nanos);
    out.fixed64(8, 0);
    attributes(out, SPAN_ATTRIBUTES, &entries);
    fleet.extra_attributes(out, SPAN_ATTRIBUTES);
    identity(out, SPAN_ATTRIBUTES);
    if span.failed {
        exception(fleet, out);
    } else if matches!(span.call, Call::Internal) {
        let event = out.open(11, 60);
        out.fixed64(1, fleet.moment());
        out.bytes(2, b"cache.miss");
        attribute(out, 3, "cache.key", &path.into());
        out.close(event);
    }
    if let Call::Process { published } = span.call {
        link(fleet, out, published);
    }
    if span.failed {
        let status = out.open(15, 24);
        out.bytes(2, b"upstream timed out");
        out.varint(3, 2);
        out.close(status);
    }
    // Sampled, and whether the parent is remote is known.
    out.fixed32(16, 0x101);
    out.close(open);
}

/// The content of a link is part of the span's content, so its ids are the same in every request.
fn link(fleet: &mut Fleet<'_>, out: &mut Writer, published: usize) {
    let open = out.open(13, 60);
    place::<16>(out, 1, published + (1 << 40));
    place::<8>(out, 2, published + (1 << 40));
    let offset = Any::Int(fleet.random.below(1 << 20) as i64);
    attribute(out, 4, "messaging.kafka.offset", &offset);
    out.fixed32(6, 0x101);
    out.close(open);
}

/// Source: <https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/>
fn exception(fleet: &mut Fleet<'_>, out: &mut Writer) {
    let event = out.open(11, 400);
    out.fixed64(1, fleet.moment());
    out.bytes(2, b"exception");
    let trace = "java.net.SocketTimeoutException: Read timed out\n\
                 \tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)\n\
                 \tat com.example.orders.Client.call(Client.java:114)";
    let entries = [
        (
            "exception.type",
            Any::from("java.net.SocketTimeoutException"),
        ),
        ("exception.message", "Read timed out".into()),
        ("exception.stacktrace", trace.into()),
    ];
    attributes(out, 3, &entries);
    out.close(event);
}
