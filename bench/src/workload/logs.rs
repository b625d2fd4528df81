//! Logs: records of applications, of their errors and of events, of every severity and every kind
//! of body.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/logs/data-model/>

use super::fleet::Fleet;
use super::values::{Any, any, attributes, identity, place};
use tailrace_codec::otlp::fields::{LOG_ATTRIBUTES, SCOPE_ENTRY_ITEMS};
use tailrace_codec::writer::Writer;

/// Records of one trace, at most.
const OF_ONE_TRACE: usize = 4;

/// Severity numbers, their texts, and how often of a hundred times they occur.
const SEVERITIES: [(u64, &str, usize); 6] = [
    (9, "INFO", 60),
    (5, "DEBUG", 18),
    (13, "WARN", 10),
    (17, "ERROR", 8),
    (1, "TRACE", 3),
    (21, "FATAL", 1),
];

/// A logs request with relative ids and times.
pub fn request(fleet: &mut Fleet<'_>) -> Vec<u8> {
    let groups = fleet.groups(fleet.spec.items);
    let first = fleet.template;
    fleet.request(&groups, |fleet, out, at| record(fleet, out, at, first + at))
}

/// `turn` goes through the kinds of body, so that two dozen records have them all.
fn record(fleet: &mut Fleet<'_>, out: &mut Writer, at: usize, turn: usize) {
    let open = out.open(SCOPE_ENTRY_ITEMS, 300);
    let (severity, text) = severity(fleet);
    out.fixed64(1, 0);
    out.varint(2, severity);
    out.bytes(3, text.as_bytes());
    if let Some(body) = body(fleet, turn) {
        any(out, 5, &body);
    }
    let number = fleet.random.below(fleet.spec.cardinality.max(1)) as i64;
    let entries = [
        ("code.function.name", Any::from("com.example.Cart.checkout")),
        ("code.line.number", Any::Int(40 + number)),
        ("thread.name", format!("worker-{number}").into()),
        (
            "app.user.tier",
            (*fleet.random.pick(&["free", "gold"])).into(),
        ),
    ];
    attributes(out, LOG_ATTRIBUTES, &entries);
    if severity >= 17 {
        let entries = [
            (
                "exception.type",
                Any::from("java.lang.IllegalStateException"),
            ),
            ("exception.message", "cart is closed".into()),
        ];
        attributes(out, LOG_ATTRIBUTES, &entries);
    }
    fleet.extra_attributes(out, LOG_ATTRIBUTES);
    identity(out, LOG_ATTRIBUTES);
    // Four in five are written inside a span; neighbours share their trace.
    if !turn.is_multiple_of(5) {
        out.fixed32(8, 1);
        place::<16>(out, 9, at - at % OF_ONE_TRACE);
        place::<8>(out, 10, at);
    }
    out.fixed64(11, 0);
    if turn.is_multiple_of(10) {
        out.bytes(12, b"app.checkout.completed");
    }
    out.close(open);
}

fn severity(fleet: &mut Fleet<'_>) -> (u64, &'static str) {
    let mut of_hundred = fleet.random.below(100);
    for (severity, text, share) in SEVERITIES {
        if of_hundred < share {
            return (severity, text);
        }
        of_hundred -= share;
    }
    (9, "INFO")
}

/// Two of three are sentences, as most are; the others take turns.
fn body(fleet: &mut Fleet<'_>, turn: usize) -> Option<Any> {
    let number = fleet.random.below(fleet.spec.cardinality.max(1)) as i64;
    let filler = fleet.filler();
    Some(match turn % 24 {
        2 => return None,
        5 => Any::Bool(turn.is_multiple_of(2)),
        8 => Any::Int(-number),
        11 => Any::Double(number as f64 / 3.0),
        14 => Any::Bytes(filler.into_bytes()),
        17 => Any::Array(vec![filler.into(), Any::Int(number), Any::Bool(false)]),
        20 | 23 => Any::Map(vec![
            ("event", "checkout".into()),
            ("total", Any::Double(19.5)),
            (
                "lines",
                Any::Array(vec![Any::Map(vec![("sku", filler.into())])]),
            ),
            ("retry", Any::Bool(true)),
        ]),
        _ => format!("order {number} accepted for payment in 12.7 ms \u{2713} {filler}").into(),
    })
}
