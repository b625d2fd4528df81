//! What a service says by `tracing`, at a backend that is not our code.

use crate::{SCOPE, settings};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Kind;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::fmt;
use std::sync::Arc;
use tailrace_engine::embed::layer::{Events, TracingLayer, context_of, with_remote_parent};
use tailrace_engine::embed::propagation::extract;
use tailrace_engine::embed::{Embedded, Protocol, RootSampler, Sampler, Settings};
use tailrace_tests::backend::Backend;
use tailrace_tests::item::Export;
use tailrace_tests::wait::PATIENCE;
use tracing::{error, field, info, info_span, trace, warn};
use tracing_subscriber::layer::SubscriberExt;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What arrives of what is said within `say`, spans by their names.
fn arrived(
    settings: impl Fn(&mut Settings),
    events: Events,
    say: impl FnOnce(),
) -> (Vec<Span>, Vec<LogRecord>) {
    let backend = Backend::start();
    let mut own = crate::settings(&backend, Protocol::Grpc);
    settings(&mut own);
    let engine = Arc::new(Embedded::start(&own).expect("it starts"));
    let layer = TracingLayer::new(&engine).with_scope(SCOPE.name, SCOPE.version);
    let registry = tracing_subscriber::registry().with(layer.with_events(events));
    tracing::subscriber::with_default(registry, say);
    let engine = Arc::into_inner(engine).expect("the layer does not keep it");
    let report = engine.shutdown(PATIENCE).expect("all is delivered");
    assert_eq!(report.dropped_items, 0);
    let (mut spans, mut logs) = (Vec::new(), Vec::new());
    for call in backend.calls().iter() {
        match &call.export {
            Export::Traces(request) => {
                let entries = request.resource_spans.iter();
                for entry in entries.flat_map(|entry| &entry.scope_spans) {
                    assert_eq!(entry.scope.as_ref().expect("a scope").name, SCOPE.name);
                    spans.extend(entry.spans.iter().cloned());
                }
            }
            Export::Logs(request) => {
                let entries = request.resource_logs.iter();
                let entries = entries.flat_map(|entry| &entry.scope_logs);
                logs.extend(entries.flat_map(|entry| entry.log_records.iter().cloned()));
            }
            other => panic!("neither spans nor logs: {other:?}"),
        }
    }
    spans.sort_by(|a, b| a.name.cmp(&b.name));
    (spans, logs)
}

fn kind(value: &Option<AnyValue>) -> &Kind {
    value
        .as_ref()
        .and_then(|any| any.value.as_ref())
        .expect("a value")
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}

/// But for the target, which all have.
fn fields(attributes: &[KeyValue]) -> Vec<(&str, Kind)> {
    let fields = attributes
        .iter()
        .map(|own| (&own.key[..], kind(&own.value).clone()));
    let (targets, fields): (Vec<_>, Vec<_>) = fields.partition(|(key, _)| *key == "target");
    assert_eq!(targets, [("target", text(module_path!()))]);
    fields
}

#[test]
fn spans_fields_and_log_records_arrive_under_their_parents() {
    let (spans, logs) = arrived(
        |_| {},
        Events::LogRecords,
        || {
            let parent = extract(PARENT, "x=1");
            let root = with_remote_parent(parent.as_ref(), || {
                info_span!(
                    "a root",
                    otel.kind = "Server",
                    items = 3_u64,
                    later = field::Empty
                )
            });
            let inside = root.enter();
            let child = info_span!("b child", good = true, huge = u64::MAX, share = 0.5);
            child.in_scope(|| info!(user = "me", "found {}", 7));
            root.record("later", field::debug(("x", 1)));
            drop(inside);
            let other = info_span!("c other", otel.status_code = field::Empty);
            other.follows_from(&root);
            other.record("otel.status_code", "OK");
            other.in_scope(|| error!("too late to change it"));
            let context = context_of(&root).expect("it is recorded");
            assert_eq!(
                Some(context.trace_id()),
                parent.map(|parent| parent.trace_id())
            );
            let thread = std::thread::spawn(move || root);
            drop(thread.join());
            trace!("outside");
        },
    );
    let [root, child, other] = &spans[..] else {
        panic!("three spans: {spans:?}");
    };
    assert_eq!(
        (&root.name[..], root.kind, root.flags),
        ("a root", 2, 0x301)
    );
    assert_eq!(
        (&root.trace_state[..], root.parent_span_id.len()),
        ("x=1", 8)
    );
    let of_root = [("items", Kind::IntValue(3)), ("later", text("(\"x\", 1)"))];
    assert_eq!(fields(&root.attributes), of_root);
    assert_eq!(
        (&child.trace_id, &child.parent_span_id),
        (&root.trace_id, &root.span_id)
    );
    let of_child = [
        ("good", Kind::BoolValue(true)),
        ("huge", text("18446744073709551615")),
        ("share", Kind::DoubleValue(0.5)),
    ];
    assert_eq!(fields(&child.attributes), of_child);
    assert_eq!(other.links[0].span_id, root.span_id);
    assert_eq!(other.status.as_ref().expect("a status").code, 1);
    assert!(spans.iter().all(|span| span.events.is_empty()));

    let [found, late, outside] = &logs[..] else {
        panic!("three records: {logs:?}");
    };
    assert_eq!(kind(&found.body), &text("found 7"));
    assert_eq!(
        (found.severity_number, &found.severity_text[..]),
        (9, "INFO")
    );
    assert_eq!(
        (&found.trace_id, &found.span_id),
        (&child.trace_id, &child.span_id)
    );
    assert_eq!(fields(&found.attributes), [("user", text("me"))]);
    assert_eq!((late.severity_number, &late.span_id), (17, &other.span_id));
    assert_eq!((outside.severity_number, outside.span_id.len()), (1, 0));
}

#[test]
fn events_may_be_those_of_spans() {
    let (spans, logs) = arrived(
        |_| {},
        Events::SpanEvents,
        || {
            info!("lost");
            let span = info_span!("before", otel.name = "after", otel.kind = ?"client");
            span.in_scope(|| {
                warn!(attempt = 2, "again");
                error!(code = 5);
            });
            let described = info_span!(
                "described",
                otel.status_description = "it broke",
                otel.status_code = field::Empty
            );
            described.record("otel.status_code", "error");
        },
    );
    assert_eq!(logs, []);
    let [after, described] = &spans[..] else {
        panic!("two spans: {spans:?}");
    };
    let [again, code] = &after.events[..] else {
        panic!("two events: {after:?}");
    };
    assert_eq!(
        (&after.name[..], after.kind),
        ("after", 1),
        "\"client\" in quotes is no kind"
    );
    assert_eq!(again.name, "again");
    let of_again = [("level", text("WARN")), ("attempt", Kind::IntValue(2))];
    assert_eq!(fields(&again.attributes), of_again);
    assert!(code.name.starts_with("event "), "{}", code.name);
    assert_eq!(
        after.status.as_ref().expect("a status").code,
        2,
        "an error was said in it"
    );
    let status = described.status.as_ref().expect("a status");
    assert_eq!((status.code, &status.message[..]), (2, "it broke"));
}

/// A field that says something itself while it is formatted.
struct Talks;

impl fmt::Debug for Talks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(deeper = ?Self, "of itself");
        f.write_str("talks")
    }
}

#[test]
fn it_does_not_hear_itself_and_keeps_to_the_sampler() {
    let (spans, logs) = arrived(
        |_| {},
        Events::Both,
        || {
            let span = info_span!("listens", what = ?Talks);
            span.in_scope(|| info!(what = ?Talks, "said"));
            info!(target: "tailrace_engine::net", "our own");
            info!(target: "tailrace_engineering", "somebody else's");
        },
    );
    assert_eq!((spans.len(), spans[0].events.len()), (1, 1));
    let said: Vec<_> = logs.iter().map(|log| kind(&log.body).clone()).collect();
    assert_eq!(said, [text("said"), text("somebody else's")]);
    assert_eq!(fields(&spans[0].attributes), [("what", text("talks"))]);

    let never = |settings: &mut Settings| {
        settings.sampler = Sampler {
            root: RootSampler::AlwaysOff,
            parent_based: true,
        };
    };
    let (spans, logs) = arrived(never, Events::Both, || {
        info_span!("unseen").in_scope(|| info!("seen"));
        let parent = extract(PARENT, "");
        with_remote_parent(parent.as_ref(), || info_span!("sampled").in_scope(|| ()));
    });
    let names: Vec<_> = spans.iter().map(|span| &span.name[..]).collect();
    assert_eq!((names, logs.len()), (vec!["sampled"], 1));
    assert_eq!(logs[0].flags & 1, 0);
}

/// One that is let go of by its owner is not kept by the threads that recorded for it.
#[test]
fn an_engine_that_is_gone_takes_nothing() {
    let backend = Backend::start();
    let engine = Arc::new(Embedded::start(&settings(&backend, Protocol::Grpc)).expect("it starts"));
    let registry = tracing_subscriber::registry().with(TracingLayer::new(&engine));
    tracing::subscriber::with_default(registry, || {
        drop(engine);
        let span = info_span!("nobody's");
        span.in_scope(|| info!("nothing"));
        assert_eq!(context_of(&span), None);
    });
    assert!(backend.calls().is_empty());
}
