//! The engine inside a service: its threads record, shards export.
//!
//! ```text
//!   application's thread                           shard's thread
//!   Recorder { chunk being filled ---------------> Reading: takes what is committed
//!              ring: chunks begun -- spsc ring --> Reading of the next chunk
//!              chunks it made <-- last reference --- slices in batches and sockets }
//!
//!   chunk   | item | item | item | free ...        item: tag and length, then its content
//!           <---- committed ---->
//! ```
//!
//! **Threads.** A [`Recorder`] belongs to one thread at a time, one signal and one scope. It shares
//! with the shard its chunks and a ring, each with one writer and one reader.
//!
//! **Chunk.** Memory of a fixed size that items are appended to. An item is put together in a
//! buffer of its span, since spans nest and end in any order, and copied into the chunk when it is
//! complete. Then the new length is published with a release store: whatever the shard finds below
//! the length it reads is complete and never written again. So a chunk need not be full to be
//! taken, and the last span of an idle thread leaves like any other.
//!
//! **Ring.** A chunk enters the ring when it is begun, not when it is full; the next one in the
//! ring says that the one before is complete. A ring that closes says the same of the last.
//!
//! **Who wraps.** A task on the shard looks at every recorder on a timer. What it takes gets the
//! resource and scope put before it as one slice, and goes into the pipeline as the request of a
//! connection without a socket: admission, credit, batches, retries and verdicts are those of any
//! other. What is refused for want of room is offered again; meanwhile its recorder fills up.
//!
//! **Who flushes.** [`Embedded::flush`] wakes the task, which takes everything, has open batches
//! sent, and answers when each request it made until then has its verdict.
//!
//! **Who frees.** Slices of a chunk go as they are into payloads, batches and sockets. The recorder
//! keeps a reference to each chunk it made and uses one again when no other reference is left. It
//! makes a fixed number at most, the first when its first item comes, and all recorders take theirs
//! out of one budget ([`Settings::recorders_mib`]), to which a chunk returns with its last slice.
//! When there is none an item is dropped and counted. Recording never waits, takes no lock and makes
//! no system call.
//!
//! **Who waits.** [`Embedded::flush`], [`Embedded::shutdown`] and [`Embedded::export_sync`], by a
//! deadline. The last is for what is seldom and must not be lost: it passes by the recorders, is
//! sent at once, and brings the backend's verdict back.
//!
//! **What goes wrong.** A start that fails is an error, and leaves nothing behind. A shard that dies
//! takes what it held with it; from then on recorders drop and count, and who waits is told why
//! ([`Ended`]). In a forked child the engine is the parent's: there, too, recorders drop and count,
//! and who waits is told to start an engine of the child's own. A thread that panics loses the item
//! it was at; what it had recorded leaves.
//!
//! **Spans.** A [`Tracer`] does that for spans: it makes ids, looks at the clock, asks the sampler and
//! keeps to the limits of [`Settings`]. Parents are said, not guessed: no context hangs on a thread.
//! [`propagation`] reads and writes them as the headers of W3C and of B3.
//!
//! **Metrics.** What instruments measure is put together before it is sent: [`metrics`].
//!
//! ```no_run
//! use http::HeaderMap;
//! use std::time::Duration;
//! use tailrace_codec::otlp::encode::{Key, Scope, SpanKind, StatusCode};
//! use tailrace_engine::embed::span::SpanOptions;
//! use tailrace_engine::embed::{Embedded, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Embedded::start(&Settings::from_environment()?)?;
//! let propagators = engine.propagators();
//! let scope = Scope { name: "cart", ..Scope::default() };
//! let status = Key::new("http.response.status_code");
//!
//! // On each thread that makes spans:
//! let tracer = engine.tracer(&scope);
//!
//! // For each request that comes in:
//! let incoming = HeaderMap::new();
//! let parent = propagators.extract_headers(&incoming);
//! let options = SpanOptions {
//!     parent: parent.as_ref(),
//!     kind: SpanKind::Server,
//!     ..SpanOptions::default()
//! };
//! let mut span = tracer.start_with("GET /cart", &options);
//!
//! // For each call that goes out meanwhile:
//! let mut call = tracer.start_child("load prices", span.context());
//! let mut outgoing = HeaderMap::new();
//! propagators.inject_headers(call.context(), &mut outgoing);
//! call.status(StatusCode::Error, "no answer");
//! call.end();
//!
//! span.attribute(&status, 200);
//! span.end();
//!
//! // At the end:
//! engine.shutdown(Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```

mod budget;
mod chunk;
mod clock;
mod doorway;
mod export;
mod intake;
#[cfg(feature = "tracing-layer")]
pub mod layer;
mod life;
mod logs;
pub mod metrics;
mod placement;
pub mod propagation;
mod recorder;
mod sampling;
#[cfg(feature = "opentelemetry")]
pub mod sdk;
mod service;
mod settings;
pub mod span;
mod sync;
#[cfg(test)]
mod tests;

pub use budget::RecorderMemory;
pub use doorway::{FlushError, FlushReport};
pub use export::{ExportError, ExportReport};
pub use life::Ended;
pub use logs::{LogAttributes, LogLimits};
pub use recorder::{Pressure, Recorder, RecorderLimits};
pub use sampling::{RootSampler, Sampler};
pub use service::{EmbedError, Embedded};
pub use settings::{
    Compression, InstrumentSettings, Protocol, Scheduling, Settings, SettingsError, SignalSettings,
    TemporalityPreference,
};
pub use span::{Span, SpanLimits, Tracer};
