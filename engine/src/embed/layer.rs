//! Spans and events of `tracing`: a layer for `tracing_subscriber`.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tailrace_engine::embed::layer::TracingLayer;
//! use tailrace_engine::embed::{Embedded, Settings};
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Arc::new(Embedded::start(&Settings::from_environment()?)?);
//! let registry = tracing_subscriber::registry().with(TracingLayer::new(&engine));
//! tracing::subscriber::set_global_default(registry)?;
//!
//! tracing::info_span!("GET /cart", otel.kind = "server", items = 3).in_scope(|| {
//!     tracing::info!(user = 7, "found");
//! });
//!
//! // The layer does not keep the engine: who started it ends it.
//! engine.flush(Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```
//!
//! **Fields** become attributes, beside `target`. The names that `tracing-opentelemetry` knows mean what
//! they mean there: `otel.name`, `otel.kind`, `otel.status_code`, `otel.status_description`, when a span
//! begins or later. An event of level ERROR makes its span an error, unless something was said.
//!
//! **Parents** are those of `tracing`; [`with_remote_parent`] says who is the parent of a span that has none,
//! and [`context_of`] what a call that goes out takes along.
//!
//! **Its own telemetry** is left out: what the engine's shard says on its thread, what has a target of this
//! workspace, and what is said while a field is being formatted.

mod fields;
mod threads;

pub(super) use threads::leave_out_this_thread;
pub use threads::with_remote_parent;

use super::logs::LogAttributes;
use super::propagation::SpanContext;
use super::service::Embedded;
use super::span::{DetachedSpan, Span, SpanOptions};
use fields::{Values, severity, status_code};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tailrace_codec::otlp::encode::{LogRecord, StatusCode, Value};
use threads::{Here, Recording};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

/// What events become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Events {
    /// Log records, which name the span that they were written in.
    #[default]
    LogRecords,
    /// Events of the span that they were written in; those outside of spans are lost.
    SpanEvents,
    Both,
}

/// Records for an engine what is said by `tracing`.
///
/// Each thread that says something gets a tracer and a recorder of log records, of the default limits.
/// Cost of a span: that of a [`Span`] and the registry's own.
#[derive(Debug)]
pub struct TracingLayer {
    /// Which layer's recorders a thread looks for.
    id: u64,
    engine: Weak<Embedded>,
    scope: String,
    version: String,
    events: Events,
}

impl TracingLayer {
    /// A layer that records for as long as the engine is there.
    pub fn new(engine: &Arc<Embedded>) -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(0);
        Self {
            id: LAYERS.fetch_add(1, Ordering::Relaxed),
            engine: Arc::downgrade(engine),
            scope: "tracing".to_owned(),
            version: String::new(),
            events: Events::default(),
        }
    }

    /// The instrumentation scope of all that it records; `tracing` where nothing is said.
    #[must_use]
    pub fn with_scope(mut self, name: &str, version: &str) -> Self {
        (self.scope, self.version) = (name.to_owned(), version.to_owned());
        self
    }

    #[must_use]
    pub const fn with_events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Writes an event as a log record.
    fn log(
        &self,
        here: &mut Here,
        recording: &Recording,
        event: &Event<'_>,
        of: Option<&SpanContext>,
    ) {
        let metadata = event.metadata();
        let (severity_number, severity_text) = severity(*metadata.level());
        let now = recording.tracer.clock().now().unix;
        let mut out = recording.logs.buffer();
        let record = LogRecord {
            time: now,
            observed_time: now,
            severity_number,
            severity_text,
            body: (!here.message.is_empty()).then_some(Value::String(&here.message)),
            trace_id: of.map_or([0; 16], |of| of.trace_id.0),
            span_id: of.map_or([0; 8], |of| of.span_id.0),
            flags: of.map_or(0, |of| of.flags.0.into()),
            ..LogRecord::default()
        };
        record.write(&mut out);
        let mut attributes = LogAttributes::new(recording.log_limits, &mut out);
        attributes.write("target", metadata.target().into());
        event.record(&mut Values::but_message(&mut here.scratch, |key, value| {
            attributes.write(key, value);
        }));
        attributes.finish();
        // What finds no room is counted by the recorder.
        let _ = recording.logs.record(out.as_slice());
        recording.logs.give_back(out);
    }
}

/// What the registry keeps for a span.
struct Open(DetachedSpan);

impl<S> Layer<S> for TracingLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let metadata = attributes.metadata();
        let Some(span) = ctx.span(id).filter(|_| !is_own(metadata)) else {
            return;
        };
        let opened = threads::with(self, |here, recording| {
            let parent = match attributes.parent() {
                Some(parent) => ctx.span(parent).and_then(context),
                None if attributes.is_contextual() => ctx.lookup_current().and_then(context),
                None => None,
            };
            let parent = parent.or_else(|| here.remote_parent.clone());
            let options = SpanOptions {
                parent: parent.as_ref(),
                ..SpanOptions::default()
            };
            let mut span = recording.tracer.start_with(metadata.name(), &options);
            if span.is_recording() {
                span.attribute("target", metadata.target());
                attributes.record(&mut Values::all(&mut here.scratch, |key, value| {
                    say(&mut span, key, value);
                }));
            }
            span.detach()
        });
        if let Some(opened) = opened {
            span.extensions_mut().insert(Open(opened));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id) {
            threads::with(self, |here, recording| {
                go_on(&span, recording, |span| {
                    values.record(&mut Values::all(&mut here.scratch, |key, value| {
                        say(span, key, value);
                    }));
                });
            });
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        let other = ctx.span(follows).and_then(context);
        if let (Some(span), Some(other)) = (ctx.span(id), other) {
            threads::with(self, |_, recording| {
                go_on(&span, recording, |span| {
                    span.link::<&str>(&other, &[]);
                });
            });
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let metadata = event.metadata();
        if is_own(metadata) {
            return;
        }
        threads::with(self, |here, recording| {
            let mut of = ctx.event_span(event);
            while of.as_ref().is_some_and(|span| !is_open(span)) {
                of = of.and_then(|span| span.parent());
            }
            let mut count = 2;
            here.message.clear();
            let message = &mut here.message;
            event.record(&mut Values::all(
                &mut here.scratch,
                |key, value| match value {
                    Value::String(text) if key == fields::MESSAGE => message.push_str(text),
                    _ => count += 1,
                },
            ));
            if self.events != Events::SpanEvents && recording.logs.is_on() {
                let of = of.as_ref().and_then(context_here);
                self.log(here, recording, event, of.as_ref());
            }
            let Some(of) = of else { return };
            go_on(&of, recording, |span| {
                if *metadata.level() == Level::ERROR && span.status_code() == StatusCode::Unset {
                    span.status(StatusCode::Error, "");
                }
                if self.events == Events::LogRecords {
                    return;
                }
                let name = if here.message.is_empty() {
                    metadata.name()
                } else {
                    &here.message
                };
                span.event_with(name, count, |write| {
                    write("level", metadata.level().as_str().into());
                    write("target", metadata.target().into());
                    event.record(&mut Values::but_message(&mut here.scratch, write));
                });
            });
        });
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(&id) else { return };
        let open = span.extensions_mut().remove::<Open>();
        if let Some(Open(open)) = open {
            threads::with(self, |_, recording| recording.tracer.resume(open).end());
        }
    }
}

/// The context of a span of `tracing`, for the headers of a call that goes out in it. `None` where no
/// layer of this kind has recorded it, or the subscriber is not built on `tracing_subscriber`'s registry.
pub fn context_of(span: &tracing::Span) -> Option<SpanContext> {
    let found = span.with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        registry.span(id).and_then(context)
    });
    found.flatten()
}

/// Of the nearest span that was recorded, from this one up.
fn context<'a, R: LookupSpan<'a>>(span: SpanRef<'a, R>) -> Option<SpanContext> {
    span.scope().find_map(|span| context_here(&span))
}

fn context_here<'a, R: LookupSpan<'a>>(span: &SpanRef<'a, R>) -> Option<SpanContext> {
    let extensions = span.extensions();
    extensions
        .get::<Open>()
        .map(|Open(open)| open.context().clone())
}

fn is_open<'a, R: LookupSpan<'a>>(span: &SpanRef<'a, R>) -> bool {
    span.extensions().get::<Open>().is_some()
}

/// Says more of a span that is recorded.
fn go_on<'a, R: LookupSpan<'a>>(
    span: &SpanRef<'a, R>,
    recording: &Recording,
    say: impl FnOnce(&mut Span<'_>),
) {
    let mut extensions = span.extensions_mut();
    let Some(Open(open)) = extensions.get_mut::<Open>() else {
        return;
    };
    if open.is_recording() {
        let mut span = recording.tracer.resume(std::mem::take(open));
        say(&mut span);
        *open = span.detach();
    }
}

/// A field of a span.
fn say(span: &mut Span<'_>, key: &str, value: Value<'_>) {
    match (key, value) {
        ("otel.name", Value::String(name)) => {
            span.rename(name);
        }
        ("otel.kind", Value::String(kind)) => {
            if let Some(kind) = fields::kind(kind) {
                span.kind(kind);
            }
        }
        ("otel.status_code", Value::String(code)) => match status_code(code) {
            // A description may have come before it.
            Some(StatusCode::Error) if span.status_code() == StatusCode::Error => {}
            Some(code) => {
                span.status(code, "");
            }
            None => {}
        },
        ("otel.status_description" | "otel.status_message", Value::String(message)) => {
            span.status(StatusCode::Error, message);
        }
        _ => {
            span.attribute(key, value);
        }
    }
}

/// The crates of this workspace: an export that is told of would be exported.
fn is_own(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    ["tailrace_engine", "tailrace_codec"].iter().any(|own| {
        target
            .strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}
